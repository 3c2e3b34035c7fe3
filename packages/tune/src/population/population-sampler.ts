import { TuneFault } from '../fault.ts';
import type { ProposalContext, Sampler } from '../samplers/sampler.ts';
import type { Json } from '../study/trial.ts';
import {
  createPopulation,
  type Population,
  type PopulationRules,
  type PopulationSettings,
  restorePopulation,
  type Segment,
} from './population.ts';

export type PopulationSamplerOptions = Pick<
  PopulationSettings<never>,
  'size' | 'intervalSteps' | 'maxSteps' | 'quantile' | 'resampleProbability'
>;

/** Where a trial stands in a population: whose training it continues, from which trial's checkpoint, and until when. */
export interface Lineage {
  readonly member: number;
  /** The trial whose checkpoint it starts from; absent at the beginning of a member. */
  readonly startTrial?: number;
  readonly fromStep: number;
  /** The step at which the trial is complete. */
  readonly toStep: number;
}

interface State {
  readonly format: 2;
  readonly rules: PopulationRules;
  readonly segments: readonly Segment[];
  /** The trial of each segment; -1 for one that nobody has. */
  readonly trials: readonly number[];
}

/** The lineage of every trial in a saved state of `populationSampler`, by its number. */
export function lineagesOf(state: Json): ReadonlyMap<number, Lineage> {
  const found = new Map<number, Lineage>();
  if (!isState(state)) return found;
  for (const { number, member, fromStep, toStep, startFrom } of state.segments) {
    const trial = state.trials[number] ?? -1;
    const startTrial = startFrom === undefined ? undefined : state.trials[startFrom];
    if (trial >= 0) found.set(trial, { member, fromStep, toStep, ...(startTrial !== undefined && { startTrial }) });
  }
  return found;
}

function isState(state: unknown): state is State {
  return typeof state === 'object' && state !== null && 'format' in state && state.format === 2 && 'segments' in state;
}

/**
 * Population-based training as a sampler: every trial is one interval of one member's training, with the parameters that
 * `createPopulation` gives it. `lineage` says which trial's checkpoint it starts from and at which step it is complete. The
 * study must allow repeats, since a member that does well goes on with what it has, and must not repeat lost trials by
 * itself: their interval is handed out again. While every member is training it has nothing to propose.
 */
export function populationSampler(options: PopulationSamplerOptions): Sampler {
  // Options are checked now, not at the first proposal.
  createPopulation({ ...options, space: { x: { type: 'float', low: 0, high: 1 } } });
  let state: State | undefined;
  let population: Population | undefined;

  const open = (context: ProposalContext): { readonly population: Population; readonly trials: number[] } => {
    const settings = { ...options, space: context.space.spec };
    population ??=
      state === undefined
        ? createPopulation({ ...settings, seed: Math.floor(context.rng.next() * 2 ** 31) })
        : restorePopulation(state, settings);
    return { population, trials: [...(state?.trials ?? [])] };
  };

  return {
    name: 'pbt',
    propose(context) {
      const { population: members, trials } = open(context);
      learn(members, trials, context);
      const ask = members.ask();
      if (ask.kind === 'segment') trials[ask.segment.number] = context.number;
      state = { ...members.snapshot(), trials: members.segments.map(({ number }) => trials[number] ?? -1) };
      return ask.kind === 'segment' ? context.space.toPoint(ask.segment.params) : undefined;
    },
    lineage: number => (state === undefined ? undefined : lineagesOf(asJson(state)).get(number)),
    save: () => (state === undefined ? null : asJson(state)),
    load(saved) {
      if (saved !== null && !isState(saved))
        throw new TuneFault('bad_snapshot', 'its population cannot be read; start another study');
      state = saved === null ? undefined : structuredClone(saved);
      population = undefined;
    },
  };
}

/** Tells the population how the trials of its segments have ended, in the order of their numbers. */
function learn(population: Population, trials: number[], { observations }: ProposalContext): void {
  const byTrial = new Map(observations.map(observation => [observation.number, observation]));
  const running = population.segments
    .filter(segment => segment.state === 'running')
    .toSorted((a, b) => (trials[a.number] ?? -1) - (trials[b.number] ?? -1));
  for (const { number } of running) {
    const observation = byTrial.get(trials[number] ?? -1);
    if (observation === undefined) population.release(number);
    else if (observation.kind === 'complete') population.tell(number, observation.losses[0] ?? Number.NaN);
    else if (observation.kind !== 'pending') population.fail(number);
  }
}

function asJson(state: State): Json {
  return { ...state, rules: { ...state.rules }, segments: state.segments.map(segment => ({ ...segment })) };
}
