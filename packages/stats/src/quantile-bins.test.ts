import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  assignBin,
  countIntoBins,
  countSortedIntoBins,
  nextDown,
  quantileBinEdges,
  quantileSorted,
} from './quantile-bins.ts';
import { sortValues } from './sorting.ts';

test('deciles of 1..100 are cut at 10, 20, .. 90 and hold ten rows each', () => {
  const values = Float64Array.from({ length: 100 }, (_, i) => 100 - i);
  const edges = quantileBinEdges(values, 10);
  expect([...edges]).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90]);
  expect([...countSortedIntoBins(values.sort(), edges)]).toEqual(new Array(10).fill(10));
});

test('a constant column has a bin below, exactly at, and above its value', () => {
  const edges = quantileBinEdges([5, 5, 5, 5], 10);
  expect(edges.length).toBe(2);
  expect([4.999, 5, 5.001].map(x => assignBin(edges, x))).toEqual([0, 1, 2]);
});

test('a value that fills a quantile step gets a bin of its own', () => {
  const values = [...new Array(60).fill(0), ...Array.from({ length: 40 }, (_, i) => i + 1)];
  const edges = quantileBinEdges(values, 10);
  const zero = assignBin(edges, 0);
  expect(assignBin(edges, -1e-9)).toBe(zero - 1);
  expect(assignBin(edges, 1e-9)).toBe(zero + 1);
});

test('infinities fall in the outer bins, NaN in none, no values give one bin', () => {
  const edges = quantileBinEdges([1, 2, 3, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], 4);
  const counts = new Float64Array(edges.length + 1);
  expect(countIntoBins([Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY], edges, counts)).toBe(1);
  expect(counts[0]).toBe(1);
  expect(counts.at(-1)).toBe(1);
  expect(quantileBinEdges([Number.NaN], 10).length).toBe(0);
  expect(() => quantileBinEdges([1], 1)).toThrow(RangeError);
});

test('edges ascend strictly and both ways of counting agree for any sample', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.double(), fc.integer({ min: 0, max: 3 })), { maxLength: 60 }), values => {
      const edges = quantileBinEdges(values, 8);
      for (let i = 1; i < edges.length; i++) expect(edges[i]!).toBeGreaterThan(edges[i - 1]!);
      const counts = new Float64Array(edges.length + 1);
      const missing = countIntoBins(values, edges, counts);
      const { sorted, missing: nan } = sortValues(values);
      expect(missing).toBe(nan);
      expect(counts).toEqual(countSortedIntoBins(sorted, edges));
    }),
    { numRuns: 150, seed: 1 },
  );
});

test('quantiles interpolate like numpy, also between infinities', () => {
  expect(quantileSorted([1, 2, 4], 0.5)).toBe(2);
  expect(quantileSorted([1, 2, 4], 0.75)).toBe(3);
  expect(quantileSorted([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY], 0.3)).toBe(Number.POSITIVE_INFINITY);
  expect(quantileSorted([], 0.5)).toBeNaN();
});

test('the next double below is the nearest smaller one', () => {
  expect(nextDown(1)).toBe(1 - 2 ** -53);
  expect(nextDown(-1)).toBe(-1 - 2 ** -52);
  expect(nextDown(0)).toBe(-Number.MIN_VALUE);
  expect(nextDown(Number.POSITIVE_INFINITY)).toBe(Number.MAX_VALUE);
});
