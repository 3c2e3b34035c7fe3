import { z } from 'zod';
import { modelNameSchema, versionSchema } from './names.ts';

export const monitorKinds = [
  'data-drift',
  'prediction-drift',
  'data-quality',
  'performance',
  'service-level',
  'volume',
] as const;
export const monitorKindSchema = z.enum(monitorKinds);
/** One question asked at every window close. */
export type MonitorKind = z.infer<typeof monitorKindSchema>;

/** `stable`: looked and saw nothing; `breached`: needs somebody; `undecided`: could not tell, `because` says why. */
export const outcomeSchema = z.enum(['stable', 'breached', 'undecided']);
export type Outcome = z.infer<typeof outcomeSchema>;

/** A monitor's answer about one subject (a column, a metric) in one window. */
export const verdictSchema = z.object({
  id: z.int(),
  model: modelNameSchema,
  version: versionSchema,
  monitor: monitorKindSchema,
  /** The column (drift, quality) or the metric (performance, service level, volume) that was judged. */
  subject: z.string(),
  windowStartMs: z.number(),
  windowEndMs: z.number(),
  outcome: outcomeSchema,
  because: z.string().optional(),
  /** Name of the test, such as `two-sample KS` or `G test`. */
  test: z.string(),
  statistic: z.number().nullable(),
  /** Adjusted for the number of columns judged together. */
  pValue: z.number().nullable(),
  effectName: z.string(),
  effect: z.number().nullable(),
  threshold: z.number().nullable(),
  baselineRows: z.int(),
  windowRows: z.int(),
  /** How often this alarm is promised to fire in a window where nothing changed, 0 to 1. */
  falseAlarmRate: z.number().nullable(),
  sentence: z.string(),
  /** Raised when late ground truth re-scored a window that was already judged. */
  revision: z.int(),
  judgedAtMs: z.number(),
});
export type Verdict = z.infer<typeof verdictSchema>;

/** One cell of the drift heat map. */
export const driftCellSchema = z.object({
  column: z.string(),
  role: z.enum(['input', 'output']),
  windowStartMs: z.number(),
  windowEndMs: z.number(),
  version: versionSchema,
  outcome: outcomeSchema,
  effect: z.number().nullable(),
  threshold: z.number().nullable(),
  rows: z.int(),
});
export type DriftCell = z.infer<typeof driftCellSchema>;

const categoryCountsSchema = z.array(z.object({ category: z.string(), count: z.number() }));

/** One side of a cell's detail: shares are counts; the last bin of a numeric column is open-ended, as is the first. */
export const columnDistributionSchema = z.object({
  rows: z.number(),
  missing: z.number(),
  mean: z.number().nullable(),
  standardDeviation: z.number().nullable(),
  minimum: z.number().nullable(),
  maximum: z.number().nullable(),
  /** Numeric columns: counts per bin, `edges.length + 1` of them. */
  binCounts: z.array(z.number()),
  /** Categorical columns: the most frequent categories and `other`. */
  categories: categoryCountsSchema,
  unseen: z.number(),
});
export type ColumnDistribution = z.infer<typeof columnDistributionSchema>;

export const driftDetailSchema = z.object({
  column: z.string(),
  kind: z.enum(['numeric', 'categorical']),
  windowStartMs: z.number(),
  windowEndMs: z.number(),
  edges: z.array(z.number()),
  baseline: columnDistributionSchema,
  current: columnDistributionSchema,
  verdicts: z.array(verdictSchema),
});
export type DriftDetail = z.infer<typeof driftDetailSchema>;

/** Realised performance of one version in one window, from the ground truth that has arrived so far. */
export const performancePointSchema = z.object({
  version: versionSchema,
  windowStartMs: z.number(),
  windowEndMs: z.number(),
  predictions: z.int(),
  labelled: z.int(),
  /** Metric name -> value, such as `roc_auc`, `accuracy`, `mae`; absent when it cannot be computed. */
  metrics: z.record(z.string(), z.number()),
  revision: z.int(),
});
export type PerformancePoint = z.infer<typeof performancePointSchema>;

/** The same metrics on the baseline, for the reference line of a chart. */
export const performanceResponseSchema = z.object({
  baseline: z.record(z.string(), z.number()),
  points: z.array(performancePointSchema),
});
export type PerformanceResponse = z.infer<typeof performanceResponseSchema>;

/** Traffic of one version in one step of time (event time: the time the predictions speak of). */
export const trafficPointSchema = z.object({
  startMs: z.number(),
  version: versionSchema,
  requests: z.number(),
  rows: z.number(),
  errors: z.number(),
  /** Milliseconds, over the whole request inside the gateway. */
  p50Ms: z.number().nullable(),
  p90Ms: z.number().nullable(),
  p99Ms: z.number().nullable(),
});
export type TrafficPoint = z.infer<typeof trafficPointSchema>;
export const trafficResponseSchema = z.object({ stepMs: z.number(), points: z.array(trafficPointSchema) });
export type TrafficResponse = z.infer<typeof trafficResponseSchema>;

export const alertStateSchema = z.enum(['pending', 'firing', 'resolved']);
export type AlertPhase = z.infer<typeof alertStateSchema>;

/** Verdicts of one monitor of one model that need somebody, grouped. */
export const alertSchema = z.object({
  id: z.string(),
  model: modelNameSchema,
  version: versionSchema,
  monitor: z.union([monitorKindSchema, z.literal('runtime')]),
  state: alertStateSchema,
  severity: z.enum(['info', 'warning', 'critical']),
  title: z.string(),
  /** Subjects in breach now, worst first. */
  subjects: z.array(z.string()),
  sentences: z.array(z.string()),
  /** Event time of the first and the latest window in breach. */
  sinceMs: z.number(),
  lastWindowMs: z.number(),
  openedAtMs: z.number(),
  firedAtMs: z.number().nullable(),
  resolvedAtMs: z.number().nullable(),
});
export type Alert = z.infer<typeof alertSchema>;
