import type { ProposalContext } from '../samplers/sampler.ts';
import type { Point } from '../space/space.ts';

/**
 * An acceptable configuration in place of one that was proposed before or breaks a constraint: first the neighbours
 * (one parameter changed), then random ones, then, in a finite space, whatever is left. `undefined` when nothing is.
 */
export function replaceRefused(refused: Point, context: ProposalContext): Point | undefined {
  const { space, rng } = context;
  for (let i = 0; i < 64; i++) {
    const candidate = refused.slice();
    // The number of changed parameters grows slowly, so the search leaves a crowded corner.
    for (let k = 0; k <= i / 16; k++) {
      const d = rng.int(space.size);
      candidate[d] = space.randomCoordinate(d, rng);
    }
    const settled = space.settle(candidate, rng);
    if (context.accepts(settled)) return settled;
  }
  for (let i = 0; i < 256; i++) {
    const candidate = space.random(rng);
    if (context.accepts(candidate)) return candidate;
  }
  return space.isFinite ? anyLeft(context) : undefined;
}

/** A random one of the acceptable configurations (reservoir of one), looking at a million at most. */
function anyLeft(context: ProposalContext): Point | undefined {
  let found: Point | undefined;
  let acceptable = 0;
  let seen = 0;
  for (const point of context.space.enumerate()) {
    if (context.accepts(point) && context.rng.int(++acceptable) === 0) found = point;
    if (++seen >= 1e6) break;
  }
  return found;
}
