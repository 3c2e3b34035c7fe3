import { TuneFault } from '../../fault.ts';
import type { Rng } from '../../rng.ts';
import type { Point, Space } from '../../space/space.ts';

export interface VariationOptions {
  /**
   * How two parents mix: `uniform` takes every parameter from either of them; `sbx` (simulated binary crossover) also
   * places numbers around and between those of the parents. @default 'sbx'
   */
  readonly crossover?: 'uniform' | 'sbx';
  /** Chance that a child mixes two parents rather than copying one. @default 0.9 */
  readonly crossoverProbability?: number;
  /** Chance of every parameter to change by itself. @default 1 / number of parameters */
  readonly mutationProbability?: number;
}

/** Distribution indices: the smaller, the further children stray; Deb & Agrawal 1995 use 2 and 5, later work for long runs 15 and 20. */
const crossoverIndex = 2;
const mutationIndex = 5;

export function checkVariation(options: VariationOptions): VariationOptions {
  for (const name of ['crossoverProbability', 'mutationProbability'] as const) {
    const value = options[name];
    if (value !== undefined && !(value >= 0 && value <= 1))
      throw new TuneFault('bad_option', name, 'must be from 0 to 1');
  }
  return options;
}

/**
 * One child of two parents: crossover, then mutation. A parameter that one parent lacks comes from the other.
 *
 * Deb & Agrawal, Simulated binary crossover for continuous search space, Complex Systems 9 (1995); Deb & Goyal,
 * A combined genetic adaptive search (1996), for polynomial mutation.
 */
export function childOf(space: Space, parents: readonly [Point, Point], rng: Rng, options: VariationOptions): Point {
  const { crossover = 'sbx', crossoverProbability = 0.9, mutationProbability = 1 / space.size } = options;
  const [first, second] = parents;
  const mixes = rng.next() < crossoverProbability;
  return first.map((a, d) => {
    const b = second[d]!;
    let x = a;
    if (Number.isNaN(a)) x = b;
    else if (mixes && !Number.isNaN(b)) x = crossover === 'sbx' ? blend(space, d, a, b, rng) : rng.next() < 0.5 ? a : b;
    return rng.next() < mutationProbability ? mutated(space, d, x, rng) : x;
  });
}

function blend(space: Space, d: number, a: number, b: number, rng: Rng): number {
  const swap = rng.next() < 0.5;
  if (space.dimensions[d]!.domain.kind === 'category' || rng.next() < 0.5) return swap ? b : a;
  const u = rng.next();
  const spread = u < 0.5 ? (2 * u) ** (1 / (crossoverIndex + 1)) : (2 * (1 - u)) ** (-1 / (crossoverIndex + 1));
  const half = (swap ? -0.5 : 0.5) * spread * (a - b);
  return Math.min(1, Math.max(0, 0.5 * (a + b) + half));
}

/** Polynomial mutation of a number, towards a bound in proportion to the room there; another category otherwise. */
function mutated(space: Space, d: number, x: number, rng: Rng): number {
  const { domain } = space.dimensions[d]!;
  if (Number.isNaN(x) || domain.kind === 'category') return space.randomCoordinate(d, rng);
  const u = rng.next();
  const power = 1 / (mutationIndex + 1);
  if (u < 0.5) return x + x * ((2 * u) ** power - 1);
  return x + (1 - x) * (1 - (2 * (1 - u)) ** power);
}
