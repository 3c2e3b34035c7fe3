import type { OpCall, OpRule } from '../op-call.ts';
import { dt, type TfShape } from '../tf-graph.ts';

/** Shape after reduction over constant axes. */
function reducedShape(call: OpCall, axes: readonly number[], keeps: boolean): TfShape {
  const { shape } = call.tensor(0);
  if (shape === undefined) return undefined;
  const gone = new Set(axes.map(axis => call.axis(axis, shape.length)));
  return keeps ? shape.map((dim, i) => (gone.has(i) ? 1 : dim)) : shape.filter((_, i) => !gone.has(i));
}

const reduce =
  (type: string): OpRule =>
  call => {
    const { dtype, name } = call.tensor(0);
    const keeps = call.flag('keep_dims', call.flag('keepdims'));
    const axes = call.constantInts(1);
    const attributes = { keepdims: keeps ? 1n : 0n };
    // No axes at all means no reduction in TensorFlow, but all axes in ONNX.
    if (axes?.length === 0) return call.tensor(0);
    const axesName = axes === undefined ? call.op('Reshape', [call.int64(1), call.w.ints([-1])]) : call.w.ints(axes);
    const shape = axes === undefined ? undefined : reducedShape(call, axes, keeps);
    return call.like(
      call.widened([name], dtype, ([x = '']) => call.op(type, [x, axesName], attributes)),
      shape,
    );
  };

/** All and Any count in int32, which has the kernels. */
const reduceTruth =
  (type: string): OpRule =>
  call => {
    const axes = call.requireInts(1, 'the axis');
    const keeps = call.flag('keep_dims');
    if (axes.length === 0) return call.tensor(0);
    const numbers = call.cast(call.in(0), dt.int32);
    const name = call.op(type, [numbers, call.w.ints(axes)], { keepdims: keeps ? 1n : 0n });
    return call.value(call.cast(name, dt.bool), dt.bool, reducedShape(call, axes, keeps));
  };

const argument =
  (type: string): OpRule =>
  call => {
    const { dtype, name } = call.tensor(0);
    const axis = call.inputs.length > 1 ? call.requireInt(1, 'the axis') : 0;
    const wide = dtype === dt.half || dtype === dt.int64 ? (dtype === dt.half ? dt.float : dt.double) : dtype;
    const x = wide === dtype ? name : call.cast(name, wide);
    const index = call.op(type, [x], { axis: BigInt(axis), keepdims: 0n });
    const to = call.type('output_type', dt.int64);
    return call.value(to === dt.int64 ? index : call.cast(index, to), to, reducedShape(call, [axis], false));
  };

const cumulative: OpRule = call => {
  const { name, shape, dtype } = call.tensor(0);
  const attributes = { exclusive: call.flag('exclusive') ? 1n : 0n, reverse: call.flag('reverse') ? 1n : 0n };
  const axis = call.op('Reshape', [call.int64(1), call.w.ints([])]);
  return call.like(
    call.widened([name], dtype, ([x = '']) => call.op('CumSum', [x, axis], attributes)),
    shape,
  );
};

const topK: OpRule = call => {
  const { dtype, shape } = call.tensor(0);
  const k = call.constantInts(1)?.[0];
  const [values = '', indices = ''] = call.w.many('TopK', [call.in(0), call.vector64(1)], 2, {
    axis: -1n,
    largest: 1n,
    sorted: 1n,
  });
  const out = shape === undefined ? undefined : [...shape.slice(0, -1), k ?? null];
  return [call.value(values, dtype, out), call.value(call.cast(indices, dt.int32), dt.int32, out)];
};

/** Length of vectors along axes, as tf.norm writes it. */
const euclidean: OpRule = call => reduce('ReduceL2')(call);

export const reduceOps: readonly [string, OpRule][] = [
  ['Sum', reduce('ReduceSum')],
  ['Mean', reduce('ReduceMean')],
  ['Max', reduce('ReduceMax')],
  ['Min', reduce('ReduceMin')],
  ['Prod', reduce('ReduceProd')],
  ['EuclideanNorm', euclidean],
  ['All', reduceTruth('ReduceMin')],
  ['Any', reduceTruth('ReduceMax')],
  ['ArgMax', argument('ArgMax')],
  ['ArgMin', argument('ArgMin')],
  ['Cumsum', cumulative],
  ['TopKV2', topK],
];
