import type { Numbers } from './sorting.ts';

/**
 * Count, mean and central moment sums of the finite values seen, with their range. Plain data: it can be stored as JSON
 * and merged in any order. An empty one has mean 0, min Infinity and max -Infinity.
 */
export interface Moments {
  count: number;
  mean: number;
  /** Sums of (x - mean)^2, ^3 and ^4. */
  m2: number;
  m3: number;
  m4: number;
  min: number;
  max: number;
}

export function emptyMoments(): Moments {
  return { count: 0, mean: 0, m2: 0, m3: 0, m4: 0, min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };
}

/** Adds one value in place (Welford; Terriberry for the higher moments). NaN and infinities are ignored. */
export function pushMoment(moments: Moments, value: number): void {
  if (value - value !== 0) return;
  const before = moments.count;
  const n = before + 1;
  const delta = value - moments.mean;
  const step = delta / n;
  const step2 = step * step;
  const term = delta * step * before;
  moments.mean += step;
  moments.m4 += term * step2 * (n * n - 3 * n + 3) + 6 * step2 * moments.m2 - 4 * step * moments.m3;
  moments.m3 += term * step * (n - 2) - 3 * step * moments.m2;
  moments.m2 += term;
  moments.count = n;
  if (value < moments.min) moments.min = value;
  if (value > moments.max) moments.max = value;
}

/** Moments of all finite values. */
export function momentsOf(values: Numbers): Moments {
  const moments = emptyMoments();
  for (let i = 0; i < values.length; i++) pushMoment(moments, values[i]!);
  return moments;
}

/** Moments of both parts together (Chan, Golub and LeVeque 1979; Pebay 2008). Neither input changes. */
export function mergeMoments(a: Readonly<Moments>, b: Readonly<Moments>): Moments {
  if (a.count === 0) return { ...b };
  if (b.count === 0) return { ...a };
  const count = a.count + b.count;
  const delta = b.mean - a.mean;
  const product = a.count * b.count;
  const d2 = delta * delta;
  return {
    count,
    mean: a.mean + (delta * b.count) / count,
    m2: a.m2 + b.m2 + (d2 * product) / count,
    m3:
      a.m3 +
      b.m3 +
      (d2 * delta * product * (a.count - b.count)) / (count * count) +
      (3 * delta * (a.count * b.m2 - b.count * a.m2)) / count,
    m4:
      a.m4 +
      b.m4 +
      (d2 * d2 * product * (a.count * a.count - product + b.count * b.count)) / (count * count * count) +
      (6 * d2 * (a.count * a.count * b.m2 + b.count * b.count * a.m2)) / (count * count) +
      (4 * delta * (a.count * b.m3 - b.count * a.m3)) / count,
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
  };
}

/** Variance with n - 1 below; 0 for fewer than two values. */
export function sampleVariance(moments: Readonly<Moments>): number {
  return moments.count < 2 ? 0 : moments.m2 / (moments.count - 1);
}

/** Variance with n below; 0 when empty. */
export function populationVariance(moments: Readonly<Moments>): number {
  return moments.count === 0 ? 0 : moments.m2 / moments.count;
}

/** Square root of {@link sampleVariance}. */
export function standardDeviation(moments: Readonly<Moments>): number {
  return Math.sqrt(sampleVariance(moments));
}

/** Skewness (third standardised moment, biased); 0 for a constant. */
export function skewness(moments: Readonly<Moments>): number {
  const variance = populationVariance(moments);
  return variance > 0 ? moments.m3 / moments.count / variance ** 1.5 : 0;
}

/** Kurtosis above that of the normal law (biased); 0 for a constant. */
export function excessKurtosis(moments: Readonly<Moments>): number {
  const variance = populationVariance(moments);
  return variance > 0 ? moments.m4 / moments.count / (variance * variance) - 3 : 0;
}
