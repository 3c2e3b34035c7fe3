import type { BuildType } from '../../model/build.ts';
import { isList, isObject, type Json } from './config.ts';
import { type CallValue, type LayerCall, normalAxis, ofOneType, refuse, type Tensor } from './lowering.ts';

/** A function of TensorFlow or Keras that a model calls outside of layers. */
export interface Operation {
  /** Its parameters in order, the names that TensorFlow and Keras give them side by side. */
  readonly params: readonly (readonly string[])[];
  readonly emit: (call: LayerCall, given: Given) => Tensor;
}

/** The arguments of one call by parameter. */
export type Given = (index: number) => CallValue | undefined;

/** Keras's names of element types and what a graph computes in. */
export const dtypes: Readonly<Record<string, BuildType>> = {
  float32: 'float',
  float16: 'float',
  bfloat16: 'float',
  float64: 'float',
  int8: 'int8',
  uint8: 'uint8',
  int32: 'int32',
  int64: 'int64',
  bool: 'bool',
};

export function plain(given: Given, index: number): Json | undefined {
  const value = given(index);
  return value?.kind === 'value' ? value.value : undefined;
}

/** An argument as a tensor; numbers become constants of the given type. */
export function operand(call: LayerCall, value: CallValue | undefined, type: BuildType): Tensor {
  if (value?.kind === 'tensor') return value.tensor;
  if (value?.kind !== 'value') return refuse(call, 'combines something that is neither a tensor nor a number');
  const numbers = flat(value.value);
  if (numbers === undefined)
    return refuse(call, `combines ${JSON.stringify(value.value)?.slice(0, 60)}, which is no number`);
  const shape = shapeOf(value.value);
  const isWhole = numbers.every(Number.isInteger);
  const ownType = type !== 'float' && !isWhole ? 'float' : type;
  return { value: call.graph.constant(ownType, shape, numbers), shape, type: ownType };
}

export function flat(value: Json): number[] | undefined {
  if (typeof value === 'number') return [value];
  if (isObject(value) && isObject(value.config)) return flat(value.config.value ?? null);
  if (!isList(value)) return undefined;
  const inner = value.map(flat);
  return inner.some(item => item === undefined) ? undefined : inner.flatMap(item => item ?? []);
}

export function shapeOf(value: Json): number[] {
  if (isObject(value) && isObject(value.config)) return shapeOf(value.config.value ?? null);
  return isList(value) ? [value.length, ...(value[0] === undefined ? [] : shapeOf(value[0]))] : [];
}

/** Two operands of one type. */
export function pair(call: LayerCall, given: Given): [Tensor, Tensor] {
  const first = given(0);
  const second = given(1);
  const known = [first, second].find(value => value?.kind === 'tensor');
  const type = known?.kind === 'tensor' ? known.tensor.type : 'float';
  const a = operand(call, first, type);
  const b = operand(call, second, type);
  const [left = a, right = b] = ofOneType(call.graph, [a, b]);
  return [left, right];
}

export function axesOf(call: LayerCall, value: Json | undefined, rank: number): number[] {
  if (value === undefined || value === null) return Array.from({ length: rank }, (_, i) => i);
  const axes = flat(value) ?? refuse(call, `names the axes ${JSON.stringify(value)}`);
  return axes.map(axis => normalAxis(call, axis, rank));
}
