import { z } from 'zod';
import { modelNameSchema, studyNameSchema, versionSchema } from './names.ts';

export const scalarSchema = z.union([z.string(), z.number(), z.boolean(), z.null()]);
export type ScalarValue = z.infer<typeof scalarSchema>;

const whenSchema = z.record(
  z.string(),
  z.union([
    z.array(scalarSchema).min(1),
    z.strictObject({ atLeast: z.number().exactOptional(), atMost: z.number().exactOptional() }),
  ]),
);
const rangeShape = {
  low: z.number(),
  high: z.number(),
  step: z.number().exactOptional(),
  log: z.boolean().exactOptional(),
  default: z.number().exactOptional(),
  when: whenSchema.exactOptional(),
};
const valuesShape = {
  values: z.array(scalarSchema).min(1),
  default: scalarSchema.exactOptional(),
  when: whenSchema.exactOptional(),
};
const leafSchemas = [
  z.strictObject({ type: z.literal('float'), ...rangeShape }),
  z.strictObject({ type: z.literal('int'), ...rangeShape }),
  z.strictObject({ type: z.literal('categorical'), ...valuesShape }),
  z.strictObject({ type: z.literal('ordered'), ...valuesShape }),
  z.strictObject({ type: z.literal('constant'), value: scalarSchema, when: whenSchema.exactOptional() }),
] as const;

export type ParameterSpec =
  | z.infer<(typeof leafSchemas)[number]>
  | {
      type: 'choice';
      options: Record<string, Record<string, ParameterSpec>>;
      default?: string;
      when?: z.infer<typeof whenSchema>;
    }
  | { type: 'group'; space: Record<string, ParameterSpec>; when?: z.infer<typeof whenSchema> };

const parameterName = z
  .string()
  .regex(
    /^[A-Za-z_][\w-]{0,63}$/,
    'a parameter name is 1 to 64 letters, digits, "_" or "-", not starting with a digit',
  );

/** One parameter of a search space; the meaning of each field is that of `@holdfast/tune`. */
export const parameterSchema: z.ZodType<ParameterSpec> = z.lazy(() =>
  z.discriminatedUnion('type', [
    ...leafSchemas,
    z.strictObject({
      type: z.literal('choice'),
      options: z.record(parameterName, z.record(parameterName, parameterSchema)),
      default: z.string().exactOptional(),
      when: whenSchema.exactOptional(),
    }),
    z.strictObject({
      type: z.literal('group'),
      space: z.record(parameterName, parameterSchema),
      when: whenSchema.exactOptional(),
    }),
  ]),
);

/** A search space as data. */
export const spaceSchema = z.record(parameterName, parameterSchema);

const objectiveSchema = z.strictObject({
  /** The name under which the value is reported. */
  name: z.string().min(1).max(64),
  direction: z.enum(['minimize', 'maximize']),
});

/** What is chosen by name with options of its own: `tpe`, or `{ name: tpe, mode: group }`. */
const namedChoiceSchema = z
  .union([
    z
      .string()
      .min(1)
      .transform(name => ({ name })),
    z.looseObject({ name: z.string().min(1) }),
  ])
  .describe('A name, or the name with options.');

export const studySettingsSchema = z.strictObject({
  space: spaceSchema,
  objectives: z.array(objectiveSchema).min(1).max(8),
  sampler: namedChoiceSchema.prefault('auto'),
  pruner: namedChoiceSchema.prefault('auto'),
  /** What ends the study before its budget; nothing when absent. */
  terminator: namedChoiceSchema.exactOptional(),
  seed: z.int().default(0),
  budget: z
    .strictObject({
      trials: z.int().min(1).exactOptional(),
      durationMs: z.number().positive().exactOptional(),
      cost: z.number().positive().exactOptional(),
    })
    .prefault({}),
  /** A running trial without a sign of life for so long is lost, and its configuration is tried again. */
  leaseMs: z.number().min(1000).default(60_000),
  /** How often the configuration of a lost trial is handed out again. */
  retries: z.int().min(0).max(100).default(2),
  /** Whether the same configuration may be proposed twice. */
  repeats: z.enum(['refuse', 'allow']).default('refuse'),
});
/** Everything about a study that shapes its suggestions, with every default filled in. */
export type StudySettings = z.output<typeof studySettingsSchema>;
export type StudySettingsInput = z.input<typeof studySettingsSchema>;

export const createStudySchema = z.strictObject({
  name: studyNameSchema,
  settings: studySettingsSchema,
  /** Accept a changed space (added choices, other ranges, new parameters with a default), sampler or pruner. */
  evolve: z.boolean().default(false),
  /** Who tunes what, for people: the command or function, the file it stands in. */
  note: z.string().max(2000).default(''),
});
export type CreateStudy = z.input<typeof createStudySchema>;

export const trialStateSchema = z.enum(['waiting', 'running', 'paused', 'complete', 'pruned', 'failed', 'lost']);
export type TrialPhase = z.infer<typeof trialStateSchema>;

export const trialSchema = z.object({
  number: z.int(),
  state: trialStateSchema,
  /** Active parameters, nested names joined with dots. */
  params: z.record(z.string(), scalarSchema).readonly(),
  origin: z.string(),
  values: z.array(z.number()).readonly().exactOptional(),
  constraints: z.array(z.number()).readonly().exactOptional(),
  reports: z.array(z.object({ step: z.number(), values: z.array(z.number()).readonly() })).readonly(),
  cost: z.number().exactOptional(),
  reason: z.string().exactOptional(),
  retryOf: z.int().exactOptional(),
  retries: z.int(),
  createdAtMs: z.number(),
  startedAtMs: z.number().exactOptional(),
  finishedAtMs: z.number().exactOptional(),
  leaseUntilMs: z.number().exactOptional(),
  /** Of population-based training: the member whose interval it is, and the trial whose checkpoint it starts from. */
  lineage: z
    .object({ member: z.int(), startTrial: z.int().exactOptional(), fromStep: z.number(), toStep: z.number() })
    .exactOptional(),
  revision: z.int(),
});
export type Trial = z.infer<typeof trialSchema>;

export const studyStateSchema = z.enum(['waiting', 'running', 'stopped', 'finished']);
/**
 * `waiting`: nobody has asked yet; `running`: at least one trial is under way; `stopped`: nothing is under way and the
 * budget is not spent; `finished`: the budget is spent, or the space exhausted.
 */
export type StudyState = z.infer<typeof studyStateSchema>;

export const studySummarySchema = z.object({
  name: studyNameSchema,
  state: studyStateSchema,
  /** Why it is finished: trials, duration, cost, exhausted, terminator or sampler. */
  finishedBecause: z.string().nullable(),
  objectives: z.array(objectiveSchema),
  sampler: z.string(),
  pruner: z.string(),
  /** Trials by state. */
  counts: z.record(trialStateSchema, z.int()),
  budget: z.object({
    trials: z.int().exactOptional(),
    durationMs: z.number().exactOptional(),
    cost: z.number().exactOptional(),
  }),
  /** The best trial of a study with one objective; null before the first one. */
  best: z.object({ number: z.int(), value: z.number() }).nullable(),
  /** Trials on the Pareto front of a study with several objectives. */
  frontSize: z.int(),
  createdAtMs: z.number(),
  changedAtMs: z.number(),
  revision: z.int(),
});
export type StudySummary = z.infer<typeof studySummarySchema>;

export const studyEventSchema = z.object({
  atMs: z.number(),
  kind: z.enum(['created', 'resumed', 'evolved', 'finished', 'lost', 'recovered', 'registered']),
  trial: z.int().nullable(),
  text: z.string(),
});
export type StudyEvent = z.infer<typeof studyEventSchema>;

export const studyDetailSchema = z.object({
  summary: studySummarySchema,
  settings: studySettingsSchema,
  note: z.string(),
  /** Numbers of the best trial, or of the Pareto front. */
  best: z.array(z.int()),
  events: z.array(studyEventSchema),
});
export type StudyDetail = z.infer<typeof studyDetailSchema>;

export const studyTrialsSchema = z.object({ revision: z.int(), trials: z.array(trialSchema) });
export type StudyTrials = z.infer<typeof studyTrialsSchema>;

/** Who holds a trial: any text that names the worker; "host/pid/..." lets a dead process be noticed at once. */
export const workerSchema = z.string().min(1).max(200);

export const askTrialSchema = z.strictObject({ worker: workerSchema });
export const askAnswerSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('trial'),
    number: z.int(),
    /** Proves that the trial is still held; goes with every report and outcome. */
    claim: z.int(),
    /** Nested, with constants: what the evaluation is given. */
    params: z.record(z.string(), z.json()),
    /** Active parameters by their flat names. */
    flat: z.record(z.string(), scalarSchema),
    /** The last step reported, when a paused or released trial goes on. */
    resumeFrom: z.number().exactOptional(),
    /** The lost trial whose evaluation this is, when a job of it may still be running somewhere. */
    repeats: z.int().exactOptional(),
    /** The trial whose checkpoint this one starts from, the number its folder has, and the step of the checkpoint. */
    startFrom: z.object({ trial: z.int(), folder: z.int(), step: z.number() }).exactOptional(),
    /** The step at which the trial is complete, when that is before the end of the command. */
    untilStep: z.number().exactOptional(),
  }),
  z.object({ kind: z.literal('exhausted') }),
  z.object({ kind: z.literal('finished'), because: z.string() }),
]);
export type AskAnswer = z.infer<typeof askAnswerSchema>;

/** Not an enum: the key `-Infinity` of one does not survive in a declaration file. */
const wireNumber = z.union([z.number(), z.literal(['NaN', 'Infinity', '-Infinity']).transform(Number)]);

export const reportStepSchema = z.strictObject({
  claim: z.int(),
  step: z.number(),
  /** One value an objective, in their order; "NaN", "Infinity" and "-Infinity" as text. */
  values: z.array(wireNumber),
});
export const pruneDecisionSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('continue') }),
  z.object({ kind: z.literal('prune'), because: z.string() }),
  z.object({ kind: z.literal('pause'), because: z.string() }),
]);
export type PruneAnswer = z.infer<typeof pruneDecisionSchema>;

const costShape = { cost: z.number().min(0).exactOptional() };
export const trialOutcomeSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('complete'),
    values: z.array(wireNumber).readonly(),
    constraints: z.array(wireNumber).readonly().exactOptional(),
    ...costShape,
  }),
  z.strictObject({ kind: z.literal('failed'), reason: z.string().max(4000), ...costShape }),
  z.strictObject({ kind: z.literal('pruned'), ...costShape }),
  z.strictObject({ kind: z.literal('paused'), ...costShape }),
]);
export const tellTrialSchema = z.strictObject({ claim: z.int(), outcome: trialOutcomeSchema });
export const holdTrialSchema = z.strictObject({ claim: z.int() });

export const enqueueTrialSchema = z.strictObject({
  /** Flat names and values; missing parameters take their default or a random value. */
  params: z.record(z.string(), scalarSchema),
});

export const noteRegistrationSchema = z.strictObject({
  trial: z.int(),
  model: modelNameSchema,
  version: versionSchema,
});

export const importancesQuerySchema = z.object({
  /**
   * `ped-anova`: what it takes to be among the best tenth; `fanova`: what moves the value anywhere in the space;
   * `permutation`: what moves it where the trials were, interactions included.
   */
  method: z.enum(['ped-anova', 'fanova', 'permutation']).default('ped-anova'),
  /** Index of the objective. */
  objective: z.coerce.number().int().min(0).default(0),
});
export type ImportancesQuery = z.output<typeof importancesQuerySchema>;

/** How much each parameter matters, most important first; shares sum to 1. */
export const importancesSchema = z.object({
  method: z.string(),
  objective: z.string(),
  trials: z.int(),
  importances: z.array(z.object({ parameter: z.string(), share: z.number() })),
});
export type Importances = z.infer<typeof importancesSchema>;
