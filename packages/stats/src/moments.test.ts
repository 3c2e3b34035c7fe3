import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  emptyMoments,
  excessKurtosis,
  mergeMoments,
  momentsOf,
  sampleVariance,
  skewness,
  standardDeviation,
} from './moments.ts';

test('moments of a small sample agree with SciPy', () => {
  const moments = momentsOf([1, 2, 2, 3, 9]);
  expect(moments.mean).toBeCloseTo(3.4, 12);
  expect(sampleVariance(moments)).toBeCloseTo(10.3, 12);
  // scipy.stats.skew and kurtosis
  expect(skewness(moments)).toBeCloseTo(1.321086967875271, 10);
  expect(excessKurtosis(moments)).toBeCloseTo(0.017296634932605137, 10);
  expect([moments.min, moments.max, moments.count]).toEqual([1, 9, 5]);
});

test('NaN and infinities are ignored, and nothing seen gives zeros, never NaN', () => {
  expect(momentsOf([Number.NaN, 1, Number.POSITIVE_INFINITY]).count).toBe(1);
  const empty = emptyMoments();
  expect([standardDeviation(empty), skewness(empty), excessKurtosis(empty)]).toEqual([0, 0, 0]);
});

const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { maxLength: 30 });

test('merging is associative, commutative, and equals one pass over all values', () => {
  fc.assert(
    fc.property(values, values, values, (a, b, c) => {
      const [ma, mb, mc] = [momentsOf(a), momentsOf(b), momentsOf(c)];
      const whole = momentsOf([...a, ...b, ...c]);
      for (const merged of [
        mergeMoments(mergeMoments(ma, mb), mc),
        mergeMoments(ma, mergeMoments(mb, mc)),
        mergeMoments(mc, mergeMoments(mb, ma)),
      ]) {
        expect(merged.count).toBe(whole.count);
        expect(merged.mean).toBeCloseTo(whole.mean, 8);
        for (const key of ['m2', 'm3', 'm4'] as const) {
          const scale = Math.max(1, whole.count) * 2000 ** Number(key[1]);
          expect(Math.abs(merged[key] - whole[key])).toBeLessThanOrEqual(1e-11 * scale);
        }
        expect([merged.min, merged.max]).toEqual([whole.min, whole.max]);
      }
    }),
    { numRuns: 60, seed: 1 },
  );
});
