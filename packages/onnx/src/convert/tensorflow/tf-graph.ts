import { OnnxError } from '../../onnx-error.ts';

/** DataType of tensorflow/core/framework/types.proto, by number. */
interface TfType {
  readonly name: string;
  /** TensorProto.DataType of ONNX; 0 where ONNX Runtime has no such element. */
  readonly onnx: number;
  readonly bytes: number;
}

const tfTypes: ReadonlyMap<number, TfType> = new Map([
  [1, { name: 'DT_FLOAT', onnx: 1, bytes: 4 }],
  [2, { name: 'DT_DOUBLE', onnx: 11, bytes: 8 }],
  [3, { name: 'DT_INT32', onnx: 6, bytes: 4 }],
  [4, { name: 'DT_UINT8', onnx: 2, bytes: 1 }],
  [5, { name: 'DT_INT16', onnx: 5, bytes: 2 }],
  [6, { name: 'DT_INT8', onnx: 3, bytes: 1 }],
  [7, { name: 'DT_STRING', onnx: 0, bytes: 0 }],
  [8, { name: 'DT_COMPLEX64', onnx: 0, bytes: 8 }],
  [9, { name: 'DT_INT64', onnx: 7, bytes: 8 }],
  [10, { name: 'DT_BOOL', onnx: 9, bytes: 1 }],
  [14, { name: 'DT_BFLOAT16', onnx: 0, bytes: 2 }],
  [17, { name: 'DT_UINT16', onnx: 4, bytes: 2 }],
  [18, { name: 'DT_COMPLEX128', onnx: 0, bytes: 16 }],
  [19, { name: 'DT_HALF', onnx: 10, bytes: 2 }],
  [20, { name: 'DT_RESOURCE', onnx: 0, bytes: 0 }],
  [21, { name: 'DT_VARIANT', onnx: 0, bytes: 0 }],
  [22, { name: 'DT_UINT32', onnx: 12, bytes: 4 }],
  [23, { name: 'DT_UINT64', onnx: 13, bytes: 8 }],
]);

const typeNumbers = new Map([...tfTypes].map(([number, type]) => [type.name, number]));

/** Numbers of the types that rules mention. */
export const dt = {
  float: 1,
  double: 2,
  int32: 3,
  uint8: 4,
  int8: 6,
  string: 7,
  int64: 9,
  bool: 10,
  half: 19,
  resource: 20,
  variant: 21,
} as const;

export function tfType(number: number): TfType {
  return tfTypes.get(number % 100) ?? { name: `DT_${number}`, onnx: 0, bytes: 0 };
}

export function typeNumber(name: string): number {
  return typeNumbers.get(name) ?? 0;
}

/** Sizes of the axes, null where unknown; undefined for unknown rank. */
export type TfShape = readonly (number | null)[] | undefined;

/** A constant: little-endian elements, or texts for DT_STRING. */
export interface TfTensor {
  readonly dtype: number;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
  readonly texts?: readonly string[];
}

export interface TfAttr {
  readonly s?: string;
  readonly i?: number;
  readonly f?: number;
  readonly b?: boolean;
  readonly type?: number;
  readonly shape?: TfShape;
  readonly tensor?: TfTensor;
  readonly func?: string;
  readonly list?: TfAttrList;
}

interface TfAttrList {
  readonly s: readonly string[];
  readonly i: readonly number[];
  readonly type: readonly number[];
  readonly shape: readonly TfShape[];
}

export interface TfNode {
  readonly name: string;
  readonly op: string;
  /** `node`, `node:1`, `node:output:1` inside functions, `^node` for order only. */
  readonly inputs: readonly string[];
  readonly attrs: ReadonlyMap<string, TfAttr>;
}

export interface TfFunction {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly TfNode[];
  /** Which value each output takes. */
  readonly returns: ReadonlyMap<string, string>;
}

export interface TfGraph {
  readonly nodes: readonly TfNode[];
  readonly functions: ReadonlyMap<string, TfFunction>;
}

/** A tensor of the graph under the name the outside uses. */
export interface TfPort {
  readonly key: string;
  /** Reference such as `dense/BiasAdd:0`. */
  readonly tensor: string;
  readonly dtype: number;
  readonly shape: TfShape;
}

export interface TfSignature {
  readonly inputs: readonly TfPort[];
  readonly outputs: readonly TfPort[];
}

/** Elements a constant may declare beyond what it stores: TensorFlow writes one value for a whole tensor of equals. */
const maxSplatElements = 1 << 24;

/** @throws OnnxError `source_malformed`, `too_large` for a shape that cannot be real */
export function elementTotal(dims: readonly number[], where: string): number {
  let total = 1;
  for (const dim of dims) {
    if (!Number.isSafeInteger(dim) || dim < 0)
      throw new OnnxError('source_malformed', `The tensor "${where}" has the impossible shape [${dims.join(', ')}].`, {
        node: where,
      });
    total *= dim;
  }
  if (!(total <= 2 ** 33))
    throw new OnnxError('too_large', `The tensor "${where}" declares ${total} elements; the size cannot be real.`, {
      node: where,
    });
  return total;
}

/** Fills a tensor from the values given, repeating the last one as TensorFlow does. */
export function splat(bytes: Uint8Array, size: number, total: number, where: string): Uint8Array {
  const wanted = total * size;
  if (bytes.length === wanted) return bytes;
  if (bytes.length > wanted || bytes.length % size !== 0)
    throw new OnnxError('source_malformed', `The constant "${where}" holds ${bytes.length} bytes for ${wanted}.`, {
      node: where,
    });
  if (total > maxSplatElements)
    throw new OnnxError('too_large', `The constant "${where}" repeats one value ${total} times.`, { node: where });
  const out = new Uint8Array(wanted);
  out.set(bytes);
  const last = bytes.subarray(bytes.length - size);
  if (last.some(byte => byte !== 0)) for (let at = bytes.length; at < wanted; at += size) out.set(last, at);
  return out;
}
