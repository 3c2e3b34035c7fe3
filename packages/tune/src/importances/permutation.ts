import type { Rng } from '../rng.ts';
import { type RegressionTree, toInput } from '../samplers/forest/regression-tree.ts';
import type { Point, Space } from '../space/space.ts';
import {
  asShares,
  type Example,
  growForest,
  type Importance,
  type ImportanceForestOptions,
  type ImportanceSource,
} from './importance.ts';

/**
 * Permutation importance: how much worse a random forest predicts the trials it has not seen when one parameter's values
 * are exchanged among them. Interactions count fully for every parameter that takes part; the weight lies where the
 * trials were. A parameter that exists only sometimes is exchanged among the trials that have it; the parameters that an
 * exchanged choice opens are drawn anew.
 *
 * Breiman, Random forests, Machine Learning 45 (2001), section 10.
 *
 * @throws TuneFault 'not_enough_trials', 'bad_option'
 */
export function permutationImportance(
  source: ImportanceSource,
  options: ImportanceForestOptions = {},
): readonly Importance[] {
  const { space } = source;
  const { trees, rng } = growForest(source, options);
  const increases = new Float64Array(space.size);
  for (const { tree, unseen } of trees) {
    const before = squaredError(tree, unseen);
    for (let d = 0; d < space.size; d++) increases[d]! += squaredError(tree, permuted(space, d, unseen, rng)) - before;
  }
  return asShares(
    space,
    increases.map(x => Math.max(0, x)),
  );
}

function squaredError(tree: RegressionTree, examples: readonly Example[]): number {
  let sum = 0;
  for (const { point, loss } of examples) sum += (tree.predict(toInput(point)) - loss) ** 2;
  return sum;
}

/** The examples with one dimension's values shuffled among those that have it. */
function permuted(space: Space, d: number, examples: readonly Example[], rng: Rng): readonly Example[] {
  const values = rng.shuffle(examples.map(e => e.point[d]!).filter(x => !Number.isNaN(x)));
  let next = 0;
  return examples.map(({ point, loss }) => {
    if (Number.isNaN(point[d]!)) return { point, loss };
    const changed: Point = point.slice();
    changed[d] = values[next++]!;
    return { point: space.settle(changed, rng), loss };
  });
}
