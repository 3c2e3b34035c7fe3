import type { BuildType } from '../../model/build.ts';
import { OnnxError } from '../../onnx-error.ts';
import type { GraphBuilder } from '../graph-builder.ts';
import type { LayerSpec } from './architecture.ts';
import type { Config, Json } from './config.ts';
import type { LayerWeights } from './weights.ts';

/** Sizes of a tensor with the batch first; null where only the run knows. */
export type Shape = readonly (number | null)[];

/** A value of the graph being written. */
export interface Tensor {
  readonly value: string;
  readonly shape: Shape;
  readonly type: BuildType;
  /** Which steps count, as bool [batch, steps]; undefined when all do. */
  readonly mask?: string | undefined;
}

/** A call's argument with its tensors in place. */
export type CallValue = { readonly kind: 'tensor'; readonly tensor: Tensor } | ListValue | PlainValue;
export interface ListValue {
  readonly kind: 'list';
  readonly items: readonly CallValue[];
}
export interface PlainValue {
  readonly kind: 'value';
  readonly value: Json;
}

/** Whose rules apply where versions differ; TF.js computes as its own runtime does. */
export type Flavour = 'keras2' | 'keras3' | 'tfjs';

/** What is shared by all layers of one conversion. */
export interface Lowering {
  readonly graph: GraphBuilder;
  readonly flavour: Flavour;
  readonly notes: Set<string>;
  /** The number of rows as a vector of one, the same for all tensors; undefined inside a wrapper that makes rows of steps. */
  readonly rows: (() => string) | undefined;
  /** Constants by what they hold, so that a layer called twice stores its weights once. */
  readonly constants: Map<string, string>;
  /** Writes a layer that another one holds. */
  inner(
    to: Lowering,
    spec: LayerSpec,
    path: string,
    weights: LayerWeights,
    args: readonly CallValue[],
    kwargs?: ReadonlyMap<string, CallValue>,
  ): Tensor[];
}

/** One call of one layer. */
export interface LayerCall {
  readonly spec: LayerSpec;
  /** Names of the models around the layer and its own, joined by slashes. */
  readonly path: string;
  readonly config: Config;
  readonly weights: LayerWeights;
  readonly args: readonly CallValue[];
  readonly kwargs: ReadonlyMap<string, CallValue>;
  readonly to: Lowering;
  readonly graph: GraphBuilder;
  /** The first input; most layers have just this one. */
  readonly x: Tensor;
  /** All tensors of the positional arguments. */
  readonly inputs: readonly Tensor[];
}

/** A row of the layer table. */
export interface LayerType {
  /** Group in the documentation. */
  readonly family: string;
  /** What becomes of a mask: it goes on, it ends here, or the layer itself uses it and says what comes out. */
  readonly mask?: 'pass' | 'drop' | 'use';
  /** Whether calls may have arguments besides the input. */
  readonly kwargs?: readonly string[];
  /** Names of the arguments behind the input, in the order in which a call may give them without a name. */
  readonly positional?: readonly string[];
  readonly emit: (call: LayerCall) => Tensor | readonly Tensor[];
}

export type LayerTypes = Readonly<Record<string, LayerType>>;

/** How messages call a layer. */
export function layerTitle(spec: { readonly name: string; readonly className: string }): string {
  return `Layer "${spec.name}" (${spec.className})`;
}

export function refuse(call: LayerCall, why: string): never {
  const title = layerTitle(call.spec);
  throw new OnnxError('unsupported_source', `${title} ${why}.`, {
    node: call.path,
    op: call.spec.className,
    unsupported: [`${title}: ${why}`],
  });
}

export function rankOf(tensor: Tensor): number {
  return tensor.shape.length;
}

/** The size of an axis that the layer must know to be written. */
export function knownSize(call: LayerCall, tensor: Tensor, axis: number): number {
  const size = tensor.shape.at(axis);
  return typeof size === 'number' ? size : refuse(call, `needs to know the size of axis ${axis} of its input`);
}

export function requireRank(call: LayerCall, tensor: Tensor, ...ranks: readonly number[]): void {
  if (!ranks.includes(rankOf(tensor)))
    refuse(call, `has an input of shape [${showShape(tensor.shape)}], which needs ${ranks.join(' or ')} dimensions`);
}

export function showShape(shape: Shape): string {
  return shape.map(size => size ?? 'any').join(', ');
}

/** An axis counted from the front. */
export function normalAxis(call: LayerCall, axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  return Number.isInteger(normal) && normal >= 0 && normal < rank
    ? normal
    : refuse(call, `names the axis ${axis} of an input with ${rank} dimensions`);
}

/** A tensor like another with other properties. */
export function like(tensor: Tensor, change: Partial<Tensor>): Tensor {
  return { ...tensor, ...change };
}

/** Applies an operator that keeps shape and type. */
export function same(call: LayerCall, tensor: Tensor, opType: string, ...others: readonly string[]): Tensor {
  return like(tensor, { value: call.graph.op(opType, [tensor.value, ...others]) });
}

export function asFloat(graph: GraphBuilder, tensor: Tensor): Tensor {
  return tensor.type === 'float' ? tensor : { ...tensor, value: graph.cast(tensor.value, 'float'), type: 'float' };
}

/** Integer types from narrow to wide. */
const integerTypes: readonly BuildType[] = ['bool', 'uint8', 'int8', 'int32', 'int64'];

/** Tensors in one type: whole numbers stay whole in the widest of theirs, and join floats as floats. */
export function ofOneType(graph: GraphBuilder, tensors: readonly Tensor[]): readonly Tensor[] {
  const types = new Set(tensors.map(tensor => tensor.type));
  if (types.size < 2) return tensors;
  const widths = [...types].map(type => integerTypes.indexOf(type));
  if (widths.includes(-1)) return tensors.map(tensor => asFloat(graph, tensor));
  const isBytes = types.has('uint8') && types.has('int8');
  const widest = integerTypes[Math.max(...widths, isBytes ? integerTypes.indexOf('int32') : 0)] ?? 'int64';
  return tensors.map(tensor => castTo(graph, tensor, widest));
}

export function castTo(graph: GraphBuilder, tensor: Tensor, type: BuildType): Tensor {
  return tensor.type === type ? tensor : { ...tensor, value: graph.cast(tensor.value, type), type };
}

export function scalar(graph: GraphBuilder, value: number): string {
  return graph.constant('float', [], [value]);
}

export function floats(
  graph: GraphBuilder,
  values: readonly number[] | Float32Array | Float64Array,
  dims?: readonly number[],
): string {
  return graph.constant('float', dims ?? [values.length], values);
}

export function transpose(graph: GraphBuilder, value: string, perm: readonly number[]): string {
  return perm.every((axis, i) => axis === i)
    ? value
    : graph.op('Transpose', [value], { perm: BigInt64Array.from(perm, BigInt) });
}

/** The shape of a value with some sizes known and others taken from the run, as an int64 vector. */
export function shapeVector(
  graph: GraphBuilder,
  sizes: readonly (number | { readonly of: string; readonly axis: number })[],
): string {
  if (sizes.every(size => typeof size === 'number')) return graph.ints(...sizes);
  const parts = sizes.map(size => (typeof size === 'number' ? graph.ints(size) : sizeOf(graph, size.of, size.axis)));
  return graph.op('Concat', parts, { axis: 0n });
}

/** Reshapes so that unknown sizes beyond one are read from `from`, axis by axis. */
export function reshapeTo(
  graph: GraphBuilder,
  value: string,
  sizes: readonly (number | { readonly of: string; readonly axis: number })[],
): string {
  return graph.op('Reshape', [value, shapeVector(graph, sizes)]);
}

/** Size `axis` of a tensor: the number itself, or where the run finds it. */
export function sizeAt(tensor: Tensor, axis: number): number | { readonly of: string; readonly axis: number } {
  return tensor.shape[axis] ?? { of: tensor.value, axis };
}

/** A weight of the layer, checked against what its options say. */
export interface TakenWeight {
  readonly dims: readonly number[];
  readonly values: () => Float32Array;
  readonly raw: () => Uint8Array;
}

/**
 * The next weight of a layer.
 * @param dims expected sizes; null where any size will do
 * @throws OnnxError `source_malformed` naming the layer and both shapes
 */
export function takeWeight(
  call: LayerCall,
  name: string,
  dims: Shape,
  weights: LayerWeights = call.weights,
): TakenWeight {
  const weight = weights.next();
  const title = layerTitle(call.spec);
  if (weight === undefined)
    throw new OnnxError(
      'source_malformed',
      `${title} has no weight "${name}" in the file; its options call for one of shape [${showShape(dims)}].`,
      { node: call.path, op: call.spec.className },
    );
  const fits = weight.dims.length === dims.length && dims.every((size, i) => size === null || size === weight.dims[i]);
  if (!fits)
    throw new OnnxError(
      'source_malformed',
      `${title}: its options call for a weight "${name}" of shape [${showShape(dims)}], but the file holds "${weight.name}" of shape [${weight.dims.join(', ')}].`,
      { node: call.path, op: call.spec.className },
    );
  const raw = (): Uint8Array => {
    const bytes = weight.raw();
    const count = weight.dims.reduce((product, size) => product * size, 1);
    if (bytes.length !== count * 4)
      throw new OnnxError('source_malformed', `${title}: the weight "${weight.name}" is cut; save the model again.`);
    return bytes;
  };
  return { dims: weight.dims, raw, values: () => floatView(raw()) };
}

/** The elements of float32 bytes, without a copy where their place allows it. */
function floatView(bytes: Uint8Array): Float32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
}

/** Writes a constant once for all calls of the layer. */
export function constantOf(call: LayerCall, key: string, write: () => string): string {
  const full = `${call.path}\u0000${key}`;
  const known = call.to.constants.get(full);
  if (known !== undefined) return known;
  const value = write();
  call.to.constants.set(full, value);
  return value;
}

/** A weight as the file holds it, in another shape if asked. */
export function weightConstant(
  call: LayerCall,
  key: string,
  weight: TakenWeight,
  dims: readonly number[] = weight.dims,
): string {
  return constantOf(call, `${key}|${dims.join()}`, () => call.graph.rawConstant('float', dims, weight.raw()));
}

/** Elements computed from weights. */
export function computedConstant(
  call: LayerCall,
  key: string,
  dims: readonly number[],
  values: () => Float32Array,
): string {
  return constantOf(call, `${key}|${dims.join()}`, () => {
    const list = values();
    return call.graph.rawConstant('float', dims, new Uint8Array(list.buffer, list.byteOffset, list.byteLength));
  });
}

/** Puts the axes of an array in another order: axis `i` of the result is axis `perm[i]` of the source. */
export function permuted(values: Float32Array, dims: readonly number[], perm: readonly number[]): Float32Array {
  const rank = dims.length;
  const strides = new Array<number>(rank).fill(1);
  for (let d = rank - 2; d >= 0; d--) strides[d] = strides[d + 1]! * dims[d + 1]!;
  const sizes = perm.map(axis => dims[axis]!);
  const steps = perm.map(axis => strides[axis]!);
  const out = new Float32Array(values.length);
  const last = rank - 1;
  const index = new Array<number>(rank).fill(0);
  let from = 0;
  for (let at = 0; at < out.length; ) {
    for (let i = 0; i < sizes[last]!; i++) out[at++] = values[from + i * steps[last]!]!;
    let d = last - 1;
    for (; d >= 0; d--) {
      from += steps[d]!;
      if (++index[d]! < sizes[d]!) break;
      from -= steps[d]! * sizes[d]!;
      index[d] = 0;
    }
    if (d < 0) break;
  }
  return out;
}

/** An argument by position or name, when it is a tensor. */
export function tensorArgument(call: LayerCall, position: number, name: string): Tensor | undefined {
  const value = call.kwargs.get(name) ?? call.args[position];
  return value?.kind === 'tensor' ? value.tensor : undefined;
}

/** A plain argument by position or name. */
export function plainArgument(call: LayerCall, position: number, name: string): Json | undefined {
  const value = call.kwargs.get(name) ?? call.args[position];
  return value?.kind === 'value' ? value.value : undefined;
}

/** All tensors inside arguments, in order. */
export function tensorsIn(values: Iterable<CallValue>): Tensor[] {
  return [...values].flatMap(value =>
    value.kind === 'tensor' ? [value.tensor] : value.kind === 'list' ? tensorsIn(value.items) : [],
  );
}

/**
 * The size of an axis as a vector of one. Cut out of the whole shape, since the simplifier moves transposes
 * only over a Shape without options.
 */
export function sizeOf(graph: GraphBuilder, value: string, axis: number): string {
  return graph.op('Slice', [graph.op('Shape', [value]), graph.ints(axis), graph.ints(axis + 1)]);
}

/** Two steps around an operator that cannot take a batch without rows. */
export interface BatchGuard {
  readonly filled: (value: string, rank: number) => string;
  readonly cut: (value: string) => string;
}

/**
 * ONNX Runtime ends the whole process when a recurrent operator, a Scan or an Einsum meets a batch without rows; such a
 * batch gets one row of zeros on the way in, which is cut off again.
 */
export function batchGuard(call: LayerCall, x: Tensor): BatchGuard {
  const { graph } = call;
  const batch = call.to.rows?.() ?? sizeOf(graph, x.value, 0);
  const missing = graph.cast(graph.op('Equal', [batch, graph.ints(0)]), 'int64');
  return {
    // Pads for all axes: ONNX Runtime 1.30 mixes them up when it moves a transpose over a Pad that names its axes.
    filled: (value, rank) => {
      const zeros = (count: number): string[] => (count === 0 ? [] : [graph.ints(...new Array<number>(count).fill(0))]);
      return graph.op('Pad', [value, graph.op('Concat', [...zeros(rank), missing, ...zeros(rank - 1)], { axis: 0n })]);
    },
    cut: value => graph.op('Slice', [value, graph.ints(0), batch, graph.ints(0)]),
  };
}
