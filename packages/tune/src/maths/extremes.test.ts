import { expect, test } from 'vitest';
import { greatest, least } from './extremes.ts';

test.each([
  [[3, -1, 2], -1, 3],
  [[], Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  [[1, Number.NaN], Number.NaN, Number.NaN],
])('least and greatest of %j are those of Math.min and Math.max', (values, low, high) => {
  expect(least(values)).toBe(low);
  expect(greatest(values)).toBe(high);
});

test('a million values are no more than the stack can hold', () => {
  const values = Float64Array.from({ length: 1_000_000 }, (_, i) => i);
  expect([least(values), greatest(values)]).toEqual([0, 999_999]);
});
