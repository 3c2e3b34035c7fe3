import { z } from 'zod';
import { stickySchema } from './deployment.ts';
import { modelNameSchema, versionSchema } from './names.ts';
import { planSchema, rolloutStepSchema } from './rollout-plan.ts';

const modeSchema = z.enum(['gate', 'guard', 'off']);
/** `gate`: a step ends only when the check has passed; `guard`: it can only stop the rollout; `off`: not looked at. */
export type CheckMode = z.infer<typeof modeSchema>;

const modeOf = (mode: CheckMode) =>
  modeSchema.default(mode).describe('gate: must be shown before a step ends; guard: can only stop the rollout; off.');
const rows = (n: number) => z.int().min(10).max(1_000_000_000).default(n);

/** How a rollout is judged; every key has a default. */
export const judgeSchema = z.strictObject({
  alpha: z
    .number()
    .gt(0)
    .lt(0.5)
    .default(0.05)
    .describe(
      'Chance of rolling back an equal version, and of passing one that is worse than a margin, however often it is looked at.',
    ),
  minimumRequests: rows(100).describe('Requests that each version must have answered in a step before a verdict.'),
  errors: z
    .strictObject({
      mode: modeOf('gate'),
      margin: z.number().gt(0).lt(1).default(0.01).describe('Tolerated excess of the share of failed requests.'),
    })
    .prefault({}),
  latency: z
    .strictObject({
      mode: modeOf('gate'),
      quantiles: z.array(z.number().gt(0).lt(1)).min(1).max(4).default([0.5, 0.95]),
      margin: z
        .number()
        .min(0.1)
        .max(10)
        .default(0.25)
        .describe('Tolerated growth of a quantile, as a share of the champion’s.'),
      marginMs: z.number().min(0).default(5).describe('Growth by less than this many milliseconds never matters.'),
    })
    .prefault({}),
  outputs: z
    .strictObject({
      mode: modeOf('guard'),
      margin: z
        .number()
        .gt(0)
        .lt(1)
        .default(0.2)
        .describe('Tolerated shift of what is predicted: the share of predictions that would have to move.'),
    })
    .prefault({}),
  agreement: z
    .strictObject({
      mode: modeOf('guard'),
      margin: z.number().gt(0).lt(1).default(0.2).describe('Tolerated share of copied rows predicted otherwise.'),
      tolerance: z.number().min(0).default(0.05).describe('Relative difference up to which two numbers agree.'),
    })
    .prefault({}),
  performance: z
    .strictObject({
      mode: modeOf('guard'),
      margin: z
        .number()
        .gt(0)
        .default(0.02)
        .describe('Tolerated loss against ground truth: share of wrong classes, or share of the mean absolute error.'),
      minimumLabels: rows(100).describe('Labelled rows that each version needs before it is judged.'),
    })
    .prefault({}),
  guard: z
    .strictObject({
      errorRatio: z
        .number()
        .gt(0)
        .max(1)
        .default(0.2)
        .describe('More failed requests than this share, and than twice the champion’s, roll back at once ...'),
      minimumRequests: rows(50).describe('... once the new version has answered so many.'),
      nonFinite: z.number().gt(0).max(1).default(0.01).describe('The same for rows with NaN or infinite outputs.'),
    })
    .prefault({}),
  patience: z
    .number()
    .min(1)
    .max(1000)
    .default(6)
    .describe('A step without a verdict ends after this many times its length ...'),
  onNoVerdict: z.enum(['pause', 'rollback', 'promote']).default('pause').describe('... and then this happens.'),
  onFail: z.enum(['rollback', 'pause']).default('rollback').describe('What a failed check does.'),
  decide: z
    .enum(['auto', 'manual'])
    .default('auto')
    .describe('manual: verdicts are shown, and every step waits for a person; the guard acts all the same.'),
});
export type JudgeConfig = z.output<typeof judgeSchema>;

/** What holds for the rollouts of a model that do not say otherwise. */
export const rolloutDefaultsSchema = z.strictObject({
  plan: planSchema
    .default('5% 10m -> 25% 30m -> 100%')
    .describe('Steps: "shadow 10m" copies, "5% 10m" answers a share, "0% pause" waits for a person, "100%" promotes.'),
  sticky: stickySchema.optional(),
  salt: z.string().max(100).default(''),
  judge: judgeSchema.prefault({}),
});
export type RolloutDefaults = z.output<typeof rolloutDefaultsSchema>;

export const startRolloutSchema = z.strictObject({
  /** The version to roll out. */
  version: versionSchema,
  /** The configured plan when absent. */
  plan: planSchema.optional(),
  sticky: stickySchema.optional(),
  salt: z.string().max(100).optional(),
  /** Replaces the configured judge, key by key at the top level. */
  judge: z.record(z.string(), z.unknown()).optional(),
  /** Ends a rollout that is under way instead of refusing. */
  supersede: z.boolean().default(false),
  reason: z.string().max(1000).default(''),
});
export type StartRollout = z.input<typeof startRolloutSchema>;

export const rolloutActionSchema = z.enum(['promote', 'pause', 'resume', 'abort']);
export type RolloutAction = z.infer<typeof rolloutActionSchema>;
export const actOnRolloutSchema = z.strictObject({
  action: rolloutActionSchema,
  reason: z.string().max(1000).default(''),
});

export const rolloutPhaseSchema = z.enum([
  'pending',
  'shadow',
  'canary',
  'paused',
  'promoting',
  'promoted',
  'rolling-back',
  'rolled-back',
  'failed',
]);
/** Where a rollout stands. The last three of `promoted`, `rolled-back` and `failed` are final. */
export type RolloutPhase = z.infer<typeof rolloutPhaseSchema>;

export const checkOutcomeSchema = z.enum(['pass', 'fail', 'undecided', 'no-data']);
export type CheckOutcome = z.infer<typeof checkOutcomeSchema>;

/** One comparison of the new version with the champion, on requests of the same time. */
export const checkResultSchema = z.object({
  /** `errors`, `latency-p95`, `outputs`, `agreement`, `performance`. */
  check: z.string(),
  mode: z.enum(['gate', 'guard']),
  outcome: checkOutcomeSchema,
  /** `share`: 0 to 1; `ratio`: the new version's number over the champion's; `loss`: in the unit of ground truth. */
  unit: z.enum(['share', 'ratio', 'loss']),
  champion: z.number().nullable(),
  challenger: z.number().nullable(),
  /** What is compared with `margin`: a difference, or a ratio. Its bounds hold at all looks together. */
  effect: z.number().nullable(),
  low: z.number().nullable(),
  high: z.number().nullable(),
  margin: z.number(),
  championRows: z.number(),
  challengerRows: z.number(),
  /** Anytime-valid, adjusted for the checks and steps of the rollout: that the new version is no worse. */
  pValue: z.number().nullable(),
  sentence: z.string(),
});
export type CheckResult = z.infer<typeof checkResultSchema>;

export const decisionKindSchema = z.enum(['advance', 'await', 'hold', 'freeze', 'rollback', 'pause']);
/** What the judge says now, and why. */
export const rolloutDecisionSchema = z.object({
  atMs: z.number(),
  kind: decisionKindSchema,
  sentence: z.string(),
  checks: z.array(checkResultSchema),
});
export type RolloutDecision = z.infer<typeof rolloutDecisionSchema>;

export const rolloutSchema = z.object({
  model: modelNameSchema,
  id: z.int(),
  /** Names the rollout in metrics and records. */
  release: z.string(),
  champion: versionSchema,
  challenger: versionSchema,
  phase: rolloutPhaseSchema,
  pausedFor: z.enum(['manual', 'inconclusive']).nullable(),
  /** Index into `steps`. */
  step: z.int(),
  steps: z.array(rolloutStepSchema),
  plan: z.string(),
  /** Share of the requests that the new version answers now. */
  percent: z.number(),
  stepStartedMs: z.number(),
  startedAtMs: z.number(),
  endedAtMs: z.number().nullable(),
  actor: z.string(),
  reason: z.string(),
  alpha: z.number(),
  onNoVerdict: z.enum(['pause', 'rollback', 'promote']),
  decision: rolloutDecisionSchema.nullable(),
});
export type Rollout = z.infer<typeof rolloutSchema>;

/** One transition, as it was decided. */
export const rolloutEventSchema = z.object({
  seq: z.int(),
  atMs: z.number(),
  phase: rolloutPhaseSchema,
  step: z.int(),
  percent: z.number(),
  actor: z.string(),
  reason: z.string(),
  /** The checks that it was decided on. */
  checks: z.array(checkResultSchema),
});
export type RolloutEvent = z.infer<typeof rolloutEventSchema>;

/** The bounds of every check at one moment. */
export const rolloutPointSchema = z.object({
  atMs: z.number(),
  step: z.int(),
  checks: z.array(
    checkResultSchema.pick({ check: true, effect: true, low: true, high: true, margin: true, outcome: true }),
  ),
});
export type RolloutPoint = z.infer<typeof rolloutPointSchema>;

export const rolloutDetailSchema = z.object({
  rollout: rolloutSchema,
  events: z.array(rolloutEventSchema),
  points: z.array(rolloutPointSchema),
});
export type RolloutDetail = z.infer<typeof rolloutDetailSchema>;
