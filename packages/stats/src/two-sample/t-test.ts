import { type Moments, momentsOf, sampleVariance } from '../moments.ts';
import type { Numbers } from '../sorting.ts';
import { studentTSf } from '../special.ts';
import type { TestResultWithDegrees } from './test-result.ts';

/** Welch's t-test: means of two samples whose variances may differ. NaN is left out. */
export function welchT(a: Numbers, b: Numbers): TestResultWithDegrees {
  return welchTFromMoments(momentsOf(a), momentsOf(b));
}

/** Welch's t-test from moments; fewer than two rows on a side or no variance at all gives p-value 1 (or 0 for different constants). */
export function welchTFromMoments(a: Moments, b: Moments): TestResultWithDegrees {
  if (a.count < 2 || b.count < 2) return { statistic: 0, pValue: 1, degreesOfFreedom: 0 };
  const errorA = sampleVariance(a) / a.count;
  const errorB = sampleVariance(b) / b.count;
  const error = errorA + errorB;
  const degrees = (error * error) / ((errorA * errorA) / (a.count - 1) + (errorB * errorB) / (b.count - 1));
  return tResult(a.mean - b.mean, error, degrees);
}

/** Student's t-test: means of two samples of equal variance. NaN is left out. */
export function studentT(a: Numbers, b: Numbers): TestResultWithDegrees {
  const left = momentsOf(a);
  const right = momentsOf(b);
  const degrees = left.count + right.count - 2;
  if (left.count < 1 || right.count < 1 || degrees < 1) return { statistic: 0, pValue: 1, degreesOfFreedom: 0 };
  const pooled = (left.m2 + right.m2) / degrees;
  return tResult(left.mean - right.mean, pooled * (1 / left.count + 1 / right.count), degrees);
}

function tResult(difference: number, squaredError: number, degreesOfFreedom: number): TestResultWithDegrees {
  if (!(squaredError > 0)) {
    const same = difference === 0;
    const statistic = same ? 0 : difference > 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
    return { statistic, pValue: same ? 1 : 0, degreesOfFreedom: 0 };
  }
  const statistic = difference / Math.sqrt(squaredError);
  return { statistic, pValue: Math.min(1, 2 * studentTSf(Math.abs(statistic), degreesOfFreedom)), degreesOfFreedom };
}
