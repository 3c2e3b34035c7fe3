import { OnnxError } from '../../onnx-error.ts';
import { listField, optionalField } from '../boosting/json-fields.ts';
import type { SourceFile } from '../convert.ts';
import { readTfjsWeights, type TfjsWeight } from '../tfjs/weights.ts';
import {
  dt,
  elementTotal,
  splat,
  type TfAttr,
  type TfFunction,
  type TfGraph,
  type TfNode,
  type TfPort,
  type TfShape,
  type TfSignature,
  type TfTensor,
  tfType,
  typeNumber,
} from './tf-graph.ts';

export interface TfjsGraphModel {
  readonly graph: TfGraph;
  readonly signature: TfSignature | undefined;
  readonly version: string | undefined;
  /** Outputs of the graph that fills lookup tables, when there is one. */
  readonly hasInitializer: boolean;
}

/**
 * A TensorFlow.js graph model: GraphDef in JSON with its constants in weight files.
 * @throws OnnxError `source_malformed`, `missing_file`, `truncated`
 */
export function readTfjsGraph(bytes: Uint8Array, files: readonly SourceFile[]): TfjsGraphModel {
  const model = parseJson(bytes);
  const topology = optionalField(model, 'modelTopology');
  const weights = readTfjsWeights(model, files);
  const nodes = listField(topology, 'node').map(node => withWeight(readNode(node), weights));
  const functions = new Map<string, TfFunction>();
  const library = optionalField(topology, 'library', 'function');
  if (Array.isArray(library))
    for (const entry of library) {
      const found = readFunction(entry, weights);
      functions.set(found.name, found);
    }
  const signature = optionalField(model, 'signature') ?? optionalField(model, 'userDefinedMetadata', 'signature');
  const version = optionalField(model, 'convertedBy');
  return {
    graph: { nodes, functions },
    signature: signature === undefined ? undefined : readSignature(signature),
    version: typeof version === 'string' ? version.replace(/^TensorFlow\.js /, '') : undefined,
    hasInitializer: optionalField(model, 'modelInitializer') !== undefined,
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new OnnxError('source_malformed', 'The model.json is not valid JSON; copy or download it again.', { cause });
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function entries(value: unknown): [string, unknown][] {
  return value !== null && typeof value === 'object' ? Object.entries(value) : [];
}

function readNode(node: unknown): TfNode {
  const attrs = new Map(entries(optionalField(node, 'attr')).map(([name, value]) => [name, readAttr(value)]));
  return {
    name: text(optionalField(node, 'name')),
    op: text(optionalField(node, 'op')),
    inputs: list(optionalField(node, 'input')).map(text),
    attrs,
  };
}

function readAttr(value: unknown): TfAttr {
  let attr: TfAttr = {};
  for (const [kind, content] of entries(value)) {
    if (kind === 's') attr = { ...attr, s: base64Text(content) };
    else if (kind === 'i') attr = { ...attr, i: Number(content) };
    else if (kind === 'f') attr = { ...attr, f: Number(content) };
    else if (kind === 'b') attr = { ...attr, b: content === true };
    else if (kind === 'type') attr = { ...attr, type: readType(content) };
    else if (kind === 'shape') attr = { ...attr, shape: readJsonShape(content) };
    else if (kind === 'tensor') attr = { ...attr, tensor: readJsonTensor(content) };
    else if (kind === 'func') attr = { ...attr, func: text(optionalField(content, 'name')) };
    else if (kind === 'list')
      attr = {
        ...attr,
        list: {
          s: list(optionalField(content, 's')).map(base64Text),
          i: list(optionalField(content, 'i')).map(Number),
          type: list(optionalField(content, 'type')).map(readType),
          shape: list(optionalField(content, 'shape')).map(readJsonShape),
        },
      };
  }
  return attr;
}

/** Byte strings are base64 in JSON; some writers list their bytes. */
function base64Text(value: unknown): string {
  if (Array.isArray(value)) return String.fromCharCode(...value.slice(0, 4096).map(Number));
  return Buffer.from(text(value), 'base64').toString('latin1');
}

function readType(value: unknown): number {
  return typeof value === 'number' ? value : typeNumber(text(value));
}

function readJsonShape(value: unknown): TfShape {
  if (optionalField(value, 'unknownRank') === true) return undefined;
  return list(optionalField(value, 'dim')).map(dim => {
    const size = Number(optionalField(dim, 'size') ?? 0);
    return size < 0 || !Number.isSafeInteger(size) ? null : size;
  });
}

/** Constants inside the JSON are rare; their elements stand in the value list of their type. */
function readJsonTensor(value: unknown): TfTensor {
  const dtype = readType(optionalField(value, 'dtype'));
  const dims = (readJsonShape(optionalField(value, 'tensorShape')) ?? []).map(dim => dim ?? -1);
  const size = tfType(dtype).bytes;
  const content = optionalField(value, 'tensorContent');
  if (typeof content === 'string' && size > 0)
    return {
      dtype,
      dims,
      bytes: splat(Buffer.from(content, 'base64'), size, elementTotal(dims, 'constant'), 'constant'),
    };
  const names = ['floatVal', 'doubleVal', 'intVal', 'int64Val', 'boolVal'];
  const values = names.flatMap(name => list(optionalField(value, name)));
  if (size === 0 || values.length === 0) return { dtype, dims, bytes: new Uint8Array(0) };
  return { dtype, dims, bytes: splat(elementBytes(dtype, values), size, elementTotal(dims, 'constant'), 'constant') };
}

function elementBytes(dtype: number, values: readonly unknown[]): Uint8Array {
  if (dtype === dt.float) return new Uint8Array(Float32Array.from(values, Number).buffer);
  if (dtype === dt.double) return new Uint8Array(Float64Array.from(values, Number).buffer);
  if (dtype === dt.int64)
    return new Uint8Array(BigInt64Array.from(values, value => BigInt(Math.trunc(Number(value)) || 0)).buffer);
  if (dtype === dt.int32) return new Uint8Array(Int32Array.from(values, Number).buffer);
  return Uint8Array.from(values, Number);
}

/** Weight files hold the constants: the node keeps the type it declares. */
function withWeight(node: TfNode, weights: ReadonlyMap<string, TfjsWeight>): TfNode {
  const weight = node.op === 'Const' ? weights.get(node.name) : undefined;
  if (weight === undefined) return node;
  const dtype = { float32: dt.float, int32: dt.int32, bool: dt.bool, string: dt.string, complex64: 8 }[weight.dtype];
  const declared = node.attrs.get('dtype')?.type ?? dtype;
  const tensor = inType(weight, dtype, declared);
  const attrs = new Map(node.attrs);
  attrs.set('value', { tensor });
  attrs.set('dtype', { type: tensor.dtype });
  return { ...node, attrs };
}

/** TF.js stores int64 as int32; the graph goes on with the type it declares. */
function inType(weight: TfjsWeight, dtype: number, declared: number): TfTensor {
  if (dtype === dt.int32 && declared === dt.int64) {
    const { bytes } = weight;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const wide = BigInt64Array.from({ length: bytes.length / 4 }, (_, i) => BigInt(view.getInt32(i * 4, true)));
    return { dtype: dt.int64, dims: weight.shape, bytes: new Uint8Array(wide.buffer) };
  }
  return { dtype, dims: weight.shape, bytes: weight.bytes };
}

function readFunction(value: unknown, weights: ReadonlyMap<string, TfjsWeight>): TfFunction {
  const names = (key: string): string[] =>
    list(optionalField(value, 'signature', key)).map(arg => text(optionalField(arg, 'name')));
  return {
    name: text(optionalField(value, 'signature', 'name')),
    inputs: names('inputArg'),
    outputs: names('outputArg'),
    nodes: list(optionalField(value, 'nodeDef')).map(node => withWeight(readNode(node), weights)),
    returns: new Map(entries(optionalField(value, 'ret')).map(([key, ref]) => [key, text(ref)])),
  };
}

function readSignature(value: unknown): TfSignature {
  const ports = (key: string): TfPort[] =>
    entries(optionalField(value, key)).map(([name, info]) => ({
      key: name.replace(/:0$/, ''),
      tensor: text(optionalField(info, 'name')) || name,
      dtype: readType(optionalField(info, 'dtype')),
      shape: readJsonShape(optionalField(info, 'tensorShape')),
    }));
  return { inputs: ports('inputs'), outputs: ports('outputs') };
}
