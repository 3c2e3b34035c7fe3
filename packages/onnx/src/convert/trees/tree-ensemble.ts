import { buildTensor } from '../../model/build.ts';
import type { GraphBuilder } from '../graph-builder.ts';

/**
 * A decision tree in flat arrays, the common form of all sources. Node 0 is the root; `left[i] < 0` marks a leaf.
 * A missing value (NaN) goes left where `missingLeft` says so, else right.
 */
export interface DecisionTree {
  readonly feature: Int32Array;
  readonly threshold: Float64Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly missingLeft: Uint8Array;
  /** Per node the categories that go left, for nodes that decide by membership. */
  readonly members?: ReadonlyMap<number, readonly number[]>;
  /** `lt` or `leq` for all numeric nodes of the tree. */
  readonly mode: 'leq' | 'lt';
  /** Value per node, used at leaves. */
  readonly value: Float64Array;
  /** Output column the tree adds to. */
  readonly target: number;
}

/**
 * Writes trees as one TreeEnsemble (ai.onnx.ml 5) in float64 that sums leaf values per target.
 * @param input value of shape [batch, features], double
 * @returns value of shape [batch, targets], double
 */
export function emitTreeEnsemble(
  graph: GraphBuilder,
  input: string,
  trees: readonly DecisionTree[],
  targets: number,
): string {
  const flat = flatten(trees);
  return graph.op(
    'TreeEnsemble',
    [input],
    {
      n_targets: BigInt(targets),
      aggregate_function: 1n,
      post_transform: 0n,
      tree_roots: flat.roots,
      nodes_featureids: flat.features,
      nodes_modes: buildTensor('', 'uint8', [flat.modes.length], flat.modes),
      nodes_splits: buildTensor('', 'double', [flat.splits.length], flat.splits),
      nodes_truenodeids: flat.trueIds,
      nodes_trueleafs: flat.trueLeafs,
      nodes_falsenodeids: flat.falseIds,
      nodes_falseleafs: flat.falseLeafs,
      nodes_missing_value_tracks_true: flat.missingTrue,
      leaf_targetids: flat.leafTargets,
      leaf_weights: buildTensor('', 'double', [flat.leafWeights.length], flat.leafWeights),
      membership_values:
        flat.members.length === 0 ? undefined : buildTensor('', 'double', [flat.members.length], flat.members),
    },
    'ai.onnx.ml',
  );
}

interface FlatEnsemble {
  readonly roots: BigInt64Array;
  readonly features: BigInt64Array;
  readonly modes: Uint8Array;
  readonly splits: Float64Array;
  readonly trueIds: BigInt64Array;
  readonly trueLeafs: BigInt64Array;
  readonly falseIds: BigInt64Array;
  readonly falseLeafs: BigInt64Array;
  readonly missingTrue: BigInt64Array;
  readonly leafTargets: BigInt64Array;
  readonly leafWeights: Float64Array;
  readonly members: number[];
}

function flatten(trees: readonly DecisionTree[]): FlatEnsemble {
  const roots: number[] = [];
  const features: number[] = [];
  const modes: number[] = [];
  const splits: number[] = [];
  const children: [number[], number[], number[], number[]] = [[], [], [], []];
  const [trueIds, trueLeafs, falseIds, falseLeafs] = children;
  const missingTrue: number[] = [];
  const leafTargets: number[] = [];
  const leafWeights: number[] = [];
  const members: number[] = [];
  const addLeaf = (tree: DecisionTree, node: number): number => {
    leafTargets.push(tree.target);
    leafWeights.push(tree.value[node]!);
    return leafWeights.length - 1;
  };
  for (const tree of trees) {
    roots.push(features.length);
    if (tree.left[0]! < 0) {
      // A tree that is one leaf still needs a branch; both ways lead to the same value.
      const leaf = addLeaf(tree, 0);
      features.push(0);
      modes.push(0);
      splits.push(0);
      missingTrue.push(1);
      trueIds.push(leaf);
      trueLeafs.push(1);
      falseIds.push(leaf);
      falseLeafs.push(1);
      continue;
    }
    const order = branchOrder(tree);
    const place = new Map(order.map((node, i) => [node, features.length + i]));
    for (const node of order) {
      const set = tree.members?.get(node);
      features.push(tree.feature[node]!);
      // Membership in an empty set is not allowed; nothing is below minus infinity either.
      const isEmpty = set !== undefined && set.length === 0;
      modes.push(isEmpty || (set === undefined && tree.mode === 'lt') ? 1 : set !== undefined ? 6 : 0);
      splits.push(isEmpty ? Number.NEGATIVE_INFINITY : set !== undefined ? 0 : tree.threshold[node]!);
      missingTrue.push(tree.missingLeft[node]!);
      if (set !== undefined && !isEmpty) members.push(...set, Number.NaN);
      const left = tree.left[node]!;
      const right = tree.right[node]!;
      const isLeftLeaf = tree.left[left]! < 0;
      const isRightLeaf = tree.left[right]! < 0;
      trueIds.push(isLeftLeaf ? addLeaf(tree, left) : place.get(left)!);
      trueLeafs.push(isLeftLeaf ? 1 : 0);
      falseIds.push(isRightLeaf ? addLeaf(tree, right) : place.get(right)!);
      falseLeafs.push(isRightLeaf ? 1 : 0);
    }
  }
  const wide = (list: readonly number[]): BigInt64Array => BigInt64Array.from(list, BigInt);
  return {
    roots: wide(roots),
    features: wide(features),
    modes: Uint8Array.from(modes),
    splits: Float64Array.from(splits),
    trueIds: wide(trueIds),
    trueLeafs: wide(trueLeafs),
    falseIds: wide(falseIds),
    falseLeafs: wide(falseLeafs),
    missingTrue: wide(missingTrue),
    leafTargets: wide(leafTargets),
    leafWeights: Float64Array.from(leafWeights),
    members,
  };
}

/** Branch nodes from the root, parents before children. */
function branchOrder(tree: DecisionTree): number[] {
  const order: number[] = [];
  const stack = [0];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (tree.left[node]! < 0) continue;
    order.push(node);
    stack.push(tree.right[node]!, tree.left[node]!);
  }
  return order;
}
