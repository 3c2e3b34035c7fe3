import { z } from 'zod';

/** What gateways report each second; another machine's report comes as JSON over the network and is parsed by this. */
const countSchema = z.number().min(0);
const wholeSchema = z.int().min(0);
/** Sparse histogram. */
const bucketsSchema = z.array(z.tuple([wholeSchema, countSchema]).readonly()).readonly();
const versionSchema = z.int().min(1);
const nameSchema = z.string().min(1).max(200);

const servingCountsSchema = z
  .object({
    model: nameSchema,
    version: versionSchema,
    requests: wholeSchema,
    rows: wholeSchema,
    errors: wholeSchema,
    /** Requests inside the gateway now. */
    inFlight: wholeSchema,
    /** Latencies in microseconds of the last second. */
    latency: bucketsSchema,
    latencySum: countSchema,
  })
  .readonly();
/** Counts of one model version since the gateway started; control derives rates from the differences. */
export type ServingCounts = z.output<typeof servingCountsSchema>;

const shadowReportSchema = z
  .object({
    /** Copies not made because too many waited. */
    dropped: wholeSchema,
    /** Copies whose outputs were compared with the champion's, and the sum of their shares of disagreeing rows. */
    compared: wholeSchema,
    disagreed: countSchema,
    /** The champion's latencies of the same requests, measured alike. */
    championLatency: bucketsSchema,
  })
  .readonly();

const armReportSchema = z
  .object({
    model: nameSchema,
    release: z.string(),
    stage: z.int(),
    version: versionSchema,
    role: z.enum(['champion', 'challenger', 'shadow']),
    /** Answered or failed by the server; a caller's mistakes are not counted. For a shadow, copies that were run. */
    requests: wholeSchema,
    errors: wholeSchema,
    rows: wholeSchema,
    /** Rows with a NaN or infinite output. */
    nonFiniteRows: wholeSchema,
    /** Microseconds of the whole request; for a shadow, of the run in the model alone. */
    latency: bucketsSchema,
    latencySum: countSchema,
    /** What was predicted: a class, or the number of a bin of numbers in order. Every request has the weight 1. */
    outputs: z.array(z.tuple([z.string(), countSchema]).readonly()).readonly(),
    /** Of a shadow only. */
    copies: shadowReportSchema.optional(),
  })
  .readonly();
/**
 * What one arm of a deployment did since the last report. Only requests that were dealt by share are counted: those of
 * testers, rules and callers that name a version are no fair comparison.
 */
export type ArmReport = z.output<typeof armReportSchema>;

export const gatewayReportSchema = z
  .object({
    recordedTotal: wholeSchema,
    droppedTotal: wholeSchema,
    labelsTotal: wholeSchema,
    /** Wall clock, ms since epoch; null before the first sync. */
    lastSyncedMs: countSchema.nullable(),
    counts: z.array(servingCountsSchema).readonly(),
    arms: z.array(armReportSchema).readonly(),
  })
  .readonly();
export type GatewayReport = z.output<typeof gatewayReportSchema>;
