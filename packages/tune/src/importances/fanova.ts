import { TuneFault } from '../fault.ts';
import type { Rng } from '../rng.ts';
import { type RegressionTree, toInput } from '../samplers/forest/regression-tree.ts';
import type { Point, Space } from '../space/space.ts';
import {
  asShares,
  growForest,
  type Importance,
  type ImportanceForestOptions,
  type ImportanceSource,
} from './importance.ts';

export interface FanovaOptions extends ImportanceForestOptions {
  /** Random configurations that a parameter's effect is averaged over. @default 256 */
  readonly backgrounds?: number;
}

export interface FanovaImportance extends Importance {
  /**
   * Part of the whole variance that the parameter explains by itself, 0 to 1 (a first-order Sobol index). What is
   * missing to 1 over all parameters is interaction.
   */
  readonly explained: number;
}

/** The variance of everything needs more configurations than a mean does: rare large values weigh heavily in it. */
const wholeFactor = 16;

/** Values of a continuous or fine-grained parameter at which its effect is evaluated: midpoints of equal cells. */
const gridCells = 32;

/**
 * Functional analysis of variance: a random forest learns the loss, and a parameter's importance is the variance of the
 * forest's mean over everything else, as the parameter runs through its range. Every value counts alike, wherever the
 * trials were. A parameter that exists only sometimes is judged over the configurations that have it, and counts with
 * their share; whether it exists is the importance of its parent.
 *
 * Hutter, Hoos & Leyton-Brown, An efficient approach for assessing hyperparameter importance, ICML 2014. The mean over
 * the other parameters is taken over random valid configurations, which is what makes it right for conditional spaces.
 *
 * @throws TuneFault 'not_enough_trials', 'bad_option'
 */
export function fanova(source: ImportanceSource, options: FanovaOptions = {}): readonly FanovaImportance[] {
  const { backgrounds: count = 256 } = options;
  if (!Number.isInteger(count) || count < 16)
    throw new TuneFault('bad_option', 'backgrounds', 'must be a whole number from 16');
  const { space } = source;
  const { trees, rng } = growForest(source, options);
  const predict = meanPrediction(trees.map(t => t.tree));
  const backgrounds = Array.from({ length: count }, () => unsettled(space, rng));
  const whole = variance(Array.from({ length: wholeFactor * count }, () => predict(space.random(rng))));
  const effects = space.dimensions.map((_, d) => effectOf(space, d, backgrounds, predict));
  const explained = new Map(
    space.dimensions.map(({ name }, d) => [name, whole > 0 ? Math.min(1, effects[d]! / whole) : 0]),
  );
  return asShares(space, effects).map(i => ({ ...i, explained: explained.get(i.parameter) ?? 0 }));
}

function meanPrediction(trees: readonly RegressionTree[]): (point: Point) => number {
  return point => {
    const input = toInput(point);
    let sum = 0;
    for (const tree of trees) sum += tree.predict(input);
    return sum / trees.length;
  };
}

/** A value for every dimension, whether it will exist or not. */
function unsettled(space: Space, rng: Rng): Point {
  return Float64Array.from({ length: space.size }, (_, d) => space.randomCoordinate(d, rng));
}

/** The point with parameters that do not exist removed. */
function completed(space: Space, point: Point): Point {
  const out = point.slice();
  for (let d = 0; d < space.size; d++) if (!space.isActive(out, d)) out[d] = Number.NaN;
  return out;
}

/** Variance of the mean prediction along one dimension, times the share of configurations that have it. */
function effectOf(space: Space, d: number, all: readonly Point[], predict: (point: Point) => number): number {
  const having = all.filter(b => !Number.isNaN(completed(space, b)[d]!));
  if (having.length === 0) return 0;
  const marginal = coordinatesOf(space, d).map(x => {
    let sum = 0;
    for (const background of having) {
      const point = background.slice();
      point[d] = x;
      sum += predict(completed(space, point));
    }
    return sum / having.length;
  });
  return (variance(marginal) * having.length) / all.length;
}

/** Coordinates that share the range evenly. */
function coordinatesOf(space: Space, d: number): readonly number[] {
  const { domain } = space.dimensions[d]!;
  if (domain.kind === 'category') return Array.from({ length: domain.count }, (_, i) => i);
  return Array.from({ length: gridCells }, (_, i) => domain.snap((i + 0.5) / gridCells));
}

function variance(values: readonly number[]): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length;
}
