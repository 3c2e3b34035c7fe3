import { dense, labels, plainLabels } from '../sklearn/records.ts';
import { largest } from './shares.ts';
import { leafOf, treesOf, type WalkedTree } from './walk-tree.ts';
import type { ClassAnswer, Row, WritePredictor } from './walked-answer.ts';

const forestClassifier: WritePredictor = (estimator, { version }) => {
  const trees = treesOf(estimator);
  const outputs = estimator.number('n_outputs_') ?? 1;
  const classes =
    outputs === 1
      ? [plainLabels(estimator.labels('classes_'))]
      : estimator.list('classes_').map((item, output) => plainLabels(labels(item, `classes_[${output}]`)));
  // Every output has room for the classes of the one that has most.
  const room = Math.max(...classes.map(known => known.length));
  const answerOf = (leaves: readonly number[], output: number): ClassAnswer => {
    const known = classes[output]!;
    const sums = known.map(() => 0);
    trees.forEach((tree, t) => {
      const at = (leaves[t]! * outputs + output) * room;
      const counts = known.map((_, c) => tree.values.data[at + c]!);
      const total = version >= 1003 ? 1 : counts.reduce((sum, count) => sum + count, 0) || 1;
      counts.forEach((count, c) => {
        sums[c] = sums[c]! + count / total;
      });
    });
    return largest(
      known,
      sums.map(sum => sum / trees.length),
    );
  };
  return row => {
    const leaves = trees.map(tree => leafOf(tree, row));
    if (outputs === 1) return answerOf(leaves, 0);
    return { kind: 'several', answers: classes.map((_, output) => answerOf(leaves, output)) };
  };
};

const forestRegressor: WritePredictor = estimator => {
  const trees = treesOf(estimator);
  const outputs = trees[0]?.values.dims[1] ?? 1;
  return row => {
    const sums = new Array<number>(outputs).fill(0);
    for (const tree of trees) {
      const at = leafOf(tree, row) * outputs;
      for (let i = 0; i < outputs; i++) sums[i] = sums[i]! + tree.values.data[at + i]!;
    }
    return { kind: 'values', values: sums.map(sum => sum / trees.length) };
  };
};

/** Mean length of a path in a random search tree of n samples: twice the harmonic number, less what the ends save. */
function meanPath(samples: number): number {
  if (samples <= 1) return 0;
  if (samples === 2) return 1;
  const euler = 0.5772156649015329;
  return 2 * (Math.log(samples - 1) + euler) - 2 + 2 / samples;
}

/** Edges from the root to the leaf of a row, and what the rows that ended there would have gone on. */
function pathLength(tree: WalkedTree, row: Row): number {
  let node = 0;
  let edges = 0;
  for (; tree.left[node]! >= 0; edges++) {
    const x = Math.fround(Number(row[tree.feature[node]!]));
    node = (x <= tree.threshold[node]! ? tree.left : tree.right)[node]!;
  }
  return edges + meanPath(tree.samples[node]!);
}

/** Anomaly 2 ** (-mean path / expected path), turned so that outliers are below zero (Liu, Ting and Zhou 2008). */
const isolationForest: WritePredictor = estimator => {
  const trees = treesOf(estimator);
  const columns = estimator.list('estimators_features_').map(item => [...dense(item, 'estimators_features_').data]);
  const sampled = estimator.number('_max_samples') ?? estimator.number('max_samples_') ?? Number.NaN;
  const offset = estimator.number('offset_') ?? -0.5;
  return row => {
    const lengths = trees.map((tree, t) =>
      pathLength(
        tree,
        columns[t]!.map(column => row[column]!),
      ),
    );
    const mean = lengths.reduce((sum, length) => sum + length, 0) / trees.length;
    const score = -(2 ** (-mean / meanPath(sampled))) - offset;
    return { kind: 'outlier', label: score < 0 ? -1 : 1, score, gap: Math.abs(score) };
  };
};

export const forestPredictors: Readonly<Record<string, WritePredictor>> = {
  DecisionTreeClassifier: forestClassifier,
  ExtraTreeClassifier: forestClassifier,
  RandomForestClassifier: forestClassifier,
  ExtraTreesClassifier: forestClassifier,
  DecisionTreeRegressor: forestRegressor,
  ExtraTreeRegressor: forestRegressor,
  RandomForestRegressor: forestRegressor,
  ExtraTreesRegressor: forestRegressor,
  IsolationForest: isolationForest,
};
