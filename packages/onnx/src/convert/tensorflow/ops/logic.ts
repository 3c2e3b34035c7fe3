import type { OpCall, OpRule } from '../op-call.ts';
import { dt, tfType } from '../tf-graph.ts';
import { broadcastShape } from './math.ts';

/** Comparisons in a type the runtime compares. */
function comparable(call: OpCall): [string, string] {
  const { dtype } = call.tensor(0);
  if (tfType(dtype).name === 'DT_UINT64') return call.refuse('it compares 64-bit numbers without a sign');
  const isLarge = tfType(dtype).name === 'DT_UINT32';
  const same = dtype === dt.float || dtype === dt.double || dtype === dt.int64;
  const small = dtype === dt.half ? dt.float : same ? dtype : isLarge ? dt.int64 : dt.int32;
  const names: [string, string] = [call.in(0), call.in(1)];
  return dtype === small || dtype === dt.bool ? names : [call.cast(names[0], small), call.cast(names[1], small)];
}

const compare =
  (type: string, isNegated = false): OpRule =>
  call => {
    const [a, b] = comparable(call);
    const name = call.op(type, [a, b]);
    const shape = broadcastShape(call.tensor(0).shape, call.tensor(1).shape);
    return call.value(isNegated ? call.op('Not', [name]) : name, dt.bool, shape);
  };

const logical =
  (type: string): OpRule =>
  call =>
    call.value(
      call.op(type, [call.in(0), call.in(1)]),
      dt.bool,
      broadcastShape(call.tensor(0).shape, call.tensor(1).shape),
    );

const test =
  (write: (call: OpCall, x: string) => string): OpRule =>
  call => {
    const { dtype, shape, name } = call.tensor(0);
    return call.value(write(call, dtype === dt.half ? call.cast(name, dt.float) : name), dt.bool, shape);
  };

/** Chooses between values of any type: the runtime's Where has kernels for some only. */
export function where(call: OpCall, condition: string, a: string, b: string, dtype: number): string {
  const known = [dt.float, dt.double, dt.int32, dt.int64, dt.uint8];
  // Whole numbers of 32 and 64 bits without a sign keep their bits in int64.
  const isLarge = /^DT_UINT(32|64)$/.test(tfType(dtype).name);
  const small = dtype === dt.half ? dt.float : isLarge ? dt.int64 : dt.int32;
  const type = known.some(number => number === dtype) ? dtype : small;
  if (type === dtype) return call.op('Where', [condition, a, b]);
  return call.cast(call.op('Where', [condition, call.cast(a, type), call.cast(b, type)]), dtype);
}

/** The old Select: a condition of rank 1 chooses whole rows. */
const select: OpRule = call => {
  const [condition, a, b] = [call.tensor(0), call.tensor(1), call.tensor(2)];
  let chosen = condition.name;
  const [rank, wanted] = [condition.shape?.length, a.shape?.length ?? b.shape?.length];
  if (rank !== 0 && rank !== wanted) {
    if (rank !== 1 || wanted === undefined)
      return call.refuse('the ranks of condition and values are not known to agree');
    chosen = call.op('Unsqueeze', [chosen, call.w.ints(Array.from({ length: wanted - 1 }, (_, i) => i + 1))]);
  }
  return call.value(where(call, chosen, a.name, b.name, a.dtype), a.dtype, a.shape ?? b.shape);
};

const selectV2: OpRule = call => {
  const [condition, a, b] = [call.tensor(0), call.tensor(1), call.tensor(2)];
  const shape = broadcastShape(condition.shape, broadcastShape(a.shape, b.shape));
  return call.value(where(call, condition.name, a.name, b.name, a.dtype), a.dtype, shape);
};

export const logicOps: readonly [string, OpRule][] = [
  ['Equal', compare('Equal')],
  ['NotEqual', compare('Equal', true)],
  ['Less', compare('Less')],
  ['LessEqual', compare('LessOrEqual')],
  ['Greater', compare('Greater')],
  ['GreaterEqual', compare('GreaterOrEqual')],
  ['LogicalAnd', logical('And')],
  ['LogicalOr', logical('Or')],
  ['LogicalXor', logical('Xor')],
  ['LogicalNot', call => call.value(call.op('Not', [call.in(0)]), dt.bool, call.tensor(0).shape)],
  ['IsNan', test((call, x) => call.op('IsNaN', [x]))],
  ['IsInf', test((call, x) => call.op('IsInf', [x]))],
  ['IsFinite', test((call, x) => call.op('Not', [call.op('Or', [call.op('IsNaN', [x]), call.op('IsInf', [x])])]))],
  ['Select', select],
  ['SelectV2', selectV2],
  [
    'Cast',
    call => {
      const from = call.tensor(0);
      const to = call.type('DstT', from.dtype);
      if (tfType(to).onnx === 0) return call.refuse(`${tfType(to).name} has no counterpart`);
      return call.value(from.dtype === to ? from.name : call.cast(from.name, to), to, from.shape);
    },
  ],
];
