import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRng } from '../rng.ts';
import { ksTwoSample } from '../two-sample/kolmogorov-smirnov.ts';
import { KllSketch, ksOfSketches } from './kll-sketch.ts';

function worstRankError(sketch: KllSketch, values: Float64Array): number {
  const sorted = values.slice().sort();
  let worst = 0;
  for (let i = 0; i < sorted.length; i += 97) {
    worst = Math.max(worst, Math.abs(sketch.rank(sorted[i]!) - (i + 1) / sorted.length));
  }
  return worst;
}

test('ranks are within the stated error on a long stream, in a few thousand numbers', () => {
  const rng = createRng(1);
  const values = Float64Array.from({ length: 100_000 }, () => rng.normal());
  const sketch = new KllSketch({ rng });
  for (const value of values) sketch.update(value);
  expect(sketch.count).toBe(100_000);
  expect(sketch.size).toBeLessThan(3200);
  expect(sketch.rankError).toBeLessThan(0.005);
  expect(worstRankError(sketch, values)).toBeLessThan(sketch.rankError);
  expect(Math.abs(sketch.quantile(0.5))).toBeLessThan(0.02);
});

test('merging keeps the error, in whatever order the parts come', () => {
  const rng = createRng(2);
  const values = Float64Array.from({ length: 60_000 }, () => rng.exponential());
  const parts = Array.from({ length: 12 }, (_, part) => {
    const sketch = new KllSketch({ rng });
    for (let i = part; i < values.length; i += 12) sketch.update(values[i]!);
    return sketch;
  });
  const forward = new KllSketch({ rng });
  for (const part of parts) forward.merge(part);
  const backward = new KllSketch({ rng });
  for (const part of parts.toReversed()) backward.merge(part);
  for (const merged of [forward, backward]) {
    expect(merged.count).toBe(60_000);
    expect(merged.size).toBeLessThan(3200);
    expect(worstRankError(merged, values)).toBeLessThan(merged.rankError);
  }
});

test('few rows are kept exactly, and the weights always add up to the rows', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 300 }), values => {
      const rng = createRng(values.length);
      const exact = new KllSketch({ rng });
      const small = new KllSketch({ rng, k: 8 });
      for (const value of values) {
        exact.update(value);
        small.update(value);
      }
      const sorted = Float64Array.from(values).sort();
      expect(exact.quantile(0)).toBe(sorted[0]);
      expect(exact.quantile(1)).toBe(sorted.at(-1));
      expect(exact.rank(sorted[0]!)).toBeGreaterThan(0);
      expect(small.weighted().weights.reduce((sum, weight) => sum + weight, 0)).toBe(values.length);
      expect(KllSketch.from(small.snapshot(), rng).snapshot()).toEqual(small.snapshot());
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('KS of two sketches is near KS of the rows', () => {
  const rng = createRng(3);
  const a = Float64Array.from({ length: 20_000 }, () => rng.normal());
  const b = Float64Array.from({ length: 20_000 }, () => rng.normal() + 0.3);
  const [x, y] = [a, b].map(values => {
    const sketch = new KllSketch({ rng });
    for (const value of values) sketch.update(value);
    return sketch;
  });
  expect(Math.abs(ksOfSketches(x!, y!) - ksTwoSample(a, b).statistic)).toBeLessThan(2 * x!.rankError);
});

test('an empty sketch answers without inventing, NaN is ignored, bad input is refused', () => {
  const rng = createRng(4);
  const sketch = new KllSketch({ rng });
  expect(sketch.update(Number.NaN).count).toBe(0);
  expect(sketch.rank(1)).toBe(0);
  expect(sketch.quantile(0.5)).toBeNaN();
  expect(ksOfSketches(sketch, sketch)).toBe(0);
  expect(() => new KllSketch({ rng, k: 4 })).toThrow(RangeError);
  expect(() => sketch.merge(new KllSketch({ rng, k: 64 }))).toThrow(RangeError);
  expect(() => KllSketch.from({ k: 64, count: 3, min: 0, max: 1, levels: [[1]] }, rng)).toThrow(RangeError);
});
