import type { DecisionTree } from './tree-ensemble.ts';

/** Walks one tree for one row, independently of any ONNX runtime, and gives the leaf reached. */
function leafOf(tree: DecisionTree, row: ArrayLike<number>): number {
  let node = 0;
  while (tree.left[node]! >= 0) {
    const x = row[tree.feature[node]!]!;
    node = goesLeft(tree, node, x) ? tree.left[node]! : tree.right[node]!;
  }
  return node;
}

function goesLeft(tree: DecisionTree, node: number, x: number): boolean {
  if (Number.isNaN(x)) return tree.missingLeft[node] === 1;
  const set = tree.members?.get(node);
  if (set !== undefined) return set.includes(x);
  return tree.mode === 'lt' ? x < tree.threshold[node]! : x <= tree.threshold[node]!;
}

/** Sums of leaf values per target for one row. */
export function sumTrees(trees: readonly DecisionTree[], targets: number, row: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(targets);
  for (const tree of trees) sums[tree.target] = sums[tree.target]! + tree.value[leafOf(tree, row)]!;
  return sums;
}
