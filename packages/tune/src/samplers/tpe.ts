import { TuneFault } from '../fault.ts';
import type { Point, Space } from '../space/space.ts';
import { ParzenMixture } from './parzen.ts';
import { drawAccepted, type Observation, type ProposalContext, type Sampler } from './sampler.ts';
import { splitObservations } from './tpe-split.ts';

export interface TpeOptions {
  /** Random trials before the model takes over. @default 10 */
  readonly startupTrials?: number;
  /** Candidates scored a suggestion. @default 24 */
  readonly candidates?: number;
  /** How many of n finished trials count as good. @default min(ceil(0.1 n), 25); ceil(0.1 n) with several objectives */
  readonly gamma?: (n: number) => number;
  /**
   * univariate: parameters one by one; multivariate: one mixture over the parameters that every trial had, the others
   * one by one; group: one mixture over each set of parameters that always occur together.
   * @default 'multivariate', or 'univariate' with several objectives
   */
  readonly mode?: 'univariate' | 'multivariate' | 'group';
  /** Count trials under way as bad, so that parallel workers spread out. @default true */
  readonly constantLiar?: boolean;
  /** Weight of the prior component against one observation. @default 1 */
  readonly priorWeight?: number;
}

/**
 * Tree-structured Parzen estimator: models good and bad trials by two mixtures l and g and proposes the candidate from
 * l with the highest l / g. Configurations that were tried before are passed over in favour of the next best one.
 *
 * Bergstra et al., NIPS 2011; Falkner et al., BOHB, ICML 2018 (multivariate); Watanabe, arXiv:2304.11127 (settings).
 */
export function tpe(options: TpeOptions = {}): Sampler<Point> {
  const { startupTrials = 10, candidates = 24 } = options;
  if (!Number.isInteger(startupTrials) || startupTrials < 0)
    throw new TuneFault('bad_option', 'startupTrials', 'must be a whole number from 0');
  if (!Number.isInteger(candidates) || candidates < 1)
    throw new TuneFault('bad_option', 'candidates', 'must be a whole number from 1');
  return {
    name: 'tpe',
    propose(context) {
      const usable = context.observations.filter(o => o.kind === 'complete' || o.kind === 'pruned');
      if (usable.length < startupTrials) return drawAccepted(context, () => context.space.random(context.rng));
      return proposeByModel(context, usable.length, { ...options, candidates });
    },
    save: () => null,
    load: () => {},
  };
}

const recent = 25;

/** Weights oldest to newest: the newest 25 count fully, older ones less and less, down to 1 / n. */
export function recencyWeights(n: number): Float64Array {
  const weights = new Float64Array(n).fill(1);
  const old = n - recent;
  for (let i = 0; i < old; i++) weights[i] = old === 1 ? 1 / n : 1 / n + ((1 - 1 / n) * i) / (old - 1);
  return weights;
}

function proposeByModel(
  context: ProposalContext,
  n: number,
  options: TpeOptions & { readonly candidates: number },
): Point {
  const isSingle = context.objectives === 1;
  const gamma = options.gamma ?? (k => (isSingle ? Math.min(Math.ceil(0.1 * k), 25) : Math.ceil(0.1 * k)));
  const { below, above } = splitObservations(context.observations, gamma(n), options.constantLiar ?? true);
  const groups = groupsOf(context, options.mode ?? (isSingle ? 'multivariate' : 'univariate'));
  const models = groups.map(dimensions => {
    const mixture = (trials: readonly Observation[], flat: boolean): ParzenMixture => {
      const points = trials.map(o => o.point).filter(p => dimensions.every(d => !Number.isNaN(p[d]!)));
      const weights = flat ? new Float64Array(points.length).fill(1) : recencyWeights(points.length);
      return new ParzenMixture(context.space, dimensions, points, weights, options.priorWeight ?? 1);
    };
    return { dimensions, good: mixture(below, !isSingle), bad: mixture(above, false) };
  });
  let best: Point | undefined;
  // A refused round is drawn afresh: on small grids the best cells are soon all taken.
  for (let round = 0; round < 4; round++) {
    const point = assemble(context, models, options.candidates);
    if (context.accepts(point)) return point;
    best ??= point;
  }
  return best ?? context.space.random(context.rng);
}

interface GroupModel {
  readonly dimensions: readonly number[];
  readonly good: ParzenMixture;
  readonly bad: ParzenMixture;
}

/** The best of the candidates of every group; where one group decides everything, the best acceptable one. */
function assemble(context: ProposalContext, models: readonly GroupModel[], candidates: number): Point {
  const { space, rng } = context;
  const point = new Float64Array(space.size);
  for (const { dimensions, good, bad } of models) {
    const scored: { readonly score: number; readonly candidate: Point }[] = [];
    for (let i = 0; i < candidates; i++) {
      const candidate = new Float64Array(space.size).fill(Number.NaN);
      good.sampleInto(candidate, rng);
      scored.push({ score: good.logDensity(candidate) - bad.logDensity(candidate), candidate });
    }
    scored.sort((a, b) => b.score - a.score);
    const whole = models.length === 1 ? scored.find(s => context.accepts(space.settle(s.candidate, rng))) : undefined;
    const chosen = (whole ?? scored[0]!).candidate;
    for (const d of dimensions) point[d] = chosen[d]!;
  }
  return space.settle(point, rng);
}

/** Sets of dimensions that share one mixture. */
function groupsOf(
  context: ProposalContext,
  mode: 'univariate' | 'multivariate' | 'group',
): readonly (readonly number[])[] {
  const all = context.space.dimensions.map((_, i) => i);
  if (mode === 'univariate') return all.map(d => [d]);
  const seen = context.observations.filter(o => o.kind === 'complete' || o.kind === 'pruned');
  const groups = coOccurring(context.space, seen);
  if (mode === 'group') return groups;
  const common = all.filter(d => seen.every(o => !Number.isNaN(o.point[d]!)));
  const rest = all.filter(d => !common.includes(d)).map(d => [d]);
  return common.length > 0 ? [common, ...rest] : rest;
}

/** Dimensions that were present in exactly the same trials, in the order of the space. */
export function coOccurring(space: Space, seen: readonly Observation[]): readonly (readonly number[])[] {
  const groups = new Map<string, number[]>();
  for (let d = 0; d < space.size; d++) {
    let pattern = '';
    for (const o of seen) pattern += Number.isNaN(o.point[d]!) ? '0' : '1';
    groups.set(pattern, [...(groups.get(pattern) ?? []), d]);
  }
  return [...groups.values()];
}
