import type { Signature, Tensor } from '@holdfast/api';
import { expect, test } from 'vitest';
import type { StateStep } from './runner.ts';
import { SequenceStates } from './sequence-states.ts';

const signature: Signature = {
  inputs: [
    { name: 'x', datatype: 'FP32', shape: [-1, 1], optional: false },
    { name: 'sum_in', datatype: 'FP32', shape: [-1, 1], optional: false },
  ],
  outputs: [
    { name: 'y', datatype: 'FP32', shape: [-1, 1], optional: false },
    { name: 'sum_out', datatype: 'FP32', shape: [-1, 1], optional: false },
  ],
  columns: [],
  task: { kind: 'none' },
};

function column(name: string, values: readonly number[]): Tensor {
  return { name, datatype: 'FP32', shape: [values.length, 1], data: Float32Array.from(values) };
}

/** A running sum; a NaN makes it throw. */
function setUp(states = [{ input: 'sum_in', output: 'sum_out' }]) {
  const clock = { nowMs: 0 };
  const kept = new SequenceStates({
    signature,
    sequences: { states, idleMs: 100 },
    clock: () => clock.nowMs,
    run: async inputs => {
      const named = (name: string): number[] => Array.from(inputs.find(one => one.name === name)!.data, Number);
      const sums = named('sum_in').map((sum, i) => sum + named('x')[i]!);
      if (sums.some(Number.isNaN)) throw new Error('not a number');
      return { outputs: [column('y', sums), column('sum_out', sums)], inferUs: 0 };
    },
  });
  const run = async (slot: number, values: readonly number[], flags: Partial<StateStep> = {}, connection = 1) => {
    const step = { slot, isStart: false, isEnd: false, ...flags };
    const { outputs } = await kept.run([column('x', values)], { ...step, connection });
    expect(outputs.map(({ name }) => name)).toEqual(['y']);
    return Array.from(outputs[0]!.data, Number);
  };
  return { kept, run, clock };
}

test('each sequence goes on from its own state, row by row, and starts from zero', async () => {
  const { run } = setUp();
  expect(await run(1, [1, 10], { isStart: true })).toEqual([1, 10]);
  expect(await run(2, [5], { isStart: true })).toEqual([5]);
  expect(await run(1, [2, 20])).toEqual([3, 30]);
  expect(await run(2, [5])).toEqual([10]);
  expect(await run(1, [7], { isStart: true })).toEqual([7]);
});

test('after its end, a long pause or the end of its connection the state is gone', async () => {
  const { run, kept, clock } = setUp();
  await run(1, [1], { isStart: true });
  await run(1, [1], { isEnd: true });
  await expect(run(1, [1])).rejects.toThrow('start it anew');
  await run(2, [1], { isStart: true });
  clock.nowMs = 1100;
  await expect(run(2, [1])).rejects.toThrow('start it anew');
  await run(3, [1], { isStart: true });
  await expect(run(3, [1], {}, 2)).rejects.toThrow('start it anew');
  kept.closed(1);
  await expect(run(3, [1])).rejects.toThrow('start it anew');
});

test('a failed run leaves the state as it was', async () => {
  const { run } = setUp();
  await run(1, [1], { isStart: true });
  await expect(run(1, [Number.NaN])).rejects.toThrow('not a number');
  expect(await run(1, [1])).toEqual([2]);
});

test('states that the model does not have are refused by name', () => {
  expect(() => setUp([{ input: 'sum_in', output: 'nope' }])).toThrow('no output "nope"');
  expect(() => setUp([{ input: 'nope', output: 'sum_out' }])).toThrow('no input "nope"');
});
