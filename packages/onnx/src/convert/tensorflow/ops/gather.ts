import type { OpCall, OpRule } from '../op-call.ts';
import { dt, type TfShape } from '../tf-graph.ts';
import { where } from './logic.ts';

function gatherAxis(call: OpCall, axis: number, batch: number): ReturnType<OpRule> {
  const [x, indices] = [call.tensor(0), call.tensor(1)];
  const at = x.shape === undefined ? axis : call.axis(axis, x.shape.length);
  if (batch === 0) {
    const shape: TfShape =
      x.shape === undefined || indices.shape === undefined
        ? undefined
        : [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)];
    return call.like(call.op('Gather', [x.name, indices.name], { axis: BigInt(axis) }), shape);
  }
  if (at !== batch) return call.refuse(`batch_dims ${batch} with axis ${axis} is not supported`);
  const points = call.op('Unsqueeze', [call.int64(1), call.w.ints([-1])]);
  const shape =
    x.shape === undefined || indices.shape === undefined ? undefined : [...indices.shape, ...x.shape.slice(at + 1)];
  return call.like(call.op('GatherND', [x.name, points], { batch_dims: BigInt(batch) }), shape);
}

const gatherV2: OpRule = call => {
  const indexRank = call.rank(1) ?? 0;
  const batch = call.int('batch_dims', 0);
  return gatherAxis(call, call.requireInt(2, 'the axis'), batch < 0 ? batch + indexRank : batch);
};

const gatherNd: OpRule = call => {
  const [x, indices] = [call.tensor(0), call.tensor(1)];
  const depth = indices.shape?.at(-1);
  const shape =
    x.shape === undefined || indices.shape === undefined || typeof depth !== 'number'
      ? undefined
      : [...indices.shape.slice(0, -1), ...x.shape.slice(depth)];
  return call.like(call.op('GatherND', [x.name, call.int64(1)]), shape);
};

/** Adds up or sets elements of a zero tensor of the given shape. */
const scatterNd: OpRule = call => {
  const { dtype, name } = call.tensor(1);
  const zeros = call.op('Expand', [call.cast(call.w.scalar(1, 0), dtype), call.int64(2)]);
  const result = call.op('ScatterND', [zeros, call.int64(0), name], { reduction: 'add' });
  const count = call.tensor(2).shape?.[0];
  const shape = typeof count === 'number' && count < 64 ? new Array<null>(count).fill(null) : undefined;
  return call.value(result, dtype, call.constantInts(2) ?? shape);
};

const scatter =
  (reduction: 'add' | 'max' | 'min' | 'none'): OpRule =>
  call => {
    const { name, shape } = call.tensor(0);
    const attributes = reduction === 'none' ? {} : { reduction };
    return call.like(call.op('ScatterND', [name, call.int64(1), call.in(2)], attributes), shape);
  };

/** Rows of on_value at the index and off_value elsewhere; an index outside gives off_value only. */
const oneHot: OpRule = call => {
  const { name, shape } = call.tensor(0);
  const depth = call.op('Reshape', [call.int64(1), call.w.ints([])]);
  const axis = call.int('axis', -1);
  const { dtype } = call.tensor(2);
  const line = call.op('Range', [call.w.int(0), depth, call.w.int(1)]);
  const rank = shape?.length;
  if (axis !== -1 && rank === undefined) return call.refuse('the rank of the indices is unknown');
  const index = call.op('Unsqueeze', [
    call.tensor(0).dtype === dt.int64 ? name : call.cast(name, dt.int64),
    call.w.ints([axis]),
  ]);
  const after = axis === -1 ? 0 : (rank ?? 0) - axis;
  const depths =
    after === 0 ? line : call.op('Unsqueeze', [line, call.w.ints(Array.from({ length: after }, (_, i) => i + 1))]);
  const isHot = call.op('Equal', [index, depths]);
  const out = shape === undefined ? undefined : [...shape];
  out?.splice(axis === -1 ? out.length : axis, 0, call.constantInts(1)?.[0] ?? null);
  return call.value(where(call, isHot, call.in(2), call.in(3), dtype), dtype, out);
};

/** Where with one input lists the positions of what is not zero. */
const positions: OpRule = call => {
  const { name, dtype, shape } = call.tensor(0);
  const found = call.op('NonZero', [dtype === dt.half ? call.cast(name, dt.float) : name]);
  return call.value(call.op('Transpose', [found], { perm: [1n, 0n] }), dt.int64, [null, shape?.length ?? null]);
};

export const gatherOps: readonly [string, OpRule][] = [
  ['GatherV2', gatherV2],
  ['Gather', call => gatherAxis(call, 0, 0)],
  ['GatherNd', gatherNd],
  ['ScatterNd', scatterNd],
  ['TensorScatterUpdate', scatter('none')],
  ['TensorScatterAdd', scatter('add')],
  ['TensorScatterMax', scatter('max')],
  ['TensorScatterMin', scatter('min')],
  ['OneHot', oneHot],
  ['Where', positions],
];
