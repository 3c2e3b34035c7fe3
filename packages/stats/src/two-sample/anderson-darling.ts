import { type Numbers, sortValues } from '../sorting.ts';
import type { TestResult } from './test-result.ts';

/** Result of the k-sample test. */
export interface AndersonDarlingResult extends TestResult {
  /** Critical values of the statistic at 25, 10, 5, 2.5, 1, 0.5 and 0.1 percent. */
  readonly criticalValues: Float64Array;
}

/** Significance levels and the coefficients of Scholz and Stephens 1987, table 2: critical = b0 + b1 / sqrt(k-1) + b2 / (k-1). */
const levels = [0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001];
const b0 = [0.675, 1.281, 1.645, 1.96, 2.326, 2.573, 3.085];
const b1 = [-0.245, 0.25, 0.678, 1.149, 1.822, 2.364, 3.615];
const b2 = [-0.105, -0.305, -0.362, -0.391, -0.396, -0.345, -0.154];

/**
 * Anderson-Darling test that k samples come from one distribution (Scholz and Stephens 1987). The p-value is interpolated
 * in their table and therefore held within [0.001, 0.25]. NaN is left out; one distinct value, or fewer than four rows or
 * two non-empty samples, gives statistic 0 and p-value 1.
 * @param ties 'midrank' for the version with mid-ranks, 'right' for the right-continuous one. @default 'midrank'
 */
export function andersonDarling(
  samples: readonly Numbers[],
  ties: 'midrank' | 'right' = 'midrank',
): AndersonDarlingResult {
  const sorted = samples.map(sample => sortValues(sample).sorted).filter(sample => sample.length > 0);
  const k = sorted.length;
  const total = sorted.reduce((sum, sample) => sum + sample.length, 0);
  const pooled = poolDistinct(sorted);
  const m = Math.max(1, k - 1);
  const criticalValues = Float64Array.from(levels, (_, i) => b0[i]! + b1[i]! / Math.sqrt(m) + b2[i]! / m);
  if (k < 2 || total < 4 || pooled.length < 2) return { statistic: 0, pValue: 1, criticalValues };
  const raw = sorted.reduce((sum, sample) => sum + contribution(sample, pooled, total, ties), 0);
  const spread = Math.sqrt(varianceOf(sorted, total));
  const statistic = (raw - m) / spread;
  return { statistic, pValue: interpolate(statistic, criticalValues), criticalValues };
}

interface Distinct {
  readonly value: number;
  readonly count: number;
}

function poolDistinct(samples: readonly Float64Array[]): Distinct[] {
  const all = new Float64Array(samples.reduce((sum, sample) => sum + sample.length, 0));
  let at = 0;
  for (const sample of samples) {
    all.set(sample, at);
    at += sample.length;
  }
  const pooled: Distinct[] = [];
  const { sorted } = sortValues(all);
  for (let from = 0; from < sorted.length; ) {
    let to = from + 1;
    while (to < sorted.length && sorted[to] === sorted[from]) to++;
    pooled.push({ value: sorted[from]!, count: to - from });
    from = to;
  }
  return pooled;
}

function contribution(
  sample: Float64Array,
  pooled: readonly Distinct[],
  total: number,
  ties: 'midrank' | 'right',
): number {
  const n = sample.length;
  let sum = 0;
  let below = 0;
  let belowAll = 0;
  for (const [index, { value, count }] of pooled.entries()) {
    const start = below;
    while (below < n && sample[below] === value) below++;
    if (ties === 'midrank') {
      const m = start + (below - start) / 2;
      const b = belowAll + count / 2;
      sum += (count / total) * ((total * m - b * n) ** 2 / (b * (total - b) - (total * count) / 4));
    } else if (index < pooled.length - 1) {
      const b = belowAll + count;
      sum += (count / total) * ((total * below - b * n) ** 2 / (b * (total - b)));
    }
    belowAll += count;
  }
  return (ties === 'midrank' ? (total - 1) / total : 1) * (sum / n);
}

function varianceOf(samples: readonly Float64Array[], total: number): number {
  const k = samples.length;
  const inverseSizes = samples.reduce((sum, sample) => sum + 1 / sample.length, 0);
  let h = 0;
  let g = 0;
  let tail = 0;
  for (let i = 1; i < total; i++) {
    h += 1 / i;
    // g = sum over i < j < N of 1 / ((N - i) j), with the inner sum over the reversed harmonic series.
    if (i >= 2) {
      tail += 1 / (total - i + 1);
      g += tail / i;
    }
  }
  const a = (4 * g - 6) * (k - 1) + (10 - 6 * g) * inverseSizes;
  const b = (2 * g - 4) * k * k + 8 * h * k + (2 * g - 14 * h - 4) * inverseSizes - 8 * h + 4 * g - 6;
  const c = (6 * h + 2 * g - 2) * k * k + (4 * h - 4 * g + 6) * k + (2 * h - 6) * inverseSizes + 4 * h;
  const d = (2 * h + 6) * k * k - 4 * h * k;
  return (a * total ** 3 + b * total ** 2 + c * total + d) / ((total - 1) * (total - 2) * (total - 3));
}

/** Least-squares parabola of ln(level) over the critical values, as the table's authors advise. */
function interpolate(statistic: number, critical: Float64Array): number {
  if (statistic < critical[0]!) return levels[0]!;
  if (statistic > critical.at(-1)!) return levels.at(-1)!;
  const sums = new Float64Array(5);
  const moments = new Float64Array(3);
  for (const [i, x] of critical.entries()) {
    const y = Math.log(levels[i]!);
    for (let power = 0; power < 5; power++) sums[power] = sums[power]! + x ** power;
    for (let power = 0; power < 3; power++) moments[power] = moments[power]! + y * x ** power;
  }
  const [s0, s1, s2, s3, s4] = [sums[0]!, sums[1]!, sums[2]!, sums[3]!, sums[4]!];
  const [t0, t1, t2] = [moments[0]!, moments[1]!, moments[2]!];
  const determinant = det3(s0, s1, s2, s1, s2, s3, s2, s3, s4);
  const constant = det3(t0, s1, s2, t1, s2, s3, t2, s3, s4) / determinant;
  const linear = det3(s0, t0, s2, s1, t1, s3, s2, t2, s4) / determinant;
  const quadratic = det3(s0, s1, t0, s1, s2, t1, s2, s3, t2) / determinant;
  return Math.exp(constant + statistic * (linear + statistic * quadratic));
}

function det3(
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
  g: number,
  h: number,
  i: number,
): number {
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}
