import { integersOf } from './integers.ts';
import type { OpCall } from './op-call.ts';
import { dt, type TfTensor } from './tf-graph.ts';
import type { TensorValue } from './tf-value.ts';

type Fold = (call: OpCall) => { readonly values: readonly number[]; readonly dims: readonly number[] } | undefined;

/** Numbers one folded vector may hold. */
const maxElements = 4096;

/** The elements that a shape computation gives, where everything it needs is known while converting. */
export function withConstant(call: OpCall, value: TensorValue): TensorValue {
  const fold = folds.get(call.node.op);
  if (fold === undefined || (value.dtype !== dt.int32 && value.dtype !== dt.int64)) return value;
  const folded = fold(call);
  if (folded === undefined || folded.values.length > maxElements) return value;
  if (!folded.values.every(one => Number.isInteger(one) && Math.abs(one) < 2 ** 31)) return value;
  return { ...value, shape: folded.dims, constant: integerTensor(value.dtype, folded.dims, folded.values) };
}

function integerTensor(dtype: number, dims: readonly number[], values: readonly number[]): TfTensor {
  const array = dtype === dt.int32 ? Int32Array.from(values) : BigInt64Array.from(values, BigInt);
  return { dtype, dims, bytes: new Uint8Array(array.buffer) };
}

function constant(call: OpCall, i: number): { values: readonly number[]; dims: readonly number[] } | undefined {
  const value = call.inputs[i];
  if (value?.kind !== 'tensor' || value.constant === undefined) return undefined;
  const values = integersOf(value);
  return values === undefined ? undefined : { values, dims: value.constant.dims };
}

const arithmetic =
  (compute: (a: number, b: number) => number): Fold =>
  call => {
    const [a, b] = [constant(call, 0), constant(call, 1)];
    if (a === undefined || b === undefined) return undefined;
    const longer = a.values.length >= b.values.length ? a : b;
    if (Math.min(a.dims.length, b.dims.length) !== 0 && a.dims.join() !== b.dims.join()) return undefined;
    const values = longer.values.map((_, i) => compute(at(a.values, i), at(b.values, i)));
    return { values, dims: a.dims.length >= b.dims.length ? a.dims : b.dims };
  };

function at(values: readonly number[], i: number): number {
  return values.length === 1 ? (values[0] ?? 0) : (values[i] ?? 0);
}

const staticShape = (call: OpCall): readonly number[] | undefined => {
  const value = call.inputs[0];
  const known = value?.kind === 'tensor' ? value.shape : undefined;
  const sizes = known?.filter(size => size !== null);
  return sizes?.length === known?.length ? sizes : undefined;
};

const joined =
  (inputs: (call: OpCall) => readonly number[]): Fold =>
  call => {
    const parts = inputs(call).map(i => constant(call, i));
    const known = parts.filter(part => part !== undefined);
    if (known.length !== parts.length || known.some(({ dims }) => dims.length > 1)) return undefined;
    const values = known.flatMap(part => part.values);
    return { values, dims: [values.length] };
  };

const folds: ReadonlyMap<string, Fold> = new Map<string, Fold>([
  ['Add', arithmetic((a, b) => a + b)],
  ['AddV2', arithmetic((a, b) => a + b)],
  ['Sub', arithmetic((a, b) => a - b)],
  ['Mul', arithmetic((a, b) => a * b)],
  ['FloorDiv', arithmetic((a, b) => Math.floor(a / b))],
  ['Maximum', arithmetic(Math.max)],
  ['Minimum', arithmetic(Math.min)],
  ['Cast', call => constant(call, 0)],
  [
    'Shape',
    call => {
      const sizes = staticShape(call);
      return sizes === undefined ? undefined : { values: sizes, dims: [sizes.length] };
    },
  ],
  [
    'Rank',
    call => {
      const value = call.inputs[0];
      const rank = value?.kind === 'tensor' ? value.shape?.length : undefined;
      return rank === undefined ? undefined : { values: [rank], dims: [] };
    },
  ],
  [
    'Range',
    call => {
      const [start, limit, delta] = [0, 1, 2].map(i => constant(call, i)?.values[0]);
      if (start === undefined || limit === undefined || delta === undefined || delta === 0) return undefined;
      const count = Math.max(0, Math.ceil((limit - start) / delta));
      if (count > maxElements) return undefined;
      return { values: Array.from({ length: count }, (_, i) => start + i * delta), dims: [count] };
    },
  ],
  [
    'Pack',
    call => {
      const packed = joined(({ inputs }) => inputs.map((_, i) => i))(call);
      // Vectors packed make a matrix, which is not kept here.
      return call.inputs.every((_, i) => constant(call, i)?.dims.length === 0) ? packed : undefined;
    },
  ],
  ['ConcatV2', joined(call => call.inputs.slice(0, -1).map((_, i) => i))],
  [
    'ExpandDims',
    call => {
      const x = constant(call, 0);
      return x?.dims.length === 0 ? { values: x.values, dims: [1] } : undefined;
    },
  ],
  [
    'Squeeze',
    call => {
      const x = constant(call, 0);
      return x?.values.length === 1 && x.dims.length <= 1 ? { values: x.values, dims: [] } : undefined;
    },
  ],
  [
    'Reshape',
    call => {
      const [x, dims] = [constant(call, 0), constant(call, 1)];
      const isVector = dims?.values.length === 1 && (dims.values[0] === -1 || dims.values[0] === x?.values.length);
      return x !== undefined && isVector ? { values: x.values, dims: [x.values.length] } : undefined;
    },
  ],
  [
    'Prod',
    call => {
      const x = constant(call, 0);
      if (x?.dims.length !== 1 || call.flag('keep_dims') || constant(call, 1)?.values.length !== 1) return undefined;
      return { values: [x.values.reduce((product, one) => product * one, 1)], dims: [] };
    },
  ],
  ['StridedSlice', pickVector],
  [
    'GatherV2',
    call => {
      const [x, index] = [constant(call, 0), constant(call, 1)];
      if (x?.dims.length !== 1 || index === undefined) return undefined;
      const values = index.values.map(i => x.values[i]);
      const known = values.filter(one => one !== undefined);
      return known.length === values.length ? { values: known, dims: index.dims } : undefined;
    },
  ],
]);

/** shape[i] and shape[a:b], also of a shape that is known only in part. */
function pickVector(call: OpCall): ReturnType<Fold> {
  const source = call.producer(0);
  const x: readonly (number | null)[] | undefined =
    constant(call, 0)?.values ?? (source?.node.op === 'Shape' ? shapeOfInput(source) : undefined);
  const [begin, end, step] = [1, 2, 3].map(i => constant(call, i)?.values);
  if (x === undefined || begin?.length !== 1 || end?.length !== 1 || step?.[0] !== 1) return undefined;
  const value = call.inputs[0];
  if (value?.kind !== 'tensor' || value.shape?.length !== 1 || call.int('new_axis_mask', 0) !== 0) return undefined;
  if (call.int('ellipsis_mask', 0) !== 0) return undefined;
  const from = call.int('begin_mask', 0) === 1 ? 0 : (begin[0] ?? 0);
  const start = from < 0 ? from + x.length : from;
  if (call.int('shrink_axis_mask', 0) === 1) {
    const one = x[start];
    return typeof one === 'number' ? { values: [one], dims: [] } : undefined;
  }
  const to = call.int('end_mask', 0) === 1 ? x.length : (end[0] ?? 0);
  const part = x.slice(Math.max(0, start), to < 0 ? to + x.length : to);
  const known = part.filter(one => one !== null);
  return known.length === part.length ? { values: known, dims: [known.length] } : undefined;
}

function shapeOfInput(call: OpCall): readonly (number | null)[] | undefined {
  const value = call.inputs[0];
  return value?.kind === 'tensor' ? value.shape : undefined;
}
