import type { Tensor } from '@holdfast/api';
import { expect, test } from 'vitest';
import { ResponseCache } from './response-cache.ts';

function column(values: readonly number[], name = 'x'): Tensor {
  return { name, datatype: 'FP32', shape: [values.length, 1], data: Float32Array.from(values) };
}

function setUp(options: { bytes: number; maximumAgeMs: number }) {
  const clock = { nowMs: 0, monotonicMs: (): number => clock.nowMs };
  const cache = new ResponseCache(options, clock);
  return { cache, clock };
}

test('inputs have one key exactly when they are equal in name, dtype, shape and bits', () => {
  const texts = (data: readonly string[]): Tensor => ({ name: 'x', datatype: 'BYTES', shape: [data.length], data });
  const different = [
    [column([1, 2])],
    [column([1, 3])],
    [column([1, 2], 'z')],
    [{ ...column([1, 2]), shape: [1, 2] }],
    [column([0])],
    [column([-0])],
    [column([1]), column([2])],
    [texts(['ab', 'c'])],
    [texts(['a', 'bc'])],
  ];
  expect(new Set(different.map(inputs => ResponseCache.keyOf(inputs))).size).toBe(different.length);
  expect(ResponseCache.keyOf([column([1, 2])])).toBe(ResponseCache.keyOf([column([1, 2])]));
});

test('the answer that was not asked for longest makes room, and the bytes stay within the bound', () => {
  const { cache } = setUp({ bytes: 2 * (512 + 4), maximumAgeMs: 1e9 });
  cache.set('a', [column([1])]);
  cache.set('b', [column([2])]);
  cache.get('a');
  cache.set('c', [column([3])]);
  expect(['a', 'b', 'c'].map(key => cache.get(key)?.[0]?.data[0])).toEqual([1, undefined, 3]);
  expect(cache.bytes).toBe(2 * (512 + 4));
  cache.set('a', [column([4])]);
  expect([cache.get('a')?.[0]?.data[0], cache.bytes]).toEqual([4, 2 * (512 + 4)]);
  cache.set('huge', [column(Array.from({ length: 1000 }, () => 0))]);
  expect(cache.get('huge')).toBeUndefined();
});

test('an answer is forgotten when it is too old', () => {
  const { cache, clock } = setUp({ bytes: 10_000, maximumAgeMs: 100 });
  cache.set('a', [column([1])]);
  clock.nowMs = 100;
  expect(cache.get('a')).toBeDefined();
  clock.nowMs = 101;
  expect(cache.get('a')).toBeUndefined();
  expect(cache.bytes).toBe(0);
});

test('what is kept is a copy, so that the memory of the batch it came in is free', () => {
  const { cache } = setUp({ bytes: 10_000, maximumAgeMs: 100 });
  const batch = new Float32Array(1000);
  cache.set('a', [{ ...column([0]), data: batch.subarray(0, 1) }]);
  batch[0] = 9;
  const kept = cache.get('a')![0]!.data;
  expect([kept[0], ArrayBuffer.isView(kept) && kept.buffer.byteLength]).toEqual([0, 4]);
});
