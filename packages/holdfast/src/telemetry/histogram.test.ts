import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Histogram } from './histogram.ts';

test('every value lies below the upper bound of its bucket and not below the one before', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e11, noNaN: true }), value => {
      const bucket = Histogram.bucketOf(value);
      expect(value).toBeLessThan(Histogram.upperBound(bucket));
      if (bucket > 0) expect(value).toBeGreaterThanOrEqual(Histogram.upperBound(bucket - 1));
    }),
  );
});

test('a quantile is within 6.25 % of the exact one', () => {
  const histogram = new Histogram();
  for (let i = 1; i <= 10_000; i++) histogram.record(i);
  for (const q of [0.01, 0.5, 0.9, 0.99, 1]) {
    expect(Math.abs((histogram.quantile(q) ?? 0) / (q * 10_000) - 1)).toBeLessThan(0.0625);
  }
});

test('merging equals recording everything in one', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1e6)), fc.array(fc.nat(1e6)), (left, right) => {
      const [a, b, both] = [new Histogram(), new Histogram(), new Histogram()];
      for (const value of left) a.record(value);
      for (const value of right) b.record(value);
      for (const value of [...left, ...right]) both.record(value);
      a.merge(b);
      expect(a.counts).toEqual(both.counts);
      expect(a.sum).toBe(both.sum);
    }),
  );
});

test('the sparse form keeps counts and sum', () => {
  const histogram = new Histogram();
  for (const value of [0, 3, 17, 900, 123_456]) histogram.record(value);
  const copy = Histogram.fromSparse(histogram.toSparse(), histogram.sum);
  expect(copy.counts).toEqual(histogram.counts);
  expect(copy.count).toBe(5);
});

test('an empty histogram has no quantile', () => {
  expect(new Histogram().quantile(0.5)).toBeUndefined();
});
