import type { Point } from '../space/space.ts';
import { incumbentOf, movableDimensions } from './local-finish.ts';
import type { ProposalContext } from './sampler.ts';

/** Numbers that a space must have for a start along its axes: below, points spread over the space tell more. */
export const fewestForAxes = 6;

const stepLength = 0.2;

/**
 * A trial that differs from the best so far in one number, which is its turn: one after the other they give the slopes
 * of all numbers, and every improvement is kept, so that by the end of the start the search has left for the better
 * side. In many dimensions, where as many spread points find nothing, models learn more from it. `undefined` when every
 * number has had its turn, or when there are too few.
 *
 * The initial simplex of M. J. D. Powell, COBYLA (1994).
 */
export function coordinateStart(context: ProposalContext): Point | undefined {
  const { observations, space, rng, number, accepts } = context;
  const best = incumbentOf(observations)?.point;
  const moves = best ? movableDimensions(space, best) : [];
  const d = moves[number - 1];
  if (!best || d === undefined || moves.length < fewestForAxes) return undefined;
  const x = best[d]!;
  const wanted = rng.next() < 0.5 ? -stepLength : stepLength;
  const point = best.slice();
  point[d] = x + wanted >= 0 && x + wanted <= 1 ? x + wanted : x - wanted;
  const settled = space.settle(point, rng);
  return accepts(settled) ? settled : undefined;
}
