import { fault, type StudySettings } from '@holdfast/api';
import {
  agingEvolution,
  asha,
  auto,
  bohbSampler,
  cmaEs,
  forest,
  freezeThaw,
  gp,
  grid,
  hyperband,
  learningCurvePruner,
  medianPruner,
  noPruner,
  nsga2,
  nsga3,
  type Pruner,
  patientPruner,
  percentilePruner,
  populationSampler,
  quasiRandom,
  random,
  rankGuard,
  regretTerminator,
  type Sampler,
  successiveHalving,
  type Terminator,
  thresholdPruner,
  tpe,
  wilcoxonPruner,
} from '@holdfast/tune';
import { z } from 'zod';

/** One sampler or pruner that can be named in a definition: its options, and what makes it. */
interface Choice<T> {
  make(options: unknown): T;
  readonly keys: readonly string[];
}

function choice<S extends z.ZodObject, T>(schema: S, make: (options: z.output<S>) => T): Choice<T> {
  return { make: options => make(schema.parse(options)), keys: Object.keys(schema.shape) };
}

const whole = z.int().min(0).exactOptional();
const number = z.number().exactOptional();
const flag = z.boolean().exactOptional();
const rungs = z.strictObject({ minSteps: number, maxSteps: z.number(), eta: number });
const percentile = z.strictObject({ startupTrials: whole, warmupSteps: number, intervalSteps: number });

/** Every sampler by the name it is stored under. */
const samplers: Readonly<Record<string, Choice<Sampler>>> = {
  auto: choice(z.strictObject({}), () => auto()),
  gp: choice(
    z.strictObject({ startupTrials: whole, maxPoints: whole, candidates: whole, starts: whole, trustRegion: flag }),
    gp,
  ),
  tpe: choice(
    z.strictObject({
      startupTrials: whole,
      candidates: whole,
      mode: z.enum(['univariate', 'multivariate', 'group']).exactOptional(),
      constantLiar: z.boolean().exactOptional(),
      priorWeight: number,
    }),
    tpe,
  ),
  aging: choice(z.strictObject({ populationSize: whole, sampleSize: whole }), agingEvolution),
  bohb: choice(
    z.strictObject({ startupTrials: whole, goodShare: number, candidates: whole, randomShare: number }),
    bohbSampler,
  ),
  pbt: choice(
    z.strictObject({
      size: z.int().exactOptional(),
      intervalSteps: z.number(),
      maxSteps: z.number(),
      quantile: number,
      resampleProbability: number,
    }),
    populationSampler,
  ),
  'cma-es': choice(
    z.strictObject({ populationSize: whole, sigma: number, restarts: z.enum(['ipop', 'none']).exactOptional() }),
    cmaEs,
  ),
  forest: choice(
    z.strictObject({ startupTrials: whole, trees: whole, randomShare: number, maxPoints: whole, candidates: whole }),
    forest,
  ),
  nsga2: choice(z.strictObject({ populationSize: whole }), nsga2),
  nsga3: choice(z.strictObject({ populationSize: whole, divisions: whole }), nsga3),
  sobol: choice(z.strictObject({ scramble: z.boolean().exactOptional() }), options =>
    quasiRandom({ ...options, sequence: 'sobol' }),
  ),
  halton: choice(z.strictObject({ scramble: z.boolean().exactOptional() }), options =>
    quasiRandom({ ...options, sequence: 'halton' }),
  ),
  grid: choice(z.strictObject({ points: whole, order: z.enum(['shuffled', 'sequential']).exactOptional() }), grid),
  random: choice(z.strictObject({}), () => random()),
};

const pruners: Readonly<Record<string, Choice<Pruner>>> = {
  auto: choice(z.strictObject({}), () => rankGuard(medianPruner())),
  none: choice(z.strictObject({}), () => noPruner()),
  median: choice(percentile, medianPruner),
  percentile: choice(percentile.extend({ percentile: number }), percentilePruner),
  threshold: choice(
    z.strictObject({ upper: number, lower: number, objective: whole, warmupSteps: number }),
    thresholdPruner,
  ),
  patient: choice(z.strictObject({ patience: z.int().min(1), minDelta: number }), options => patientPruner(options)),
  'successive-halving': choice(rungs.extend({ cohort: whole }), successiveHalving),
  asha: choice(rungs, asha),
  hyperband: choice(rungs, hyperband),
  'freeze-thaw': choice(rungs, freezeThaw),
  wilcoxon: choice(z.strictObject({ pThreshold: number, startupSteps: whole }), wilcoxonPruner),
  'learning-curve': choice(
    z.strictObject({ maxSteps: z.number(), confidence: number, startupReports: whole }),
    learningCurvePruner,
  ),
};

const terminators: Readonly<Record<string, Choice<Terminator>>> = {
  regret: choice(
    z.strictObject({
      tolerance: number,
      minTrials: z.int().exactOptional(),
      topShare: number,
      interval: z.int().exactOptional(),
    }),
    regretTerminator,
  ),
};

function pick<T>(
  kind: 'sampler' | 'pruner' | 'terminator',
  table: Readonly<Record<string, Choice<T>>>,
  wanted: { readonly name: string },
): T {
  const { name, ...options } = wanted;
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found === undefined)
    throw fault('bad_request', `${kind}: there is no "${name}"; choose one of ${Object.keys(table).join(', ')}`);
  try {
    return found.make(options);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const why = error.issues.map(issue => `${issue.path.join('.') || 'its options'}: ${issue.message}`).join('; ');
    const known = found.keys.length === 0 ? 'takes no options' : `takes ${found.keys.join(', ')}`;
    throw fault('bad_request', `${kind} "${name}" ${known} (${why})`);
  }
}

/** @throws Fault `bad_request`; TuneFault when an option is out of range */
export function samplerOf(wanted: StudySettings['sampler']): Sampler {
  return pick('sampler', samplers, wanted);
}

/** @throws Fault `bad_request`; TuneFault when an option is out of range */
export function prunerOf(wanted: StudySettings['pruner']): Pruner {
  return pick('pruner', pruners, wanted);
}

/** @throws Fault `bad_request`; TuneFault when an option is out of range */
export function terminatorOf(wanted: NonNullable<StudySettings['terminator']>): Terminator {
  return pick('terminator', terminators, wanted);
}
