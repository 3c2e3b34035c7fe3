import { OnnxError } from '../../onnx-error.ts';
import { decodeText } from '../../wire/wire-reader.ts';
import { checkTree } from '../trees/check-tree.ts';
import type { DecisionTree } from '../trees/tree-ensemble.ts';
import type { XgboostModel } from './xgboost-model.ts';

/**
 * Reads the binary format that XGBoost wrote until version 3.1: C structures of little-endian fields, one after the
 * other, without any length that is not checked against the file.
 */
export function readXgboostBinary(bytes: Uint8Array): XgboostModel {
  const from = new StructReader(bytes);
  from.skipPrefix();
  const baseScore = from.float();
  const features = from.uint32();
  const classes = from.int32();
  from.skip(8);
  const major = from.uint32();
  const minor = from.uint32();
  from.skip(136 - 28);
  const objective = from.text();
  const name = from.text();
  const isDart = name === 'dart';
  if (name !== 'gbtree' && name !== 'gblinear' && !isDart)
    throw new OnnxError(
      'not_a_model',
      `The file names the booster "${name.slice(0, 40)}", which XGBoost does not have; it is not an XGBoost model.`,
    );
  const groups = Math.max(1, classes);
  const base = {
    version: major === 0 ? undefined : `${major}.${minor}`,
    objective,
    baseScore: [baseScore],
    isBaseScoreMargin: major < 1,
    features,
    groups,
    featureNames: [],
  };
  if (name === 'gblinear') {
    from.skip(136);
    return { ...base, booster: { kind: 'linear', weights: from.floats(from.uint64()) } };
  }
  const count = from.int32();
  const parallel = from.int32();
  from.skip(160 - 8);
  if (!(count >= 0 && count <= 1_000_000))
    throw new OnnxError('source_malformed', `The file declares ${count} trees; save the model again.`);
  const trees = Array.from({ length: count }, (_, i) => readTree(from, features, `${i}`));
  const info = trees.map(() => from.int32());
  const weights = isDart && count > 0 ? from.floats(from.uint64()) : undefined;
  const placed = trees.map((tree, i): DecisionTree => {
    const target = info[i]!;
    if (!(target >= 0 && target < groups))
      throw new OnnxError('source_malformed', `Tree ${i} adds to output ${target} of ${groups}; save the model again.`);
    const weight = Math.fround(weights?.[i] ?? 1);
    return { ...tree, target, value: weight === 1 ? tree.value : tree.value.map(leaf => Math.fround(weight * leaf)) };
  });
  // The second field counts roots before version 1.0 and parallel trees since.
  const treesPerRound = (major >= 1 ? Math.max(1, parallel) : 1) * groups;
  return { ...base, booster: { kind: 'trees', trees: placed, treesPerRound, bestIteration: undefined } };
}

function readTree(from: StructReader, features: number, where: string): DecisionTree {
  from.skip(4);
  const nodes = from.int32();
  from.skip(12);
  const leafVector = from.int32();
  from.skip(31 * 4);
  if (leafVector > 1)
    throw new OnnxError('unsupported_source', `The tree ${where} has a vector in each leaf, which is not supported.`);
  if (!(nodes > 0) || nodes * 36 > from.left)
    throw new OnnxError(
      'truncated',
      `The tree ${where} declares ${nodes} nodes, more than the file holds; copy or download it again.`,
    );
  const tree = {
    feature: new Int32Array(nodes),
    threshold: new Float64Array(nodes),
    left: new Int32Array(nodes),
    right: new Int32Array(nodes),
    missingLeft: new Uint8Array(nodes),
    value: new Float64Array(nodes),
    mode: 'lt' as const,
    target: 0,
  };
  for (let node = 0; node < nodes; node++) {
    from.skip(4);
    tree.left[node] = from.int32();
    tree.right[node] = from.int32();
    const split = from.uint32();
    tree.feature[node] = split & 0x7fffffff;
    tree.missingLeft[node] = split >>> 31;
    const content = from.float();
    tree.threshold[node] = content;
    tree.value[node] = content;
  }
  from.skip(nodes * 16);
  return checkTree(tree, features, where);
}

class StructReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** "binf" starts files of some versions; pickled boosters start with "CONFIG-offset:" and a length. */
  skipPrefix(): void {
    if (decodeText(this.#bytes.subarray(0, 14)) === 'CONFIG-offset:') this.#at = 22;
    if (decodeText(this.#bytes.subarray(this.#at, this.#at + 4)) === 'binf') this.#at += 4;
  }

  skip(length: number): void {
    this.#take(length);
  }

  float(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  uint64(): number {
    return Number(this.#view.getBigUint64(this.#take(8), true));
  }

  floats(count: number): Float64Array {
    const at = this.#take(count * 4);
    return Float64Array.from({ length: count }, (_, i) => this.#view.getFloat32(at + i * 4, true));
  }

  text(): string {
    const length = this.uint64();
    const at = this.#take(length);
    return decodeText(this.#bytes.subarray(at, at + length));
  }

  #take(length: number): number {
    const at = this.#at;
    if (!(length >= 0 && length <= this.#bytes.length - at))
      throw new OnnxError('truncated', 'The XGBoost file is truncated; copy or download it again.');
    this.#at = at + length;
    return at;
  }
}
