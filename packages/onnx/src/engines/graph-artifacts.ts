import type { io } from '@tensorflow/tfjs';
import {
  dt,
  type TfAttr,
  type TfFunction,
  type TfGraph,
  type TfNode,
  type TfShape,
  type TfTensor,
  tfType,
} from '../convert/tensorflow/tf-graph.ts';
import { halfValue } from '../convert/verify/tensor.ts';

interface Weight {
  readonly spec: io.WeightsManifestEntry;
  readonly bytes: Uint8Array;
}

/**
 * A graph of TensorFlow in the form in which TensorFlow.js loads graph models: nodes as JSON, constants as weights.
 * @throws Error for constants of types that TensorFlow.js has not
 */
export function graphArtifacts(graph: TfGraph): io.ModelArtifacts {
  const weights = new Map<string, Weight>();
  const node = jsonNodes(graph.nodes, weights);
  const library = [...graph.functions.values()].map(fn => jsonFunction(fn, weights));
  const list = [...weights.values()];
  return {
    modelTopology: { node, library: { function: library }, versions: {} },
    weightSpecs: list.map(({ spec }) => spec),
    weightData: new Uint8Array(Buffer.concat(list.map(({ bytes }) => bytes))).buffer,
    format: 'graph-model',
  };
}

function jsonNodes(nodes: readonly TfNode[], weights: Map<string, Weight>): object[] {
  return nodes.map(({ name, op, inputs, attrs }) => {
    const value = op === 'Const' ? attrs.get('value')?.tensor : undefined;
    if (value !== undefined) {
      if (weights.has(name)) throw new Error(`two constants are named "${name}"`);
      weights.set(name, weightOf(name, value));
    }
    const attr = Object.fromEntries([...attrs].map(([key, content]) => [key, jsonAttr(content)]));
    return { name, op, input: [...inputs], attr };
  });
}

function jsonFunction(fn: TfFunction, weights: Map<string, Weight>): object {
  return {
    signature: {
      name: fn.name,
      inputArg: fn.inputs.map(name => ({ name })),
      outputArg: fn.outputs.map(name => ({ name })),
    },
    nodeDef: jsonNodes(fn.nodes, weights),
    ret: Object.fromEntries(fn.returns),
  };
}

const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');

function jsonAttr(attr: TfAttr): object {
  if (attr.s !== undefined) return { s: base64(attr.s) };
  if (attr.i !== undefined) return { i: String(attr.i) };
  if (attr.f !== undefined) return { f: attr.f };
  if (attr.b !== undefined) return { b: attr.b };
  if (attr.type !== undefined) return { type: tfType(attr.type).name };
  if (attr.func !== undefined) return { func: { name: attr.func } };
  if (attr.tensor !== undefined) {
    const { dtype, dims } = attr.tensor;
    return { tensor: { dtype: tfType(dtype).name, tensorShape: jsonShape(dims) } };
  }
  if (attr.list !== undefined) {
    const { s, i, type, shape } = attr.list;
    return {
      list: {
        ...(s.length > 0 && { s: s.map(base64) }),
        ...(i.length > 0 && { i: i.map(String) }),
        ...(type.length > 0 && { type: type.map(number => tfType(number).name) }),
        ...(shape.length > 0 && { shape: shape.map(jsonShape) }),
      },
    };
  }
  return { shape: jsonShape(attr.shape) };
}

function jsonShape(shape: TfShape): object {
  if (shape === undefined) return { unknownRank: true };
  return { dim: shape.map(size => ({ size: String(size ?? -1) })) };
}

type Read = (view: DataView, at: number) => number;

/** How the elements of types that TensorFlow.js has not become int32 or float32. */
const narrowed: ReadonlyMap<number, { readonly dtype: 'float32' | 'int32'; readonly read: Read }> = new Map([
  [dt.double, { dtype: 'float32', read: (view, at) => view.getFloat64(at, true) }],
  [dt.half, { dtype: 'float32', read: (view, at) => halfValue(view.getUint16(at, true)) }],
  [dt.int64, { dtype: 'int32', read: (view, at) => Number(view.getBigInt64(at, true)) }],
  [dt.uint8, { dtype: 'int32', read: (view, at) => view.getUint8(at) }],
  [dt.int8, { dtype: 'int32', read: (view, at) => view.getInt8(at) }],
] satisfies [number, { dtype: 'float32' | 'int32'; read: Read }][]);

const kept: ReadonlyMap<number, 'bool' | 'float32' | 'int32'> = new Map([
  [dt.float, 'float32'],
  [dt.int32, 'int32'],
  [dt.bool, 'bool'],
] satisfies [number, 'bool' | 'float32' | 'int32'][]);

function weightOf(name: string, { dtype, dims, bytes, texts }: TfTensor): Weight {
  const shape = [...dims];
  const own = kept.get(dtype);
  if (own !== undefined) return { spec: { name, shape, dtype: own }, bytes };
  if (dtype === dt.string) return { spec: { name, shape, dtype: 'string' }, bytes: textBytes(texts ?? []) };
  const other = narrowed.get(dtype);
  if (other === undefined) throw new Error(`the constant "${name}" is ${tfType(dtype).name}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = tfType(dtype).bytes;
  const numbers = Array.from({ length: bytes.length / size }, (_, i) => other.read(view, i * size));
  const out = other.dtype === 'int32' ? Int32Array.from(numbers) : Float32Array.from(numbers);
  return { spec: { name, shape, dtype: other.dtype }, bytes: new Uint8Array(out.buffer) };
}

/** Each text behind its length in bytes. */
function textBytes(texts: readonly string[]): Uint8Array {
  return Buffer.concat(
    texts.flatMap(text => {
      const content = Buffer.from(text, 'latin1');
      const length = Buffer.alloc(4);
      length.writeUInt32LE(content.length);
      return [length, content];
    }),
  );
}
