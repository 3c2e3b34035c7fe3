import { OnnxError } from '../../onnx-error.ts';
import { integersOf } from './integers.ts';
import type { Attributes, OnnxWriter } from './onnx-writer.ts';
import { dt, type TfNode, type TfShape, tfType } from './tf-graph.ts';
import type { TensorValue, TfValue } from './tf-value.ts';

/** Turns one node into ONNX operators and gives its outputs. */
export type OpRule = (call: OpCall) => TfValue | readonly TfValue[];

/** One node with its inputs resolved, and the ways a rule writes what the node does. */
export class OpCall {
  readonly node: TfNode;
  readonly inputs: readonly TfValue[];
  readonly w: OnnxWriter;
  /** The node that made input `i`, to recognise patterns of several nodes. */
  readonly producer: (i: number) => OpCall | undefined;

  constructor(
    node: TfNode,
    inputs: readonly TfValue[],
    w: OnnxWriter,
    producer: (i: number) => OpCall | undefined = () => undefined,
  ) {
    this.node = node;
    this.inputs = inputs;
    this.w = w;
    this.producer = producer;
  }

  /** @throws OnnxError `unsupported_op` that names op and node */
  refuse(why: string): never {
    throw new OnnxError('unsupported_op', why, { node: this.node.name, op: this.node.op });
  }

  /** Input `i` as a tensor that ONNX has an element type for. */
  tensor(i: number): TensorValue {
    const value = this.inputs[i];
    if (value === undefined) return this.refuse(`input ${i} is missing`);
    if (value.kind !== 'tensor') return this.refuse(`input ${i} is not a tensor`);
    if (tfType(value.dtype).onnx === 0)
      return this.refuse(`input ${i} is ${tfType(value.dtype).name}, which has no counterpart`);
    return value;
  }

  /** Name of input `i` in the ONNX graph. */
  in(i: number): string {
    return this.tensor(i).name;
  }

  int(name: string, otherwise: number): number {
    return this.node.attrs.get(name)?.i ?? otherwise;
  }

  float(name: string, otherwise: number): number {
    return this.node.attrs.get(name)?.f ?? otherwise;
  }

  flag(name: string, otherwise = false): boolean {
    return this.node.attrs.get(name)?.b ?? otherwise;
  }

  text(name: string, otherwise: string): string {
    const value = this.node.attrs.get(name)?.s;
    return value === undefined || value === '' ? otherwise : value;
  }

  type(name: string, otherwise: number): number {
    return this.node.attrs.get(name)?.type ?? otherwise;
  }

  ints(name: string): readonly number[] {
    return this.node.attrs.get(name)?.list?.i ?? [];
  }

  /** Whole numbers of a constant input, or undefined when it is computed. */
  constantInts(i: number): readonly number[] | undefined {
    const value = this.inputs[i];
    return value?.kind === 'tensor' ? integersOf(value) : undefined;
  }

  requireInts(i: number, what: string): readonly number[] {
    return this.constantInts(i) ?? this.refuse(`${what} is computed at run time; it must be constant`);
  }

  requireInt(i: number, what: string): number {
    return this.requireInts(i, what)[0] ?? this.refuse(`${what} is empty`);
  }

  rank(i: number): number | undefined {
    return this.tensor(i).shape?.length;
  }

  requireRank(i: number): number {
    return this.rank(i) ?? this.refuse(`the rank of input ${i} is unknown`);
  }

  /** An axis of input `i` counted from the front. */
  axis(axis: number, rank: number): number {
    const normal = axis < 0 ? axis + rank : axis;
    return normal >= 0 && normal < rank ? normal : this.refuse(`axis ${axis} is outside rank ${rank}`);
  }

  op(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.w.op(type, inputs, attributes);
  }

  value(name: string, dtype: number, shape?: TfShape): TensorValue {
    return { kind: 'tensor', name, dtype, shape };
  }

  /** A value of the type of input 0. */
  like(name: string, shape?: TfShape): TensorValue {
    return this.value(name, this.tensor(0).dtype, shape);
  }

  cast(name: string, dtype: number): string {
    const { onnx, name: text } = tfType(dtype);
    if (onnx === 0) return this.refuse(`${text} has no counterpart`);
    return this.op('Cast', [name], { to: BigInt(onnx) });
  }

  /** Input `i` as int64, the type ONNX takes for shapes and indices. */
  int64(i: number): string {
    const ints = this.constantInts(i);
    const value = this.tensor(i);
    if (ints !== undefined && value.shape?.length === 1) return this.w.ints(ints);
    return value.dtype === dt.int64 ? value.name : this.cast(value.name, dt.int64);
  }

  /** A one-element vector of a scalar input as int64. */
  vector64(i: number): string {
    return this.op('Reshape', [this.int64(i), this.w.ints([1])]);
  }

  scalar(dtype: number, value: number): string {
    return this.w.scalar(tfType(dtype).onnx, value);
  }

  transpose(name: string, perm: readonly number[]): string {
    if (perm.every((axis, i) => axis === i)) return name;
    return this.op('Transpose', [name], { perm: perm.map(BigInt) });
  }

  /**
   * Computes in a type the runtime has kernels for: small integers in int32, half precision in float, and brings the
   * result back, where it wraps and rounds as the small type does.
   */
  widened(names: readonly string[], dtype: number, compute: (wide: readonly string[], type: number) => string): string {
    const type = wideType(dtype);
    if (type === dtype) return compute(names, dtype);
    return this.cast(
      compute(
        names.map(name => this.cast(name, type)),
        type,
      ),
      dtype,
    );
  }
}

/** The type in which arithmetic on `dtype` is computed. */
function wideType(dtype: number): number {
  if (dtype === dt.half) return dt.float;
  if (dtype === dt.uint8 || dtype === dt.int8 || dtype === 5 || dtype === 17) return dt.int32;
  return dtype === 22 ? dt.int64 : dtype;
}
