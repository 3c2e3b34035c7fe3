import { OnnxError } from '../../onnx-error.ts';
import { decodeText, type WireReader } from '../../wire/wire-reader.ts';
import {
  elementTotal,
  splat,
  type TfAttr,
  type TfFunction,
  type TfGraph,
  type TfNode,
  type TfShape,
  type TfTensor,
  tfType,
} from './tf-graph.ts';

const varint = 0;
const fixed64 = 1;
const length = 2;
const fixed32 = 5;
const tagOf = (field: number, wire: number): number => field * 8 + wire;

/** GraphDef: node = 1, library = 2. */
export function readGraphDef(reader: WireReader): TfGraph {
  const nodes: TfNode[] = [];
  let functions: ReadonlyMap<string, TfFunction> = new Map();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(1, length)) nodes.push(readNode(reader.message()));
    else if (tag === tagOf(2, length)) functions = readLibrary(reader.message());
    else reader.skip(tag);
  }
  return { nodes, functions };
}

/** NodeDef: name = 1, op = 2, input = 3, attr = 5. */
function readNode(reader: WireReader): TfNode {
  let name = '';
  let op = '';
  const inputs: string[] = [];
  const attrs = new Map<string, TfAttr>();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(1, length)) name = reader.string();
    else if (tag === tagOf(2, length)) op = reader.string();
    else if (tag === tagOf(3, length)) {
      reader.spend();
      inputs.push(reader.string());
    } else if (tag === tagOf(5, length)) readEntry(reader.message(), name, attrs);
    else reader.skip(tag);
  }
  return { name, op, inputs, attrs };
}

function readEntry(reader: WireReader, node: string, into: Map<string, TfAttr>): void {
  let key = '';
  let value: TfAttr = {};
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(1, length)) key = reader.string();
    else if (tag === tagOf(2, length)) value = readAttr(reader.message(), node);
    else reader.skip(tag);
  }
  into.set(key, value);
}

/** AttrValue: list = 1, s = 2, i = 3, f = 4, b = 5, type = 6, shape = 7, tensor = 8, func = 10. */
function readAttr(reader: WireReader, node: string): TfAttr {
  let attr: TfAttr = {};
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(1, length)) attr = { ...attr, list: readList(reader.message()) };
    else if (tag === tagOf(2, length)) attr = { ...attr, s: decodeText(reader.payload()) };
    else if (tag === tagOf(3, varint)) attr = { ...attr, i: Number(reader.varintBigInt()) };
    else if (tag === tagOf(4, fixed32)) attr = { ...attr, f: reader.float() };
    else if (tag === tagOf(5, varint)) attr = { ...attr, b: reader.varintBigInt() !== 0n };
    else if (tag === tagOf(6, varint)) attr = { ...attr, type: reader.varintInt32() };
    else if (tag === tagOf(7, length)) attr = { ...attr, shape: readShape(reader.message()) };
    else if (tag === tagOf(8, length)) attr = { ...attr, tensor: readTensor(reader.message(), node) };
    else if (tag === tagOf(10, length)) attr = { ...attr, func: readFunctionName(reader.message()) };
    else reader.skip(tag);
  }
  return attr;
}

function readFunctionName(reader: WireReader): string {
  let name = '';
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(1, length)) name = reader.string();
    else reader.skip(tag);
  }
  return name;
}

function readList(reader: WireReader): NonNullable<TfAttr['list']> {
  const list = { s: [] as string[], i: [] as number[], type: [] as number[], shape: [] as TfShape[] };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    reader.spend();
    if (tag === tagOf(2, length)) list.s.push(decodeText(reader.payload()));
    else if (tag === tagOf(3, varint)) list.i.push(Number(reader.varintBigInt()));
    else if (tag === tagOf(3, length)) eachPacked(reader, inner => list.i.push(Number(inner.varintBigInt())));
    else if (tag === tagOf(6, varint)) list.type.push(reader.varintInt32());
    else if (tag === tagOf(6, length)) eachPacked(reader, inner => list.type.push(inner.varintInt32()));
    else if (tag === tagOf(7, length)) list.shape.push(readShape(reader.message()));
    else reader.skip(tag);
  }
  return list;
}

function eachPacked(reader: WireReader, take: (inner: WireReader) => void): void {
  const inner = reader.message();
  while (!inner.atEnd) {
    inner.spend();
    take(inner);
  }
}

/** TensorShapeProto: dim = 2 { size = 1 }, unknown_rank = 3. */
export function readShape(reader: WireReader): TfShape {
  const dims: (number | null)[] = [];
  let isUnknown = false;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(2, length)) dims.push(readDim(reader.message()));
    else if (tag === tagOf(3, varint)) isUnknown = reader.varintBigInt() !== 0n;
    else reader.skip(tag);
  }
  return isUnknown ? undefined : dims;
}

function readDim(reader: WireReader): number | null {
  let size = 0;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(1, varint)) size = Number(reader.varintBigInt());
    else reader.skip(tag);
  }
  return size < 0 ? null : size;
}

/** Repeated value fields of TensorProto: how one element is read and how wide it is stored. */
const valueFields: ReadonlyMap<number, 'double' | 'fixed' | 'float' | 'varint'> = new Map([
  [5, 'float'],
  [6, 'double'],
  [7, 'varint'],
  [10, 'varint'],
  [11, 'varint'],
  [13, 'varint'],
  [16, 'varint'],
  [17, 'varint'],
]);

/** TensorProto: dtype = 1, tensor_shape = 2, tensor_content = 4, then one list of values per kind. */
function readTensor(reader: WireReader, node: string): TfTensor {
  let dtype = 0;
  let shape: TfShape = [];
  let content: Uint8Array | undefined;
  const floats: Uint8Array[] = [];
  const integers: bigint[] = [];
  const texts: Uint8Array[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    const kind = valueFields.get(tag >> 3);
    if (tag === tagOf(1, varint)) dtype = reader.varintInt32();
    else if (tag === tagOf(2, length)) shape = readShape(reader.message());
    else if (tag === tagOf(4, length)) content = reader.payload();
    else if (tag === tagOf(8, length)) {
      reader.spend();
      texts.push(reader.payload());
    } else if ((kind === 'float' || kind === 'double') && (tag & 7) === length) floats.push(reader.payload());
    else if ((kind === 'float' && (tag & 7) === fixed32) || (kind === 'double' && (tag & 7) === fixed64)) {
      const start = reader.position;
      reader.spend();
      reader.skip(tag);
      floats.push(reader.bytes.subarray(start, reader.position));
    } else if (kind === 'varint' && (tag & 7) === varint) {
      reader.spend();
      integers.push(reader.varintBigInt());
    } else if (kind === 'varint' && (tag & 7) === length)
      eachPacked(reader, inner => integers.push(inner.varintBigInt()));
    else reader.skip(tag);
  }
  const dims = (shape ?? [0]).map(dim => dim ?? -1);
  const total = elementTotal(dims, node);
  const { bytes: size } = tfType(dtype);
  if (size === 0) return { dtype, dims, bytes: new Uint8Array(0), texts: texts.map(decodeText) };
  if (content !== undefined) return { dtype, dims, bytes: splat(content, size, total, node) };
  const given = floats.length > 0 ? joined(floats) : integerBytes(integers, size);
  if (given.length === 0 && total > 0) return { dtype, dims, bytes: splat(new Uint8Array(size), size, total, node) };
  return { dtype, dims, bytes: splat(given, size, total, node) };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) return first;
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

function integerBytes(values: readonly bigint[], size: number): Uint8Array {
  const out = new Uint8Array(values.length * size);
  const view = new DataView(out.buffer);
  values.forEach((value, i) => {
    if (size === 8) view.setBigInt64(i * 8, BigInt.asIntN(64, value), true);
    else if (size === 4) view.setInt32(i * 4, Number(BigInt.asIntN(32, value)), true);
    else if (size === 2) view.setUint16(i * 2, Number(BigInt.asUintN(16, value)), true);
    else out[i] = Number(BigInt.asUintN(8, value));
  });
  return out;
}

/** FunctionDefLibrary: function = 1. */
function readLibrary(reader: WireReader): Map<string, TfFunction> {
  const functions = new Map<string, TfFunction>();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag !== tagOf(1, length)) {
      reader.skip(tag);
      continue;
    }
    const found = readFunction(reader.message());
    functions.set(found.name, found);
  }
  return functions;
}

/** FunctionDef: signature = 1 (OpDef), node_def = 3, ret = 4. */
function readFunction(reader: WireReader): TfFunction {
  let signature = { name: '', inputs: [] as string[], outputs: [] as string[] };
  const nodes: TfNode[] = [];
  const returns = new Map<string, string>();
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(1, length)) signature = readOpDef(reader.message());
    else if (tag === tagOf(3, length)) nodes.push(readNode(reader.message()));
    else if (tag === tagOf(4, length)) readStringEntry(reader.message(), returns);
    else reader.skip(tag);
  }
  return { ...signature, nodes, returns };
}

/** OpDef: name = 1, input_arg = 2 { name = 1 }, output_arg = 3 { name = 1 }. */
function readOpDef(reader: WireReader): { name: string; inputs: string[]; outputs: string[] } {
  let name = '';
  const inputs: string[] = [];
  const outputs: string[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(1, length)) name = reader.string();
    else if (tag === tagOf(2, length)) inputs.push(readFunctionName(reader.message()));
    else if (tag === tagOf(3, length)) outputs.push(readFunctionName(reader.message()));
    else reader.skip(tag);
  }
  return { name, inputs, outputs };
}

function readStringEntry(reader: WireReader, into: Map<string, string>): void {
  let key = '';
  let value = '';
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === tagOf(1, length)) key = reader.string();
    else if (tag === tagOf(2, length)) value = reader.string();
    else reader.skip(tag);
  }
  into.set(key, value);
}

/** Reads `tensor` fields of other messages by the same rules. @throws OnnxError for a graph without nodes */
export function requireNodes(graph: TfGraph): TfGraph {
  if (graph.nodes.length === 0 && graph.functions.size === 0)
    throw new OnnxError('not_a_model', 'The TensorFlow graph has no nodes; save the model again.');
  return graph;
}
