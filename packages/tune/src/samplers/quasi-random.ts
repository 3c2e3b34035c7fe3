import { haltonPoint } from '../maths/halton.ts';
import { sobolPoint } from '../maths/sobol.ts';
import type { Point, Space } from '../space/space.ts';
import type { Json } from '../study/trial.ts';
import { drawAccepted, type Sampler } from './sampler.ts';

export interface QuasiRandomOptions {
  /** @default 'sobol' */
  readonly sequence?: 'sobol' | 'halton';
  /** Randomise the sequence by the study's seed. @default true */
  readonly scramble?: boolean;
}

/** A point of [0, 1)^d as a configuration: categories get equal shares of the interval. */
export function fromCube(space: Space, cube: Float64Array): Point {
  return cube.map((u, i) => {
    const { domain } = space.dimensions[i]!;
    return domain.kind === 'category' ? Math.min(domain.count - 1, Math.floor(u * domain.count)) : u;
  });
}

/**
 * Evenly spread points: better than random whenever only some of the parameters matter, and a good start for any
 * model. Conditional parameters take their share of the sequence where they exist.
 */
export function quasiRandom(options: QuasiRandomOptions = {}): Sampler<Point> {
  const { sequence = 'sobol', scramble = true } = options;
  let next = 0;
  let seed: number | undefined;
  return {
    name: sequence,
    propose(context) {
      seed ??= scramble ? context.rng.int(2 ** 31) : -1;
      return drawAccepted(context, () => {
        const point = sequence === 'sobol' ? sobolPoint : haltonPoint;
        return fromCube(context.space, point(next++, context.space.size, seed === -1 ? undefined : seed));
      });
    },
    save: (): Json => [next, seed ?? null],
    load(state) {
      if (!Array.isArray(state)) return;
      const [index, saved] = state as readonly Json[];
      next = Number(index);
      seed = typeof saved === 'number' ? saved : undefined;
    },
  };
}
