import { buildNode } from '../model/build.ts';
import { dataType, type NodeProto, type TensorProto } from '../model/proto.ts';
import type { Rewritten } from './rewrite-node.ts';

/** Modes of TreeEnsemble by number, as TreeEnsembleRegressor names them; membership (6) has no older form. */
const modeNames = ['BRANCH_LEQ', 'BRANCH_LT', 'BRANCH_GTE', 'BRANCH_GT', 'BRANCH_EQ', 'BRANCH_NEQ'];
const aggregates = ['AVERAGE', 'SUM', 'MIN', 'MAX'];

/** A float32 TreeEnsemble as the TreeEnsembleRegressor of ai.onnx.ml 1, which always answers in float32. */
export function regressorOf(node: NodeProto): Rewritten {
  const ints = (name: string): BigInt64Array =>
    node.attributes.find(attribute => attribute.name === name)?.ints ?? new BigInt64Array(0);
  const int = (name: string, otherwise: bigint): bigint =>
    node.attributes.find(attribute => attribute.name === name)?.i ?? otherwise;
  const tensor = (name: string): TensorProto | undefined =>
    node.attributes.find(attribute => attribute.name === name)?.t;
  const [splits, weights, modes] = [tensor('nodes_splits'), tensor('leaf_weights'), tensor('nodes_modes')?.rawData];
  if (splits?.dataType !== dataType.float || weights?.dataType !== dataType.float || modes === undefined)
    return {
      kind: 'needs',
      opset: 21,
      because: 'TreeEnsemble in float64 (--float32 makes one that older runtimes know)',
    };
  if (modes.some(mode => modeNames[mode] === undefined) || int('post_transform', 0n) !== 0n)
    return { kind: 'needs', opset: 21, because: 'TreeEnsemble with splits by sets of categories' };
  const flat = flatNodes({
    roots: ints('tree_roots'),
    features: ints('nodes_featureids'),
    trueIds: ints('nodes_truenodeids'),
    trueLeafs: ints('nodes_trueleafs'),
    falseIds: ints('nodes_falsenodeids'),
    falseLeafs: ints('nodes_falseleafs'),
    missing: ints('nodes_missing_value_tracks_true'),
    splits: floatsOf(splits),
    modes,
    leafTargets: ints('leaf_targetids'),
    leafWeights: floatsOf(weights),
  });
  const attributes = {
    ...flat,
    n_targets: int('n_targets', 1n),
    aggregate_function: aggregates[Number(int('aggregate_function', 1n))] ?? 'SUM',
    post_transform: 'NONE',
  };
  const options = { attributes, domain: 'ai.onnx.ml', name: node.name };
  return { kind: 'nodes', nodes: [buildNode('TreeEnsembleRegressor', node.inputs, node.outputs, options)] };
}

function floatsOf(tensor: TensorProto): Float32Array {
  const bytes = tensor.rawData ?? Uint8Array.from(tensor.floatData.flatMap(chunk => [...chunk]));
  return new Float32Array(bytes.slice().buffer);
}

interface Ensemble {
  readonly roots: BigInt64Array;
  readonly features: BigInt64Array;
  readonly trueIds: BigInt64Array;
  readonly trueLeafs: BigInt64Array;
  readonly falseIds: BigInt64Array;
  readonly falseLeafs: BigInt64Array;
  readonly missing: BigInt64Array;
  readonly splits: Float32Array;
  readonly modes: Uint8Array;
  readonly leafTargets: BigInt64Array;
  readonly leafWeights: Float32Array;
}

/** Every tree with branches and leaves in one numbering from 0, as the older operator wants them. */
function flatNodes(ensemble: Ensemble): Readonly<Record<string, BigInt64Array | Float32Array | readonly string[]>> {
  const columns = {
    trees: [] as number[],
    ids: [] as number[],
    features: [] as bigint[],
    modes: [] as string[],
    values: [] as number[],
    trueIds: [] as number[],
    falseIds: [] as number[],
    missing: [] as bigint[],
  };
  const targets = { trees: [] as number[], nodes: [] as number[], ids: [] as bigint[], weights: [] as number[] };
  for (const [tree, root] of ensemble.roots.entries()) {
    let count = 1;
    const waiting = [{ id: 0, at: Number(root), isLeaf: false }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { id, at, isLeaf } = next;
      columns.trees.push(tree);
      columns.ids.push(id);
      if (isLeaf) {
        columns.features.push(0n);
        columns.modes.push('LEAF');
        columns.values.push(0);
        columns.trueIds.push(0);
        columns.falseIds.push(0);
        columns.missing.push(0n);
        targets.trees.push(tree);
        targets.nodes.push(id);
        targets.ids.push(ensemble.leafTargets[at] ?? 0n);
        targets.weights.push(ensemble.leafWeights[at] ?? 0);
        continue;
      }
      const [yes, no] = [count++, count++];
      columns.features.push(ensemble.features[at] ?? 0n);
      columns.modes.push(modeNames[ensemble.modes[at] ?? 0] ?? 'BRANCH_LEQ');
      columns.values.push(ensemble.splits[at] ?? 0);
      columns.trueIds.push(yes);
      columns.falseIds.push(no);
      columns.missing.push(ensemble.missing[at] ?? 0n);
      waiting.push({ id: yes, at: Number(ensemble.trueIds[at]), isLeaf: ensemble.trueLeafs[at] === 1n });
      waiting.push({ id: no, at: Number(ensemble.falseIds[at]), isLeaf: ensemble.falseLeafs[at] === 1n });
    }
  }
  const wide = (list: readonly number[]): BigInt64Array => BigInt64Array.from(list, BigInt);
  return {
    nodes_treeids: wide(columns.trees),
    nodes_nodeids: wide(columns.ids),
    nodes_featureids: BigInt64Array.from(columns.features),
    nodes_modes: columns.modes,
    nodes_values: Float32Array.from(columns.values),
    nodes_truenodeids: wide(columns.trueIds),
    nodes_falsenodeids: wide(columns.falseIds),
    nodes_missing_value_tracks_true: BigInt64Array.from(columns.missing),
    target_treeids: wide(targets.trees),
    target_nodeids: wide(targets.nodes),
    target_ids: BigInt64Array.from(targets.ids),
    target_weights: Float32Array.from(targets.weights),
  };
}
