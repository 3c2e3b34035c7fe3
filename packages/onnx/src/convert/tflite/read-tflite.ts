import { OnnxError } from '../../onnx-error.ts';
import { FlatTable } from '../flatbuffer/flat-table.ts';
import { builtinNames } from './builtin-names.ts';
import { densified } from './densify.ts';
import { type TensorType, tensorTypes } from './tensor-types.ts';

/** How stored integers stand for real numbers: scale * (stored - zeroPoint), one pair or one per slice of `axis`. */
export interface Quantization {
  readonly scales: readonly number[];
  readonly zeroPoints: readonly number[];
  readonly axis: number;
}

export interface TfliteTensor {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly number[];
  /** The shape with -1 where the size is open. */
  readonly openShape: readonly number[];
  /** Elements of a constant in row-major order, INT4 spread to one byte each; undefined for computed tensors. */
  readonly bytes: Uint8Array | undefined;
  readonly quantization: Quantization | undefined;
  /** Keeps its value from one call of the model to the next. */
  readonly isVariable: boolean;
}

export interface TfliteOperator {
  /** Name of the built-in, or the code of a custom operator. */
  readonly name: string;
  readonly isCustom: boolean;
  /** Tensor indices, -1 for an optional input that is absent. */
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly options: FlatTable | undefined;
}

export interface TfliteSubgraph {
  readonly name: string;
  readonly tensors: readonly TfliteTensor[];
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly operators: readonly TfliteOperator[];
}

/** Names a subgraph's tensors have for its callers. */
export interface TfliteSignature {
  readonly key: string;
  readonly subgraph: number;
  readonly inputs: ReadonlyMap<number, string>;
  readonly outputs: ReadonlyMap<number, string>;
}

export interface TfliteModel {
  readonly description: string;
  /** The lowest TensorFlow runtime that runs the file, as its converter noted. */
  readonly runtimeVersion: string | undefined;
  readonly subgraphs: readonly TfliteSubgraph[];
  readonly signatures: readonly TfliteSignature[];
}

function damaged(what: string, node?: string): OnnxError {
  return new OnnxError(
    'source_malformed',
    `The TFLite model is damaged: ${what}; copy or convert it again.`,
    node === undefined ? {} : { node },
  );
}

/**
 * Reads a TFLite model of schema version 3. Constants are views of the file.
 * @throws OnnxError `truncated`, `source_malformed`, `too_large`
 */
export function readTflite(bytes: Uint8Array): TfliteModel {
  const root = FlatTable.root(bytes, 'TFLite model');
  const version = root.uint32(0);
  if (version !== 3)
    throw new OnnxError(
      'unsupported_format',
      `The TFLite model has schema version ${version}; only version 3, in use since 2017, is read. Convert it again.`,
    );
  const codes = root.tables(1).map(readOperatorCode);
  const buffers = root.tables(4).map((table, i) => readBuffer(table, bytes, i));
  const subgraphs = root.tables(2).map((table, i) => readSubgraph(table, `subgraph ${i}`, codes, buffers));
  if (subgraphs.length === 0) throw damaged('it has no subgraph');
  return {
    description: root.text(3) ?? '',
    runtimeVersion: runtimeVersion(root, buffers),
    subgraphs,
    signatures: root.tables(7).map(table => readSignature(table, subgraphs)),
  };
}

function runtimeVersion(root: FlatTable, buffers: readonly (Uint8Array | undefined)[]): string | undefined {
  const entry = root.tables(6).find(table => table.text(0) === 'min_runtime_version');
  const bytes = entry === undefined ? undefined : buffers[entry.uint32(1)];
  if (bytes === undefined || bytes.length > 64) return undefined;
  const version = new TextDecoder().decode(bytes).replace(/\0.*$/s, '');
  return /^[\d.]+$/.test(version) ? version : undefined;
}

function readOperatorCode(table: FlatTable): { readonly name: string; readonly isCustom: boolean } {
  // The number outgrew its byte; whichever field is larger holds it.
  const code = Math.max(table.int8(0), table.int32(3));
  const name = builtinNames[code] ?? '-';
  if (name === 'CUSTOM') return { name: table.text(1) ?? 'without a name', isCustom: true };
  return { name: name === '-' ? `built-in ${code}` : name, isCustom: false };
}

function readBuffer(table: FlatTable, file: Uint8Array, index: number): Uint8Array | undefined {
  const inside = table.bytes(0);
  if (inside !== undefined && inside.length > 0) return inside;
  const [start, size] = [table.uint64(1), table.uint64(2)];
  if (start <= 1 || size === 0) return undefined;
  if (start + size > file.length)
    throw new OnnxError(
      'truncated',
      `Buffer ${index} of the TFLite model ends at byte ${start + size}, but the file has ${file.length}; copy or download it again.`,
    );
  return file.subarray(start, start + size);
}

function readSubgraph(
  table: FlatTable,
  where: string,
  codes: readonly { readonly name: string; readonly isCustom: boolean }[],
  buffers: readonly (Uint8Array | undefined)[],
): TfliteSubgraph {
  const tensors = table.tables(0).map((tensor, i) => readTensor(tensor, `${where}, tensor ${i}`, buffers));
  const indices = (list: readonly number[], isOptional: boolean): readonly number[] => {
    for (const index of list)
      if (index >= tensors.length || index < (isOptional ? -1 : 0))
        throw damaged(`${where} refers to tensor ${index} of ${tensors.length}`);
    return list;
  };
  const operators = table.tables(3).map(operator => {
    const code = codes[operator.uint32(0)];
    if (code === undefined) throw damaged(`${where} uses operator code ${operator.uint32(0)} of ${codes.length}`);
    return {
      ...code,
      inputs: indices(operator.ints(1), true),
      outputs: indices(operator.ints(2), false),
      // A union keeps its kind in the field before.
      options: operator.uint8(3) === 0 ? undefined : operator.table(4),
    };
  });
  return {
    name: table.text(4) ?? '',
    tensors,
    inputs: indices(table.ints(1), false),
    outputs: indices(table.ints(2), false),
    operators,
  };
}

/** Elements one tensor may declare; 2^31 bytes is what a single ONNX file can hold. */
const maxElements = 2 ** 31;

function readTensor(table: FlatTable, where: string, buffers: readonly (Uint8Array | undefined)[]): TfliteTensor {
  const shape = table.ints(0);
  const name = table.text(3) ?? '';
  const type = tensorTypes[table.int8(1)];
  if (type === undefined) throw damaged(`${where} has the unknown type ${table.int8(1)}`, name);
  const bufferIndex = table.uint32(2);
  if (bufferIndex >= buffers.length && bufferIndex !== 0)
    throw damaged(`${where} refers to buffer ${bufferIndex} of ${buffers.length}`, name);
  const raw = buffers[bufferIndex];
  const elements = shape.reduce((product, size) => product * size, 1);
  if (shape.some(size => size < (raw === undefined ? -1 : 0)) || elements > maxElements || shape.length > 16)
    throw damaged(`${where} has the impossible shape [${shape.join(', ')}]`, name);
  const open = table.ints(7);
  const sparsity = table.table(6);
  let bytes = raw;
  if (raw !== undefined && type.bytes > 0) {
    const elementBytes = type.bytes;
    if (sparsity !== undefined) bytes = densified(raw, shape, elementBytes, sparsity, name);
    else if (raw.length !== Math.ceil(elements * elementBytes))
      throw damaged(`${where} of shape [${shape.join(', ')}] has ${raw.length} bytes of ${type.name}`, name);
    else if (elementBytes === 0.5) bytes = spreadInt4(raw, elements);
  }
  return {
    name,
    type: type.name,
    shape,
    openShape: open.length === shape.length ? open : shape,
    bytes,
    quantization: readQuantization(table.table(4), shape, where, name),
    isVariable: table.bool(5),
  };
}

/** Two signed 4-bit numbers per byte, the lower half first, to one byte each. */
function spreadInt4(raw: Uint8Array, elements: number): Uint8Array {
  return Uint8Array.from({ length: elements }, (_, i) => {
    const half = i % 2 === 0 ? raw[i >> 1]! & 15 : raw[i >> 1]! >> 4;
    return half < 8 ? half : half + 240;
  });
}

function readQuantization(
  table: FlatTable | undefined,
  shape: readonly number[],
  where: string,
  name: string,
): Quantization | undefined {
  if (table === undefined) return undefined;
  const scales = table.floats(2);
  if (scales.length === 0) return undefined;
  const zeroPoints = table.longs(3);
  // Some writers keep the weights' dimension for a bias, which has but one.
  const axis = shape.length === 1 ? 0 : table.int32(6);
  if (scales.length > 1 && shape[axis] !== scales.length)
    throw damaged(`${where} has ${scales.length} scales for dimension ${axis} of shape [${shape.join(', ')}]`, name);
  if (!scales.every(scale => scale >= 0 && Number.isFinite(scale)))
    throw damaged(`${where} has a scale that is no positive number`, name);
  if (scales.every(scale => scale === 0)) return undefined;
  return { scales, zeroPoints: scales.map((_, i) => zeroPoints[i] ?? zeroPoints[0] ?? 0), axis };
}

function readSignature(table: FlatTable, subgraphs: readonly TfliteSubgraph[]): TfliteSignature {
  const subgraph = table.uint32(4);
  if (subgraph >= subgraphs.length) throw damaged(`a signature refers to subgraph ${subgraph} of ${subgraphs.length}`);
  const names = (field: number): ReadonlyMap<number, string> =>
    new Map(table.tables(field).map(entry => [entry.uint32(1), entry.text(0) ?? '']));
  return { key: table.text(2) ?? '', subgraph, inputs: names(0), outputs: names(1) };
}
