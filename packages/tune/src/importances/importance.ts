import { createRng } from '@holdfast/stats';
import { TuneFault } from '../fault.ts';
import type { Rng } from '../rng.ts';
import { bootstrap, meanOf, RegressionTree, type Rows, toInput } from '../samplers/forest/regression-tree.ts';
import type { Point, Space } from '../space/space.ts';
import { toLosses } from '../study/observations.ts';
import type { Objective, TrialRecord } from '../study/trial.ts';

/** How much a parameter matters. */
export interface Importance {
  /** Flat name. */
  readonly parameter: string;
  /** From 0 to 1; the shares of all parameters sum to 1 (all are 0 when nothing matters). */
  readonly share: number;
}

/** What importances are computed from: a study, or its parts. */
export interface ImportanceSource {
  readonly space: Space;
  readonly trials: readonly TrialRecord[];
  readonly objectives: readonly Objective[];
}

export interface ImportanceOptions {
  /** Index of the objective. @default 0 */
  readonly objective?: number;
}

/** A complete trial: where it was, and its loss (less is better). */
export interface Example {
  readonly point: Point;
  readonly loss: number;
}

/**
 * Complete trials inside the space.
 *
 * @throws TuneFault 'not_enough_trials', 'bad_option'
 */
export function examplesOf(source: ImportanceSource, objective: number, needed: number): readonly Example[] {
  const { space, trials, objectives } = source;
  if (objectives[objective] === undefined)
    throw new TuneFault('bad_option', 'objective', `must be an index below ${objectives.length}`);
  const examples = trials.flatMap(trial => {
    const point = trial.state === 'complete' && trial.values ? space.toPoint(trial.params) : undefined;
    return point ? [{ point, loss: toLosses(trial.values ?? [], objectives)[objective]! }] : [];
  });
  const distinct = new Set(examples.map(e => e.loss)).size;
  if (examples.length < needed || distinct < 2)
    throw new TuneFault('not_enough_trials', needed, distinct < 2 ? distinct : examples.length);
  return examples;
}

/** Most important first; amounts are scaled so that they sum to 1. */
export function asShares(space: Space, amounts: ArrayLike<number>): readonly Importance[] {
  const total = Array.from(amounts).reduce((a, b) => a + b, 0);
  return space.dimensions
    .map(({ name }, i) => ({ parameter: name, share: total > 0 ? amounts[i]! / total : 0 }))
    .sort((a, b) => b.share - a.share);
}

export interface ImportanceForestOptions extends ImportanceOptions {
  /** @default 64 */
  readonly trees?: number;
  /** Trials the forest is grown on, drawn at random from more. @default 1000 */
  readonly maxTrials?: number;
  /** @default 0 */
  readonly seed?: number;
}

/** A bagged tree, and the examples it has not seen. */
interface BaggedTree {
  readonly tree: RegressionTree;
  readonly unseen: readonly Example[];
}

/** Trees over the losses of complete trials. */
export function growForest(
  source: ImportanceSource,
  options: ImportanceForestOptions,
): { readonly trees: readonly BaggedTree[]; readonly rng: Rng } {
  const { objective = 0, trees = 64, maxTrials = 1000, seed = 0 } = options;
  if (!Number.isInteger(trees) || trees < 1)
    throw new TuneFault('bad_option', 'trees', 'must be a whole number from 1');
  if (!(maxTrials >= 10)) throw new TuneFault('bad_option', 'maxTrials', 'must be at least 10');
  const rng = createRng(seed);
  const all = examplesOf(source, objective, 4);
  const examples =
    all.length > maxTrials ? Array.from(rng.sample(all.length, Math.floor(maxTrials)), i => all[i]!) : all;
  const rows: Rows = {
    inputs: examples.map(e => toInput(e.point)),
    values: Float64Array.from(examples, e => e.loss),
    isCategory: source.space.dimensions.map(d => d.domain.kind === 'category'),
  };
  return {
    rng,
    trees: Array.from({ length: trees }, () => {
      const members = bootstrap(examples.length, rng);
      const seen = new Set(members);
      return { tree: new RegressionTree(rows, members, meanOf), unseen: examples.filter((_, i) => !seen.has(i)) };
    }),
  };
}
