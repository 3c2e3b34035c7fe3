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

/** An int64 attribute that is written as small numbers of at least 0, without an object for each of them. */
class Wide {
  readonly wide: BigInt64Array;
  readonly #halves: Int32Array;

  constructor(length: number) {
    this.wide = new BigInt64Array(length);
    this.#halves = new Int32Array(this.wide.buffer);
  }

  set(at: number, value: number): void {
    this.#halves[2 * at] = value;
  }
}

function flatten(trees: readonly DecisionTree[]): FlatEnsemble {
  const orders = trees.map(branchOrder);
  // A tree that is one leaf still needs a branch; both ways lead to the same value.
  const branches = orders.reduce((sum, order) => sum + Math.max(1, order.length), 0);
  const leaves = orders.reduce((sum, order) => sum + order.length + 1, 0);
  const roots = new Wide(trees.length);
  const features = new Wide(branches);
  const modes = new Uint8Array(branches);
  const splits = new Float64Array(branches);
  const [trueIds, trueLeafs, falseIds, falseLeafs] = [
    new Wide(branches),
    new Wide(branches),
    new Wide(branches),
    new Wide(branches),
  ];
  const missingTrue = new Wide(branches);
  const leafTargets = new Wide(leaves);
  const leafWeights = new Float64Array(leaves);
  const members: number[] = [];
  let branch = 0;
  let leaf = 0;
  const addLeaf = (tree: DecisionTree, node: number): number => {
    leafTargets.set(leaf, tree.target);
    leafWeights[leaf] = tree.value[node]!;
    return leaf++;
  };
  for (const [t, tree] of trees.entries()) {
    const order = orders[t]!;
    roots.set(t, branch);
    if (order.length === 0) {
      const only = addLeaf(tree, 0);
      missingTrue.set(branch, 1);
      trueIds.set(branch, only);
      trueLeafs.set(branch, 1);
      falseIds.set(branch, only);
      falseLeafs.set(branch, 1);
      branch++;
      continue;
    }
    const place = new Int32Array(tree.left.length);
    for (let i = 0; i < order.length; i++) place[order[i]!] = branch + i;
    for (const node of order) {
      const set = tree.members?.get(node);
      // Membership in an empty set is not allowed; nothing is below minus infinity either.
      const isEmpty = set !== undefined && set.length === 0;
      features.set(branch, tree.feature[node]!);
      modes[branch] = isEmpty || (set === undefined && tree.mode === 'lt') ? 1 : set !== undefined ? 6 : 0;
      splits[branch] = isEmpty ? Number.NEGATIVE_INFINITY : set !== undefined ? 0 : tree.threshold[node]!;
      missingTrue.set(branch, tree.missingLeft[node]!);
      if (set !== undefined && !isEmpty) members.push(...set, Number.NaN);
      const left = tree.left[node]!;
      const right = tree.right[node]!;
      if (tree.left[left]! < 0) {
        trueIds.set(branch, addLeaf(tree, left));
        trueLeafs.set(branch, 1);
      } else trueIds.set(branch, place[left]!);
      if (tree.left[right]! < 0) {
        falseIds.set(branch, addLeaf(tree, right));
        falseLeafs.set(branch, 1);
      } else falseIds.set(branch, place[right]!);
      branch++;
    }
  }
  return {
    roots: roots.wide,
    features: features.wide,
    modes,
    splits,
    trueIds: trueIds.wide,
    trueLeafs: trueLeafs.wide,
    falseIds: falseIds.wide,
    falseLeafs: falseLeafs.wide,
    missingTrue: missingTrue.wide,
    leafTargets: leafTargets.wide,
    leafWeights,
    members,
  };
}

/** Branch nodes from the root, parents before children. */
function branchOrder({ left, right }: DecisionTree): Int32Array {
  const order = new Int32Array(left.length);
  const stack = new Int32Array(left.length + 1);
  let count = 0;
  let height = 1;
  while (height > 0) {
    const node = stack[--height]!;
    if (left[node]! < 0) continue;
    order[count++] = node;
    stack[height++] = right[node]!;
    stack[height++] = left[node]!;
  }
  return order.subarray(0, count);
}
