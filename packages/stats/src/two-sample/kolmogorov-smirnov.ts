import { kolmogorovFiniteSf } from '../kolmogorov-finite.ts';
import { type Numbers, sortValues } from '../sorting.ts';
import type { TestResult } from './test-result.ts';

export type Alternative = 'two-sided' | 'greater' | 'less';

export interface KsOptions {
  /** 'exact' counts lattice paths, O(n m); 'asymptotic' uses the finite-n law with n m / (n + m) rows. @default 'auto' */
  readonly method?: 'auto' | 'exact' | 'asymptotic';
  /** 'greater': the first sample's distribution function lies above, i.e. its values tend to be smaller. @default 'two-sided' */
  readonly alternative?: Alternative;
}

/** Up to this many cells of the path lattice the exact p-value is computed (a few milliseconds). */
const exactCells = 250_000;

/**
 * Two-sample Kolmogorov-Smirnov test. NaN is left out; with ties the p-value is conservative.
 * An empty sample gives statistic 0 and p-value 1.
 */
export function ksTwoSample(a: Numbers, b: Numbers, options: KsOptions = {}): TestResult {
  return ksSorted(sortValues(a).sorted, sortValues(b).sorted, options);
}

/** As {@link ksTwoSample} for samples that are already ascending and free of NaN. */
export function ksSorted(a: Float64Array, b: Float64Array, options: KsOptions = {}): TestResult {
  const n = a.length;
  const m = b.length;
  if (n === 0 || m === 0) return { statistic: 0, pValue: 1 };
  const alternative = options.alternative ?? 'two-sided';
  const { above, below } = largestGaps(a, b);
  const gap = alternative === 'two-sided' ? Math.max(above, below) : alternative === 'greater' ? above : below;
  const method = options.method ?? 'auto';
  const exact = method === 'exact' || (method === 'auto' && n * m <= exactCells);
  const pValue = exact
    ? exactPathTail(n, m, gap, alternative !== 'two-sided')
    : ksAsymptoticPValue(gap / (n * m), n, m, alternative);
  return { statistic: gap / (n * m), pValue };
}

/** Largest i m - j n and j n - i m over the pooled values; whole numbers, so ties never suffer from rounding. */
function largestGaps(a: Float64Array, b: Float64Array): { readonly above: number; readonly below: number } {
  const n = a.length;
  const m = b.length;
  let i = 0;
  let j = 0;
  let above = 0;
  let below = 0;
  while (i < n && j < m) {
    const x = a[i]!;
    const y = b[j]!;
    if (x <= y)
      do i++;
      while (i < n && a[i] === x);
    if (y <= x)
      do j++;
      while (j < m && b[j] === y);
    const gap = i * m - j * n;
    if (gap > above) above = gap;
    else if (-gap > below) below = -gap;
  }
  return { above, below };
}

/**
 * Asymptotic p-value of a two-sample KS statistic: the one-sample law of n m / (n + m) rows (as SciPy does), and
 * Hodges 1957 eq. 5.3 for one side.
 */
export function ksAsymptoticPValue(d: number, n: number, m: number, alternative: Alternative = 'two-sided'): number {
  const effective = (n * m) / (n + m);
  if (alternative === 'two-sided') return d <= 0 ? 1 : kolmogorovFiniteSf(Math.max(1, Math.round(effective)), d);
  const large = Math.max(n, m);
  const small = Math.min(n, m);
  const z = Math.sqrt(effective) * d;
  const correction = (2 * z * (large + 2 * small)) / Math.sqrt(n * m * (n + m)) / 3;
  return Math.min(1, Math.exp(-2 * z * z - correction));
}

/**
 * Probability that a random path of n steps right and m steps up leaves |i m - j n| < gap. The mass is absorbed where it
 * leaves, so small probabilities keep their digits.
 */
function exactPathTail(n: number, m: number, gap: number, oneSided: boolean): number {
  if (gap <= 0) return 1;
  const inside = new Float64Array(m + 1);
  let absorbed = 0;
  for (let i = 0; i <= n; i++) {
    for (let j = 0; j <= m; j++) {
      if (i === 0 && j === 0) {
        inside[0] = 1;
        continue;
      }
      const left = n + m - i - j + 1;
      const fromLeft = i > 0 ? inside[j]! * ((n - i + 1) / left) : 0;
      const fromBelow = j > 0 ? inside[j - 1]! * ((m - j + 1) / left) : 0;
      const mass = fromLeft + fromBelow;
      const height = i * m - j * n;
      const leaves = height >= gap || (!oneSided && -height >= gap);
      if (leaves) absorbed += mass;
      inside[j] = leaves ? 0 : mass;
    }
  }
  return Math.min(1, absorbed);
}

/**
 * KS from counts over the same ordered bins. The statistic can only be smaller than on the raw values (gaps inside a bin
 * are not seen), so the p-value is conservative.
 * @throws RangeError when the lengths differ.
 */
export function ksFromCounts(binCountsA: Numbers, binCountsB: Numbers): TestResult {
  if (binCountsA.length !== binCountsB.length) throw new RangeError('Both samples must be counted over the same bins.');
  let n = 0;
  let m = 0;
  for (let i = 0; i < binCountsA.length; i++) {
    n += binCountsA[i]!;
    m += binCountsB[i]!;
  }
  if (n === 0 || m === 0) return { statistic: 0, pValue: 1 };
  let i = 0;
  let j = 0;
  let statistic = 0;
  for (let bin = 0; bin < binCountsA.length; bin++) {
    i += binCountsA[bin]!;
    j += binCountsB[bin]!;
    statistic = Math.max(statistic, Math.abs(i / n - j / m));
  }
  return { statistic, pValue: ksAsymptoticPValue(statistic, n, m) };
}

/** Mean of the KS statistic when nothing changed: sqrt(pi / 2) ln 2 times sqrt(1/n + 1/m). */
export function ksNullMean(n: number, m: number): number {
  return 0.8687311606361593 * Math.sqrt(1 / n + 1 / m);
}
