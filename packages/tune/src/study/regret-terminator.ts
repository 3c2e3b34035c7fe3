import { TuneFault } from '../fault.ts';
import { least } from '../maths/extremes.ts';
import { standardize } from '../maths/power-transform.ts';
import { percentileOf } from '../pruners/standing.ts';
import type { Rng } from '../rng.ts';
import { fitHyper } from '../samplers/gp/fit.ts';
import { defaultHyper } from '../samplers/gp/kernel.ts';
import { GaussianProcess } from '../samplers/gp/model.ts';
import { toInput } from '../samplers/gp/search.ts';
import { shapeOf } from '../samplers/gp/surrogates.ts';
import type { Observation } from '../samplers/sampler.ts';
import type { Point, Space } from '../space/space.ts';
import type { Terminator } from './terminator.ts';

export interface RegretTerminatorOptions {
  /**
   * Gain that is not worth more trials, in the unit of the objective: best the standard error of one evaluation, such as
   * that of a cross-validation's mean. @default 1 % of the distance from the median of the trials to the best
   */
  readonly tolerance?: number;
  /** Complete trials before the study may end. @default 20 */
  readonly minTrials?: number;
  /** Share of the trials, best first, that the model is conditioned on. @default 0.5 */
  readonly topShare?: number;
  /**
   * The bound is computed anew after every so many complete trials, from the first ones of that number: so the answer does
   * not depend on which worker asks, or on what others tell meanwhile. @default 5
   */
  readonly interval?: number;
}

/** Most trials the model is conditioned on, so that the check stays cheap. */
const maxPoints = 120;
const randomPoints = 1000;
const stepsAround = 50;
/** Probability that the bound does not hold. */
const delta = 0.1;

/**
 * Ends a study with one objective when even the optimist expects less from going on than the tolerance: with a Gaussian
 * process over the better half of the trials, the least upper bound of the loss at a tried point minus the least lower
 * bound anywhere bounds the regret of stopping now.
 *
 * Makarova et al., Automatic termination for hyperparameter optimization, AutoML 2022. Width of the bounds as in Srinivas
 * et al., ICML 2010, theorem 1, divided by 5 as there in the experiments.
 */
export function regretTerminator(options: RegretTerminatorOptions = {}): Terminator {
  const { tolerance, minTrials = 20, topShare = 0.5, interval = 5 } = options;
  if (tolerance !== undefined && !(tolerance > 0)) throw new TuneFault('bad_option', 'tolerance', 'must be above 0');
  if (!Number.isInteger(minTrials) || minTrials < 5)
    throw new TuneFault('bad_option', 'minTrials', 'must be a whole number from 5');
  if (!(topShare > 0 && topShare <= 1)) throw new TuneFault('bad_option', 'topShare', 'must be above 0 and at most 1');
  if (!Number.isInteger(interval) || interval < 1)
    throw new TuneFault('bad_option', 'interval', 'must be a whole number from 1');
  let latest: { readonly count: number; readonly stops: boolean } | undefined;
  return {
    name: 'regret',
    shouldStop(context) {
      if (context.objectives > 1) return false;
      const complete = context.observations.filter(o => o.kind === 'complete' && o.violation === 0);
      if (complete.length < minTrials) return false;
      const count = complete.length - ((complete.length - minTrials) % interval);
      if (latest?.count !== count) {
        const judged = complete.slice(0, count);
        const losses = judged.map(o => o.losses[0]!);
        const enough = tolerance ?? 0.01 * (percentileOf(losses, 50) - least(losses));
        const { space } = context;
        latest = { count, stops: regretBound({ space, rng: context.rng(count) }, judged, topShare) <= enough };
      }
      return latest.stops;
    },
  };
}

/** Upper bound, in the unit of the loss, of what the best possible configuration is better than the best tried one. */
export function regretBound(
  { space, rng }: { readonly space: Space; readonly rng: Rng },
  complete: readonly Observation[],
  topShare: number,
): number {
  const byLoss = [...complete].sort((a, b) => a.losses[0]! - b.losses[0]!);
  const top = byLoss.slice(0, Math.min(maxPoints, Math.max(5, Math.ceil(topShare * byLoss.length))));
  const losses = top.map(o => o.losses[0]!);
  const scale = deviationOf(losses);
  if (scale === 0) return 0;
  const inputs = top.map(o => toInput(space, o.point));
  const y = standardize(losses);
  const shape = shapeOf(space);
  const { hyper } = fitHyper(inputs, y, shape, defaultHyper(space.size), 30);
  const model = new GaussianProcess(inputs, y, shape, hyper);
  const n = complete.length;
  const width = Math.sqrt((2 * Math.log((space.size * n * n * Math.PI ** 2) / (6 * delta))) / 5);
  const bound = (x: Float64Array, sign: number): number => {
    const { mean, variance } = model.predict(x);
    return mean + sign * width * Math.sqrt(variance);
  };
  const upper = least(inputs.map(x => bound(x, 1)));
  const lower = leastLowerBound(space, top, rng, point => bound(toInput(space, point), -1));
  return scale * Math.max(0, upper - lower);
}

/** Random points, then random steps of shrinking size from the lowest ones and the best trials. */
function leastLowerBound(space: Space, top: readonly Observation[], rng: Rng, bound: (point: Point) => number): number {
  const starts = [...top.map(o => o.point), ...Array.from({ length: randomPoints }, () => space.random(rng))]
    .map(point => ({ point, value: bound(point) }))
    .sort((a, b) => a.value - b.value)
    .slice(0, 5);
  let least = starts[0]!.value;
  for (let { point, value } of starts) {
    for (let step = 0; step < stepsAround; step++) {
      const size = 0.2 * 0.93 ** step;
      const next = space.settle(
        point.map((x, d) => {
          if (Number.isNaN(x)) return x;
          if (space.dimensions[d]!.domain.kind === 'category')
            return rng.bernoulli(0.1) ? space.randomCoordinate(d, rng) : x;
          return Math.min(1, Math.max(0, x + size * rng.normal()));
        }),
        rng,
      );
      const found = bound(next);
      if (found < value) {
        point = next;
        value = found;
      }
    }
    least = Math.min(least, value);
  }
  return least;
}

function deviationOf(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length);
}
