import { aliasSchema, modelNameSchema, taskHintSchema } from '@holdfast/api';
import { z } from 'zod';
import { durationSchema } from './duration.ts';

const bytes = (n: number) => z.int().min(1).default(n);

/** A window is so much event time, or so many rows. */
export const windowSchema = z.union([
  z.strictObject({ every: durationSchema }),
  z.strictObject({ rows: z.int().min(50).max(10_000_000) }),
]);
export type WindowSpec = z.output<typeof windowSchema>;

export const monitorsSchema = z.strictObject({
  /** The window that drift, quality, service level and volume are judged on. @default every 1h */
  window: windowSchema.default({ every: 3_600_000 }),
  /** The window that performance is judged on. @default the same as `window` */
  performanceWindow: windowSchema.optional(),
  /** How long a window stays open for stragglers after its end, in event time. @default 1m */
  lateness: durationSchema.default(60_000),
  drift: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** Promised share of quiet windows with a false drift alarm, over all columns together. @default 0.01 */
      falseAlarmRate: z.number().gt(0).lt(1).default(0.01),
      /** Smallest size-corrected effect that matters, even when it is significant. @default 0.1 */
      minimumEffect: z.number().min(0).default(0.1),
      /** Fewer rows than this in a window give no verdict. @default 100 */
      minimumRows: z.int().min(10).default(100),
      /** Columns not judged, such as a calendar column that always moves. */
      ignore: z.array(z.string()).default([]),
    })
    .prefault({}),
  quality: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** Largest growth of a column's missing share over the baseline's. @default 0.05 */
      missing: z.number().min(0).max(1).default(0.05),
      /** Largest share of values outside the declared or baseline range. @default 0.01 */
      outOfRange: z.number().min(0).max(1).default(0.01),
      /** Largest share of rows with a category that the baseline never had. @default 0.05 */
      unseen: z.number().min(0).max(1).default(0.05),
    })
    .prefault({}),
  performance: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** Largest tolerated loss of the leading metric against the baseline (absolute for shares, relative for errors). */
      tolerance: z.number().min(0).default(0.02),
      /** Labels needed in a window before it is judged. @default 200 */
      minimumLabels: z.int().min(10).default(200),
    })
    .prefault({}),
  serviceLevel: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** Largest share of failed requests. @default 0.01 */
      errorRatio: z.number().min(0).max(1).default(0.01),
      /** Largest 99th percentile of latency, milliseconds; not judged when absent. */
      p99Ms: z.number().gt(0).optional(),
    })
    .prefault({}),
  volume: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** Alarm when a window has less than this share of the median of the earlier windows' rows. @default 0.3 */
      lowRatio: z.number().min(0).max(1).default(0.3),
      /** Alarm when a window has more than this multiple of it. @default 3 */
      highRatio: z.number().min(1).default(3),
    })
    .prefault({}),
  /** Windows in breach before an alert fires. @default 1 */
  fireAfter: z.int().min(1).default(1),
  /** Quiet windows before a firing alert resolves. @default 2 */
  resolveAfter: z.int().min(1).default(2),
});
export type MonitorsConfig = z.output<typeof monitorsSchema>;

export const batchingSchema = z.strictObject({
  /** Most rows in one run of the model. @default 64 */
  maximumRows: z.int().min(1).max(65_536).default(64),
  /** Longest wait for company, in milliseconds; 0 batches only what queued up while the runner was busy. @default 0 */
  maximumDelayMs: z.number().min(0).max(10_000).default(0),
  /** Rows that may wait; more are refused with 503. @default two batches, at least 128 */
  queueRows: z.int().min(1).optional(),
});
export type BatchingConfig = z.output<typeof batchingSchema>;

export const modelConfigSchema = z.strictObject({
  /** ONNX file, relative to the configuration file. Registered at start when it is new. */
  file: z.string().optional(),
  baseline: z
    .strictObject({ file: z.string(), truthColumn: z.string().optional(), timeColumn: z.string().optional() })
    .optional(),
  task: taskHintSchema.optional(),
  alias: aliasSchema.optional(),
  batching: batchingSchema.prefault({}),
  runner: z
    .strictObject({
      /** Threads inside one run of the model. @default 1 */
      threads: z.int().min(1).max(256).default(1),
      /** Runner processes per version. @default 1 */
      instances: z.int().min(1).max(64).default(1),
      /** A run longer than this kills the runner. @default 30s */
      hangTimeout: durationSchema.default(30_000),
      /** Memory limit of the runner's data segment, bytes; none when absent. */
      memoryBytes: z.int().min(64_000_000).optional(),
    })
    .prefault({}),
  monitors: monitorsSchema.prefault({}),
});
export type ModelConfig = z.output<typeof modelConfigSchema>;

export const configSchema = z.strictObject({
  data: z.string().default('./.holdfast'),
  host: z.string().default('127.0.0.1'),
  /** Inference HTTP. @default 8080 */
  port: z.int().min(0).max(65_535).default(8080),
  /** Console and control API. @default 8090 */
  consolePort: z.int().min(0).max(65_535).default(8090),
  /** Host names the control API answers to, besides the addresses it listens on. */
  hosts: z.array(z.string()).default([]),
  limits: z
    .strictObject({
      /** @default 64 MiB */
      bodyBytes: bytes(67_108_864),
      /** Largest artifact, bytes. @default 2 GiB */
      artifactBytes: bytes(2_147_483_648),
      /** Deadline of a request that names none. @default 10s */
      requestTimeout: durationSchema.default(10_000),
      connections: z.int().min(1).default(4096),
    })
    .prefault({}),
  recording: z
    .strictObject({
      enabled: z.boolean().default(true),
      /** Longest time between an answer and its record being on disk. @default 100ms */
      syncInterval: durationSchema.default(100),
      /** Memory for records on their way to the disk; more are dropped and counted. @default 64 MiB */
      bufferBytes: bytes(67_108_864),
      /** A log segment is sealed into Parquet when it is this old ... @default 10s */
      sealAfter: durationSchema.default(10_000),
      /** ... or this large. @default 64 MiB */
      segmentBytes: bytes(67_108_864),
      /** Sealed predictions older than this are removed. @default 90d */
      retention: durationSchema.default(90 * 86_400_000),
    })
    .prefault({}),
  alerting: z
    .strictObject({
      webhooks: z
        .array(
          z.strictObject({
            url: z.url({ protocol: /^https?$/ }),
            /** Deliver only alerts of these models; all when absent. */
            models: z.array(modelNameSchema).optional(),
            timeout: durationSchema.default(5000),
          }),
        )
        .default([]),
    })
    .prefault({}),
  /** What holds for every model that does not say otherwise. */
  defaults: modelConfigSchema.omit({ file: true, baseline: true, task: true, alias: true }).prefault({}),
  models: z.record(modelNameSchema, modelConfigSchema).default({}),
});
/** The whole of `holdfast.yaml`, with every default filled in. */
export type Config = z.output<typeof configSchema>;
export type ConfigInput = z.input<typeof configSchema>;
