import { OnnxError } from '../../onnx-error.ts';
import { FlatTable } from '../flatbuffer/flat-table.ts';
import {
  type CatboostModel,
  type CatboostTree,
  type CategoryFeature,
  damaged,
  type FloatFeature,
  type FreeNode,
  refuseFeatures,
  releaseOf,
  type Split,
  trainingInfo,
} from './catboost-model.ts';

/** Depth of one tree; CatBoost itself stops at 16. */
const maxDepth = 64;

/** Reads CatBoost's binary format: "CBM1", the size of a flatbuffer, the flatbuffer, then parts named in it. */
export function readCbm(bytes: Uint8Array): CatboostModel {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.length < 8 ? 0 : view.getUint32(4, true);
  if (size < 8 || size > bytes.length - 8)
    throw new OnnxError(
      'truncated',
      `The CatBoost model says its core has ${size} bytes, but the file has ${bytes.length}; copy or download it again.`,
    );
  const core = FlatTable.root(bytes.subarray(8, 8 + size), 'CatBoost model');
  const trees = core.table(1);
  if (trees === undefined) throw damaged('it holds no trees');
  const info = new Map(core.tables(2).map(entry => [entry.text(0) ?? '', entry.text(1) ?? '']));
  const dimensions = trees.int32(0);
  if (!(dimensions >= 1)) throw damaged(`it has ${dimensions} scores per row`);
  const { floats, categories, splitOf } = readFeatures(trees);
  const { loss, classes } = trainingInfo(info.get('params'), info.get('class_params'));
  const multiBias = trees.doubles(16);
  const bias = multiBias.length > 0 ? multiBias : [trees.float64(15)];
  if (bias.length !== 1 && bias.length !== dimensions) throw damaged(`it has ${bias.length} biases`);
  return {
    version: releaseOf(info.get('catboost_version_info')),
    dimensions,
    floats,
    categories,
    trees: readTrees(trees, dimensions, splitOf),
    scale: trees.float64(14, 1),
    bias: bias.length === dimensions ? bias : Array.from({ length: dimensions }, () => bias[0] ?? 0),
    loss,
    classes,
  };
}

/** The features, and the split behind each number the trees use: borders first, then categories, then the rest. */
function readFeatures(trees: FlatTable): {
  readonly floats: FloatFeature[];
  readonly categories: CategoryFeature[];
  readonly splitOf: (index: number) => Split;
} {
  const splits: Split[] = [];
  const floats = trees.tables(5).map((table, i) => {
    const column = table.int32(1, i);
    for (const border of table.floats(3)) splits.push({ kind: 'above', column, border });
    const id = table.text(4) ?? '';
    return { name: id === '' ? String(table.int32(2, column)) : id, column, isMissingAbove: table.int8(5) === 2 };
  });
  const named = trees.tables(4).map((table, i) => {
    const column = table.int32(0, i);
    const id = table.text(2) ?? '';
    return { name: id === '' ? String(table.int32(1, column)) : id, column };
  });
  const estimated = trees.tables(13).map(table => table.floats(3).length);
  const firstEstimated = splits.length;
  const firstOneHot = firstEstimated + estimated.reduce((sum, count) => sum + count, 0);
  const oneHot: Split[] = [];
  const texts = new Map<number, Map<number, string>>();
  for (const table of trees.tables(6)) {
    const column = table.int32(0, -1);
    const hashes = table.ints(1);
    const strings = table.texts(2);
    for (const hash of hashes) oneHot.push({ kind: 'equal', column, hash });
    texts.set(column, new Map(hashes.flatMap((hash, i) => (strings[i] === undefined ? [] : [[hash, strings[i]]]))));
  }
  const statistics = trees.tables(7).flatMap(table => {
    const columns = table.table(0)?.table(0)?.table(0)?.ints(0) ?? [];
    const names = columns.map(column => named.find(feature => feature.column === column)?.name ?? String(column));
    return table.floats(1).map(() => names.join('" with "'));
  });
  const categories = named.map(feature => ({ ...feature, texts: texts.get(feature.column) ?? new Map() }));
  const refused = new Map<string, string>();
  for (const index of trees.ints(1)) {
    if (index >= firstEstimated && index < firstOneHot) refused.set(`number ${index}`, 'text or embedding statistics');
    const name = statistics[index - firstOneHot - oneHot.length];
    if (index >= firstOneHot && name !== undefined) refused.set(name, 'target statistics (CTR)');
  }
  refuseFeatures(refused);
  return {
    floats,
    categories,
    splitOf: index => {
      const split = index < firstEstimated ? splits[index] : oneHot[index - firstOneHot];
      if (split === undefined) throw damaged(`a tree uses split ${index}, which no feature has`);
      return split;
    },
  };
}

function readTrees(trees: FlatTable, dimensions: number, splitOf: (index: number) => Split): CatboostTree[] {
  const splits = trees.ints(1);
  const sizes = trees.ints(2);
  const leaves = Float64Array.from(trees.doubles(8));
  const steps = trees.structs(10, 4);
  if (steps.byteLength > 0) {
    const leafOf = trees.uint32s(11);
    let start = 0;
    return sizes.map(size => {
      const root = freeNode(start, steps, splits, leafOf, leaves, dimensions, splitOf, 0);
      start += size;
      return { kind: 'free', root };
    });
  }
  let split = 0;
  let leaf = 0;
  const read = sizes.map((size): CatboostTree => {
    if (!(size >= 0 && size <= 30)) throw damaged(`a tree has the depth ${size}`);
    const count = 2 ** size * dimensions;
    const values = leaves.subarray(leaf, leaf + count);
    if (values.length < count || split + size > splits.length)
      throw damaged('it has fewer leaves or splits than trees');
    const own = splits.slice(split, split + size).map(splitOf);
    split += size;
    leaf += count;
    return { kind: 'symmetric', splits: own, values };
  });
  if (leaf !== leaves.length) throw damaged('it has more leaves than its trees');
  return read;
}

/** A node says how far to step when its split is false or true; a step of 0 ends at the node's own leaf. */
function freeNode(
  node: number,
  steps: DataView,
  splits: readonly number[],
  leafOf: readonly number[],
  leaves: Float64Array,
  dimensions: number,
  splitOf: (index: number) => Split,
  depth: number,
): FreeNode {
  const index = splits[node];
  if (node * 4 + 4 > steps.byteLength || index === undefined || depth > maxDepth)
    throw damaged('a tree has a node that does not exist or lies too deep');
  const leaf = (): FreeNode => {
    const at = leafOf[node] ?? leaves.length;
    if (at + dimensions > leaves.length) throw damaged('a tree has a leaf that does not exist');
    return { kind: 'leaf', values: [...leaves.subarray(at, at + dimensions)] };
  };
  const [left, right] = [steps.getUint16(4 * node, true), steps.getUint16(4 * node + 2, true)];
  if (left === 0 && right === 0) return leaf();
  const child = (step: number): FreeNode =>
    step === 0 ? leaf() : freeNode(node + step, steps, splits, leafOf, leaves, dimensions, splitOf, depth + 1);
  return { kind: 'branch', split: splitOf(index), whenFalse: child(left), whenTrue: child(right) };
}
