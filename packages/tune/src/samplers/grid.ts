import { TuneFault } from '../fault.ts';
import type { Point, Space } from '../space/space.ts';
import type { Sampler } from './sampler.ts';

export interface GridOptions {
  /** Points a continuous parameter is divided into, cell centres in the (log) scale. @default 5 */
  readonly points?: number;
  /** `shuffled` visits the grid in a random order, so that a stopped study has covered the space evenly. @default 'shuffled' */
  readonly order?: 'shuffled' | 'sequential';
}

/** Every combination once, conditional parameters only where they exist; then nothing. */
export function grid(options: GridOptions = {}): Sampler {
  const points = options.points ?? 5;
  if (!Number.isInteger(points) || points < 1)
    throw new TuneFault('bad_option', 'points', 'must be a whole number from 1');
  return {
    name: 'grid',
    propose(context) {
      const free: Point[] = [];
      const sequential = options.order === 'sequential';
      for (const point of combinations(context.space, points)) {
        if (!context.accepts(point)) continue;
        if (sequential) return point;
        free.push(point);
      }
      return free.length === 0 ? undefined : free[context.rng.int(free.length)];
    },
    save: () => null,
    load: () => {},
  };
}

function* combinations(space: Space, points: number, point = new Float64Array(space.size), i = 0): Generator<Point> {
  if (i === space.size) {
    yield point.slice();
    return;
  }
  const { domain } = space.dimensions[i]!;
  if (!space.isActive(point, i)) {
    point[i] = Number.NaN;
    yield* combinations(space, points, point, i + 1);
    return;
  }
  const count = Number.isFinite(domain.count) ? domain.count : points;
  for (let k = 0; k < count; k++) {
    point[i] = domain.kind === 'category' ? k : Number.isFinite(domain.count) ? domain.unitAt(k) : (k + 0.5) / points;
    yield* combinations(space, points, point, i + 1);
  }
}
