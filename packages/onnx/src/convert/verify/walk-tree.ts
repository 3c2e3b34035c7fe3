import { NumpyArray } from '../pickle/python-values.ts';
import { type Dense, type Estimator, fieldColumn } from '../sklearn/records.ts';
import { NotWalkable, type Row } from './walked-answer.ts';

/** One tree of scikit-learn's own kind: float32 of the input against float64 thresholds. */
export interface WalkedTree {
  readonly feature: Float64Array;
  readonly threshold: Float64Array;
  readonly left: Float64Array;
  readonly right: Float64Array;
  readonly missingLeft: Float64Array | undefined;
  /** Training rows that reached a node, their weight, and how mixed they were there. */
  readonly samples: Float64Array;
  readonly weights: Float64Array;
  readonly impurity: Float64Array;
  readonly values: Dense;
}

export function treeOf(estimator: Estimator): WalkedTree {
  const tree = estimator.child('tree_');
  const nodes = tree.raw('nodes');
  if (!(nodes instanceof NumpyArray)) throw new NotWalkable('a tree without nodes');
  const column = (name: string): Float64Array => fieldColumn(nodes, name) ?? new Float64Array();
  return {
    feature: column('feature'),
    threshold: column('threshold'),
    left: column('left_child'),
    right: column('right_child'),
    missingLeft: fieldColumn(nodes, 'missing_go_to_left'),
    samples: column('n_node_samples'),
    weights: column('weighted_n_node_samples'),
    impurity: column('impurity'),
    values: tree.dense('values'),
  };
}

export function leafOf(tree: WalkedTree, row: Row): number {
  let node = 0;
  while (tree.left[node]! >= 0) {
    const x = Math.fround(Number(row[tree.feature[node]!]));
    const isLeft = Number.isNaN(x) ? tree.missingLeft?.[node] === 1 : x <= tree.threshold[node]!;
    node = (isLeft ? tree.left : tree.right)[node]!;
  }
  return node;
}

export function treesOf(estimator: Estimator): WalkedTree[] {
  return estimator.has('tree_') ? [treeOf(estimator)] : estimator.children('estimators_').map(treeOf);
}
