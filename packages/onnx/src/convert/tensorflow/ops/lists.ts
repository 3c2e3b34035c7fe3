import type { OpCall, OpRule } from '../op-call.ts';
import { dt } from '../tf-graph.ts';
import type { TfValue } from '../tf-value.ts';

/** A list made of a tensor: item i is slice i. */
const fromTensor: OpRule = call => ({ kind: 'stack', tensor: call.tensor(0) });

function length64(call: OpCall, i: number): string {
  return call.op('Reshape', [call.int64(i), call.w.ints([])]);
}

/** An empty list that the loop fills from front to back. */
const reserve: OpRule = call => {
  const dtype = call.type('element_dtype', dt.float);
  return { kind: 'sequence', name: '', dtype, count: length64(call, 1) };
};

const getItem: OpRule = call => {
  const list = call.inputs[0];
  if (list?.kind !== 'stack') return call.refuse('it reads a list that a loop is filling');
  const { name, dtype, shape } = list.tensor;
  return call.value(call.op('Gather', [name, length64(call, 1)], { axis: 0n }), dtype, shape?.slice(1));
};

/** Writing is appending: the runtime refuses a position behind the end, and the count is checked when stacking. */
const setItem: OpRule = call => {
  const list = call.inputs[0];
  if (list?.kind !== 'sequence') return call.refuse('it writes into a list that is not filled from empty');
  return { ...list, name: call.op('SequenceInsert', [list.name, call.in(2), length64(call, 1)]) };
};

/** The items side by side; the reshape fails when they are not as many as were reserved. */
const stack: OpRule = call => {
  const list = call.inputs[0];
  if (list?.kind === 'stack') return list.tensor;
  if (list?.kind !== 'sequence') return call.refuse('its input is no list');
  const all = call.op('ConcatFromSequence', [list.name], { axis: 0n, new_axis: 1n });
  const rest = call.op('Slice', [call.op('Shape', [all]), call.w.ints([1]), call.w.ints([2147483647])]);
  const count = call.op('Unsqueeze', [list.count, call.w.ints([0])]);
  const name = call.op('Reshape', [all, call.op('Concat', [count, rest], { axis: 0n })], { allowzero: 1n });
  return call.value(name, list.dtype, undefined);
};

const length: OpRule = call => {
  const list: TfValue | undefined = call.inputs[0];
  if (list?.kind === 'sequence') return call.value(call.cast(list.count, dt.int32), dt.int32, []);
  if (list?.kind !== 'stack') return call.refuse('its input is no list');
  const first = call.op('Gather', [call.op('Shape', [list.tensor.name]), call.w.int(0)]);
  return call.value(call.cast(first, dt.int32), dt.int32, []);
};

export const listOps: readonly [string, OpRule][] = [
  ['TensorListFromTensor', fromTensor],
  ['TensorListReserve', reserve],
  ['TensorListGetItem', getItem],
  ['TensorListSetItem', setItem],
  ['TensorListStack', stack],
  ['TensorListLength', length],
];
