import { type StudySettings, spaceSchema, studyNameSchema, studySettingsSchema } from '@holdfast/api';
import { z } from 'zod';
import { durationSchema } from '../config/index.ts';
import { kubernetesSettingsSchema } from '../jobs/index.ts';

const shape = {
  name: studyNameSchema.describe('Name of the study; running the file again goes on with it.'),
  objectives: z
    .record(z.string().min(1).max(64), z.enum(['minimize', 'maximize']))
    .refine(objectives => Object.keys(objectives).length > 0, 'name at least one metric, such as `loss: minimize`')
    .describe('The metrics to optimise, by the name they are reported under, with their direction.'),
  space: spaceSchema.describe('The search space: one entry a parameter.'),
  sampler: studySettingsSchema.shape.sampler.describe('How configurations are proposed.'),
  pruner: studySettingsSchema.shape.pruner.describe('How trials are stopped early.'),
  terminator: studySettingsSchema.shape.terminator.describe(
    'Ends the study before its budget: `regret` once even an optimist expects too little from going on.',
  ),
  seed: studySettingsSchema.shape.seed.describe('The same seed and the same results give the same suggestions.'),
  budget: z
    .strictObject({
      trials: z.int().min(1).exactOptional().describe('Trials in all, over every run of the file.'),
      time: durationSchema.exactOptional().describe('Time since the first trial.'),
      cost: z.number().positive().exactOptional().describe('Sum of the costs reported; seconds where none are.'),
    })
    .prefault({})
    .describe('Whatever is spent first ends the study; without a budget it runs until it is stopped.'),
  concurrency: z.int().min(1).max(256).default(1).describe('Trials at once in this process.'),
  enqueue: z
    .array(z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])))
    .default([])
    .describe('Configurations to try first, by flat names; what is missing is drawn.'),
  environment: z.record(z.string(), z.string()).default({}).describe('More variables for the command.'),
  timeout: durationSchema.prefault('1d').describe('Longest time of one trial.'),
  silence: durationSchema.exactOptional().describe('Longest time without a reported metric.'),
  grace: durationSchema.prefault('10s').describe('Time between the request to stop and the kill.'),
  memoryBytes: z.int().min(16_000_000).exactOptional().describe('Memory the command may allocate.'),
  retries: z.int().min(0).max(100).default(0).describe('How often a failing command is run again in its trial.'),
  lostRetries: studySettingsSchema.shape.retries.describe('How often a trial whose worker died is tried again.'),
  stopAfterFailures: z.int().min(1).default(10).describe('So many failed trials in a row end the run.'),
  lease: durationSchema.prefault('1m').describe('A worker silent for so long has lost its trial.'),
  repeats: studySettingsSchema.shape.repeats.describe('Whether a configuration may be tried twice.'),
  model: z
    .string()
    .exactOptional()
    .describe('The model file that a trial leaves in its directory, for `holdfast tune register` and `deploy`.'),
  latency: z
    .strictObject({
      objective: z.string().min(1).max(64).default('latency_ms').describe('The objective that it gives the value of.'),
      rows: z.int().min(1).max(100_000).default(1).describe('Rows of a request.'),
      runs: z.int().min(5).max(10_000).default(50).describe('Measured runs, of which the median counts.'),
    })
    .exactOptional()
    .describe('Measures `model`, an ONNX file, on this machine after the command, as one of the objectives.'),
};

/** A definition file: the study, and the command that evaluates a configuration. */
export const definitionSchema = z.strictObject({
  ...shape,
  command: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)], {
      error: 'say what to run, as a line such as `python3 train.py --lr={lr}` or as a list of words',
    })
    .describe('The command, as a line or as a list of words; `{lr}` becomes the value of the parameter.'),
  jobs: z
    .discriminatedUnion('backend', [z.strictObject({ backend: z.literal('local') }), kubernetesSettingsSchema])
    .default({ backend: 'local' })
    .describe('Where the commands run: as processes of this machine, or as Kubernetes Jobs.'),
});
export type Definition = z.output<typeof definitionSchema>;

/** A definition exported by a module: a function in place of the command. */
export const functionDefinitionSchema = z.strictObject({
  ...shape,
  objective: z.custom<(...args: never[]) => unknown>(value => typeof value === 'function', 'must be a function'),
});

/** What shapes the suggestions, as it is stored with the study. */
export function settingsOf(definition: z.output<typeof functionDefinitionSchema> | Definition): StudySettings {
  const { trials, time, cost } = definition.budget;
  return {
    space: definition.space,
    objectives: Object.entries(definition.objectives).map(([name, direction]) => ({ name, direction })),
    sampler: definition.sampler,
    pruner: definition.pruner,
    ...(definition.terminator !== undefined && { terminator: definition.terminator }),
    seed: definition.seed,
    budget: {
      ...(trials !== undefined && { trials }),
      ...(time !== undefined && { durationMs: time }),
      ...(cost !== undefined && { cost }),
    },
    leaseMs: definition.lease,
    retries: definition.lostRetries,
    repeats: definition.repeats,
  };
}
