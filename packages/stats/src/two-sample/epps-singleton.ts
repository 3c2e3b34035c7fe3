import { quantileSorted } from '../quantile-bins.ts';
import { type Numbers, sortValues } from '../sorting.ts';
import { chiSquareSf } from '../special.ts';
import type { TestResultWithDegrees } from './test-result.ts';
import { finitePart } from './wasserstein.ts';

/** The characteristic functions are compared at these points, in units of half the pooled interquartile range. */
const points = [0.4, 0.8];

/**
 * Epps-Singleton test of equal distributions by their empirical characteristic functions (1986), with the small-sample
 * correction below 25 rows. Stronger than KS for shape changes and valid for discrete data. Fewer than five finite rows on
 * a side, or no spread: statistic 0, p-value 1.
 */
export function eppsSingleton(a: Numbers, b: Numbers): TestResultWithDegrees {
  const left = finitePart(sortValues(a).sorted);
  const right = finitePart(sortValues(b).sorted);
  const nothing = { statistic: 0, pValue: 1, degreesOfFreedom: 0 };
  if (left.length < 5 || right.length < 5) return nothing;
  const pooled = new Float64Array(left.length + right.length);
  pooled.set(left);
  pooled.set(right, left.length);
  pooled.sort();
  const half = (quantileSorted(pooled, 0.75) - quantileSorted(pooled, 0.25)) / 2;
  if (!(half > 0)) return nothing;
  const before = characteristic(left, half);
  const after = characteristic(right, half);
  const n = pooled.length;
  const covariance = before.covariance.map(
    (value, i) => (n / left.length) * value + (n / right.length) * after.covariance[i]!,
  );
  const difference = before.mean.map((value, i) => value - after.mean[i]!);
  const { form, rank } = pseudoInverseForm(covariance, difference);
  const statistic = n * form * smallSampleFactor(left.length, right.length);
  return { statistic, pValue: chiSquareSf(statistic, rank), degreesOfFreedom: rank };
}

function smallSampleFactor(n: number, m: number): number {
  if (Math.max(n, m) >= 25) return 1;
  return 1 / (1 + (n + m) ** -0.45 + 10.1 * (n ** -1.7 + m ** -1.7));
}

interface Characteristic {
  /** Cosines, then sines, at the points. */
  readonly mean: Float64Array;
  /** 4 x 4, biased. */
  readonly covariance: Float64Array;
}

function characteristic(values: Float64Array, unit: number): Characteristic {
  const size = 2 * points.length;
  const mean = new Float64Array(size);
  const products = new Float64Array(size * size);
  const row = new Float64Array(size);
  for (const value of values) {
    for (const [i, point] of points.entries()) {
      row[i] = Math.cos((point * value) / unit);
      row[i + points.length] = Math.sin((point * value) / unit);
    }
    for (let i = 0; i < size; i++) {
      mean[i] = mean[i]! + row[i]! / values.length;
      for (let j = 0; j < size; j++)
        products[i * size + j] = products[i * size + j]! + (row[i]! * row[j]!) / values.length;
    }
  }
  const covariance = products.map((value, at) => value - mean[Math.floor(at / size)]! * mean[at % size]!);
  return { mean, covariance };
}

/** x' A+ x and the rank of the symmetric A, by Jacobi rotations. */
function pseudoInverseForm(matrix: Float64Array, x: Float64Array): { readonly form: number; readonly rank: number } {
  const size = x.length;
  const a = matrix.slice();
  const rotated = x.slice();
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        off += Math.abs(a[p * size + q]!);
        rotate(a, rotated, p, q);
      }
    }
    if (off < 1e-18) break;
  }
  const eigenvalues = rotated.map((_, i) => a[i * size + i]!);
  const limit = Math.max(...eigenvalues) * size * 2.220446049250313e-16;
  let form = 0;
  let rank = 0;
  for (const [i, eigenvalue] of eigenvalues.entries()) {
    if (eigenvalue <= limit) continue;
    rank++;
    form += rotated[i]! ** 2 / eigenvalue;
  }
  return { form, rank };
}

function rotate(a: Float64Array, x: Float64Array, p: number, q: number): void {
  const size = x.length;
  const apq = a[p * size + q]!;
  if (apq === 0) return;
  const theta = (a[q * size + q]! - a[p * size + p]!) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < size; k++) {
    const kp = a[k * size + p]!;
    const kq = a[k * size + q]!;
    a[k * size + p] = c * kp - s * kq;
    a[k * size + q] = s * kp + c * kq;
  }
  for (let k = 0; k < size; k++) {
    const pk = a[p * size + k]!;
    const qk = a[q * size + k]!;
    a[p * size + k] = c * pk - s * qk;
    a[q * size + k] = s * pk + c * qk;
  }
  const xp = x[p]!;
  x[p] = c * xp - s * x[q]!;
  x[q] = s * xp + c * x[q]!;
}
