import { z } from 'zod';
import { aliasSchema, digestSchema, modelNameSchema, versionSchema } from './names.ts';
import { signatureSchema } from './signature.ts';

export const versionStateSchema = z.enum(['loading', 'ready', 'unloaded', 'quarantined', 'failed']);
/**
 * `loading`: its runner is starting; `ready`: answers; `unloaded`: registered, not in memory; `quarantined`: its runner
 * died three times within a minute; `failed`: its runner could not load it.
 */
export type VersionState = z.infer<typeof versionStateSchema>;

export const modelVersionSchema = z.object({
  model: modelNameSchema,
  version: versionSchema,
  digest: digestSchema,
  bytes: z.int(),
  signature: signatureSchema,
  state: versionStateSchema,
  reason: z.string().optional(),
  aliases: z.array(aliasSchema),
  baselineDigest: digestSchema.optional(),
  baselineRows: z.int().optional(),
  /** Where the version came from: file name, producer, changes made on import. */
  provenance: z.record(z.string(), z.string()),
  createdAtMs: z.number(),
});
export type ModelVersion = z.infer<typeof modelVersionSchema>;

export const aliasMoveSchema = z.object({
  alias: aliasSchema,
  fromVersion: versionSchema.nullable(),
  toVersion: versionSchema.nullable(),
  generation: z.int(),
  atMs: z.number(),
  actor: z.string(),
  reason: z.string(),
});
export type AliasMove = z.infer<typeof aliasMoveSchema>;

/** The last ten seconds of a model, measured in the gateway. */
export const liveTrafficSchema = z.object({
  requestsPerSecond: z.number(),
  rowsPerSecond: z.number(),
  errorsPerSecond: z.number(),
  p50Ms: z.number().nullable(),
  p99Ms: z.number().nullable(),
});
export type LiveTraffic = z.infer<typeof liveTrafficSchema>;

/** One line of the fleet overview. */
export const modelSummarySchema = z.object({
  name: modelNameSchema,
  champion: versionSchema.nullable(),
  state: versionStateSchema,
  task: z.enum(['binary', 'multiclass', 'regression', 'none']),
  versions: z.int(),
  traffic: liveTrafficSchema,
  drift: z.enum(['stable', 'breached', 'undecided', 'unwatched']),
  driftedColumns: z.array(z.string()),
  performance: z.enum(['stable', 'breached', 'undecided', 'unwatched']),
  /** The leading metric of the task in the latest scored window, such as `roc_auc`. */
  leadingMetric: z.object({ name: z.string(), value: z.number(), baseline: z.number().nullable() }).nullable(),
  firingAlerts: z.int(),
});
export type ModelSummary = z.infer<typeof modelSummarySchema>;

export const modelDetailSchema = z.object({
  summary: modelSummarySchema,
  versions: z.array(modelVersionSchema),
  history: z.array(aliasMoveSchema),
  /** The span of event times that predictions cover, for the shared time range; null before the first one. */
  span: z.object({ fromMs: z.number(), toMs: z.number() }).nullable(),
  /** Whether predictions carry their own event time, or happen when they are received. */
  clock: z.enum(['event', 'wall']),
});
export type ModelDetail = z.infer<typeof modelDetailSchema>;

export const artifactSchema = z.object({ digest: digestSchema, bytes: z.int() });
export type Artifact = z.infer<typeof artifactSchema>;

export const baselineFormatSchema = z.enum(['csv', 'parquet', 'jsonl']);
export type BaselineFormat = z.infer<typeof baselineFormatSchema>;

/** What a deploy may say about the task when the outputs leave it open. */
export const taskHintSchema = z.object({
  kind: z.enum(['binary', 'multiclass', 'regression', 'none']),
  positiveClass: z.string().optional(),
  threshold: z.number().optional(),
});
export type TaskHint = z.infer<typeof taskHintSchema>;

/** What to convert of a source that leaves a choice. */
export const sourceChoiceSchema = z.strictObject({
  /** Tensors to take as inputs of a frozen TensorFlow graph. */
  inputs: z.array(z.string().min(1)).max(1000).optional(),
  /** Outputs to keep, in this order; all when absent. */
  outputs: z.array(z.string().min(1)).max(1000).optional(),
  /** Signature of a SavedModel; `serving_default` or the only one when absent. */
  signature: z.string().min(1).optional(),
  /** Boosting rounds to use, from the first; what the saved model itself uses when absent. */
  rounds: z.int().min(1).optional(),
});
export type SourceChoice = z.infer<typeof sourceChoiceSchema>;

/** What only Holdfast itself says of a version's origin; it reads some of these again, so nobody else may write them. */
const reservedProvenance: ReadonlySet<string> = new Set([
  'ensemble',
  'remote',
  'source',
  'file',
  'changes',
  'converted',
  'checked',
  'conversionNotes',
  'conversionReport',
]);

export const createVersionSchema = z.strictObject({
  /** The model's file, or the first of `files`. Anything but ONNX is converted on the way. */
  artifact: digestSchema,
  /**
   * Every file of a model that has several, under its name inside the model's folder. Models that become one pipeline are
   * stages 1, 2, ... in the order in which they run.
   */
  files: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(1024),
        artifact: digestSchema,
        stage: z.int().min(1).max(20).optional(),
      }),
    )
    .min(1)
    .max(2000)
    .optional(),
  convert: sourceChoiceSchema.optional(),
  version: versionSchema.optional(),
  /** File name for provenance only. */
  fileName: z.string().max(255).optional(),
  /** More about where it came from, such as the study and the parameters of the trial that made it. */
  provenance: z
    .record(z.string().max(200), z.string().max(2000))
    .superRefine((given, context) => {
      for (const key of Object.keys(given)) {
        if (!reservedProvenance.has(key)) continue;
        context.addIssue({ code: 'custom', path: [key], message: 'is written by Holdfast itself; choose another key' });
      }
    })
    .optional(),
  baseline: z
    .strictObject({
      artifact: digestSchema,
      format: baselineFormatSchema,
      /** The column with ground truth; found by the names `label`, `target`, `truth`, `y` when absent. */
      truthColumn: z.string().optional(),
      /** The column with the event time (ISO text, timestamp or ms since epoch): its days are the calibration blocks. */
      timeColumn: z.string().optional(),
    })
    .optional(),
  task: taskHintSchema.optional(),
  /** Names of the classes that an output scores, in order, by output. */
  labels: z.record(z.string(), z.array(z.string().max(1000)).max(100_000)).optional(),
  /** The alias to move to the new version once it is ready; `champion` when absent, null for none. */
  alias: aliasSchema.nullable().optional(),
});
export type CreateVersion = z.input<typeof createVersionSchema>;

const convertedTensorSchema = z.object({
  name: z.string(),
  dtype: z.string(),
  shape: z
    .array(z.union([z.number(), z.string(), z.null()]))
    .readonly()
    .optional(),
});

/** How far one output of a converted model was from the same output of its source, and how far it may be. */
const comparedOutputSchema = z.object({
  name: z.string(),
  elements: z.number(),
  bar: z.discriminatedUnion('kind', [
    /** The difference is at most `absolute`, or at most `relative` times the value. */
    z.object({ kind: z.literal('near'), absolute: z.number(), relative: z.number() }),
    /** Quantised: at least this share of the elements is at most `steps` times `stepSize` apart. */
    z.object({ kind: z.literal('steps'), steps: z.number(), stepSize: z.number(), share: z.number() }),
  ]),
  largestAbsolute: z.number(),
  largestRelative: z.number().optional(),
  shareBeyond: z.number().optional(),
});

/** What the conversion of a version's source did, and how it was checked against that source. */
export const conversionResultSchema = z.object({
  report: z.object({
    source: z.object({
      format: z.string(),
      framework: z.string(),
      frameworkVersion: z.string().optional(),
      modelClass: z.string(),
      sha256: z.string(),
      bytes: z.number(),
    }),
    inputs: z.array(convertedTensorSchema).readonly(),
    outputs: z.array(convertedTensorSchema).readonly(),
    featureNames: z.array(z.string()).readonly().optional(),
    classes: z
      .array(z.union([z.string(), z.number(), z.boolean()]))
      .readonly()
      .optional(),
    notes: z.array(z.string()).readonly(),
  }),
  verification: z.object({
    kind: z.enum(['agrees', 'partly', 'not-compared']),
    how: z.string(),
    rows: z.number(),
    outputs: z.array(comparedOutputSchema).readonly(),
    consistency: z.string(),
  }),
  /** What was done to the graph after it was checked: precision, quantization, optimisation. */
  changes: z
    .array(
      z.object({
        what: z.string(),
        bytesBefore: z.number(),
        bytesAfter: z.number(),
        /** Median time of one run on this machine, ms. */
        msBefore: z.number(),
        msAfter: z.number(),
        /** Largest change of a number relative to the largest output, or the share of rows whose label changed. */
        loss: z.number(),
        /** The data it was measured on. */
        measuredOn: z.string(),
      }),
    )
    .readonly(),
  modelBytes: z.number(),
  elapsedMs: z.number(),
});
export type ConversionResult = z.infer<typeof conversionResultSchema>;

export const createVersionResponseSchema = z.object({
  version: modelVersionSchema,
  /** False when the same artifact was already a version of this model. */
  created: z.boolean(),
});
export type CreateVersionResponse = z.infer<typeof createVersionResponseSchema>;

export const moveAliasSchema = z.strictObject({
  version: versionSchema,
  /** Refuse with `alias_moved` unless the alias is at this generation. */
  expectedGeneration: z.int().optional(),
  reason: z.string().max(1000).default(''),
});
export type MoveAlias = z.input<typeof moveAliasSchema>;

export const rollbackSchema = z.strictObject({ reason: z.string().max(1000).default('') });
export type Rollback = z.input<typeof rollbackSchema>;

export const processStatusSchema = z.object({
  name: z.string(),
  kind: z.enum(['control', 'gateway', 'runner', 'watcher']),
  pid: z.int(),
  state: z.string(),
  restarts: z.int(),
  residentBytes: z.number().nullable(),
});
export type ProcessStatus = z.infer<typeof processStatusSchema>;

export const recordingStatusSchema = z.object({
  recordedTotal: z.number(),
  droppedTotal: z.number(),
  labelsTotal: z.number(),
  lastSyncedMs: z.number().nullable(),
});
export type RecordingStatus = z.infer<typeof recordingStatusSchema>;

export const statusSchema = z.object({
  version: z.string(),
  startedAtMs: z.number(),
  inferenceUrl: z.string(),
  consoleUrl: z.string(),
  processes: z.array(processStatusSchema),
  recording: recordingStatusSchema,
  models: z.array(modelSummarySchema),
});
export type Status = z.infer<typeof statusSchema>;
