import { expect, test } from 'vitest';
import { BatchLimit } from './batch-limit.ts';

/** Full windows of 100 requests with the latency of a model whose run takes 1 ms per row. */
function learn(limit: BatchLimit, windows: number): number[] {
  return Array.from({ length: windows }, () => {
    for (let i = 0; i < 100; i++) limit.observe(limit.rows, true);
    return limit.rows;
  });
}

test('grows by one step until the 99th percentile passes the target, then backs off by a tenth and stays near', () => {
  const limit = new BatchLimit(20, 64);
  expect(limit.rows).toBe(1);
  const learned = learn(limit, 60);
  expect(learned.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, i) => i + 2));
  expect(learned[20]).toBe(18);
  expect(Math.min(...learned.slice(20))).toBeGreaterThanOrEqual(18);
  expect(Math.max(...learned)).toBe(21);
});

test('does not grow when batches have room, and never beyond the maximum', () => {
  const idle = new BatchLimit(20, 64);
  for (let i = 0; i < 1000; i++) idle.observe(1, false);
  expect(idle.rows).toBe(1);
  const small = new BatchLimit(1000, 4);
  expect(learn(small, 10).at(-1)).toBe(4);
});

test('one slow request in a hundred is within the percentile, two are not', () => {
  const limit = new BatchLimit(20, 64);
  for (let i = 0; i < 100; i++) limit.observe(i === 0 ? 500 : 1, true);
  expect(limit.rows).toBe(2);
  for (let i = 0; i < 100; i++) limit.observe(i < 2 ? 500 : 1, true);
  expect(limit.rows).toBe(1);
});
