import type { Point } from '../../space/space.ts';
import type { Observation } from '../sampler.ts';

/** Side lengths of the region, as shares of the range: the first one, and where it starts over. */
const firstSide = 0.8;
const largestSide = 1.6;
const smallestSide = 0.5 ** 7;
const successesToGrow = 3;

/** The part of every range, around the best trial, in which the next trial is looked for. */
export interface Region {
  readonly centre: Point;
  readonly side: number;
}

/**
 * The trust region that the results so far have led to: its side doubles after three improvements in a row and halves
 * after as many failures in a row as there are dimensions (at least four). A region that has become tiny starts over.
 * It is a function of the history alone, so there is nothing to save.
 *
 * Eriksson et al., Scalable global optimization via local Bayesian optimization (TuRBO), NeurIPS 2019.
 */
export function trustRegion(finished: readonly Observation[], startup: number, dimensions: number): Region | undefined {
  const failuresToShrink = Math.max(4, dimensions);
  let best: Observation | undefined;
  let side = firstSide;
  let successes = 0;
  let failures = 0;
  finished.forEach((o, i) => {
    const loss = o.losses[0]!;
    const before = best?.losses[0] ?? Number.POSITIVE_INFINITY;
    if (o.violation === 0 && loss < before) best = o;
    if (i < startup) return;
    const improved = best === o && loss < before - 1e-3 * Math.abs(before);
    successes = improved ? successes + 1 : 0;
    failures = improved ? 0 : failures + 1;
    if (successes >= successesToGrow) {
      side = Math.min(largestSide, 2 * side);
      successes = 0;
    }
    if (failures >= failuresToShrink) {
      side /= 2;
      failures = 0;
    }
    if (side < smallestSide) side = firstSide;
  });
  return best && { centre: best.point, side };
}

/** Ends of the region in one dimension; the whole range where the centre has no such parameter. */
export function sidesOf({ centre, side }: Region, dimension: number): readonly [number, number] {
  const x = centre[dimension]!;
  return Number.isNaN(x) ? [0, 1] : [Math.max(0, x - side / 2), Math.min(1, x + side / 2)];
}
