import type { Rng } from '../../rng.ts';
import type { Point, Space } from '../../space/space.ts';

/** Neighbours of each number, and their standard deviation as a share of the range. */
const numericNeighbours = 4;
const deviation = 0.05;

/**
 * Configurations that differ from `point` in one parameter: every other category, the grid points next to a value and
 * Gaussian steps of a number. Parameters that the change brings into being are drawn. In random order.
 *
 * Hutter, Hoos & Leyton-Brown, Sequential model-based optimization for general algorithm configuration, LION 2011.
 */
export function oneExchange(space: Space, point: Point, rng: Rng): readonly Point[] {
  const out: Point[] = [];
  for (const [d, { domain }] of space.dimensions.entries()) {
    const x = point[d]!;
    if (Number.isNaN(x)) continue;
    const others: number[] = [];
    if (domain.kind === 'category') for (let c = 0; c < domain.count; c++) others.push(c);
    else {
      const step = Number.isFinite(domain.count) ? Math.max(deviation, 1 / domain.count) : deviation;
      for (let k = 0; k < numericNeighbours; k++)
        others.push(domain.snap(Math.min(1, Math.max(0, x + step * rng.normal()))));
    }
    for (const other of new Set(others)) {
      if (other === x) continue;
      const changed = point.slice();
      changed[d] = other;
      out.push(space.settle(changed, rng));
    }
  }
  return rng.shuffle(out);
}
