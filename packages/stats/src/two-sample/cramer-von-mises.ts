import { type Numbers, sortValues } from '../sorting.ts';
import { forEachTieGroup } from './ranks.ts';
import type { TestResult } from './test-result.ts';

export interface CramerVonMisesOptions {
  /** 'exact' lists all arrangements of ranks: only for a few dozen rows. @default 'auto' */
  readonly method?: 'auto' | 'exact' | 'asymptotic';
}

/** Up to this many cells of the path lattice 'auto' is exact. */
const exactCells = 225;

/**
 * Two-sample Cramer-von Mises test (Anderson 1962), mid-ranks for ties. NaN is left out. The asymptotic p-value loses its
 * relative accuracy below about 1e-9. An empty sample gives statistic 0 and p-value 1.
 */
export function cramerVonMises(a: Numbers, b: Numbers, options: CramerVonMisesOptions = {}): TestResult {
  const left = sortValues(a).sorted;
  const right = sortValues(b).sorted;
  const n = left.length;
  const m = right.length;
  if (n === 0 || m === 0) return { statistic: 0, pValue: 1 };
  const statistic = statisticOf(left, right);
  const method = options.method ?? 'auto';
  const exact = method === 'exact' || (method === 'auto' && n * m <= exactCells);
  return { statistic, pValue: exact ? exactTail(statistic, n, m) : asymptoticTail(statistic, n, m) };
}

function statisticOf(a: Float64Array, b: Float64Array): number {
  const n = a.length;
  const m = b.length;
  let i = 0;
  let j = 0;
  let u = 0;
  forEachTieGroup(a, b, ({ inA, inB, before }) => {
    const rank = before + (inA + inB + 1) / 2;
    for (let k = 0; k < inA; k++) u += n * (rank - ++i) ** 2;
    for (let k = 0; k < inB; k++) u += m * (rank - ++j) ** 2;
  });
  return u / (n * m * (n + m)) - (4 * n * m - 1) / (6 * (n + m));
}

/**
 * Exact tail over all lattice paths of n steps right and m up. Without ties T = Z / (n m (n + m)^2), with Z the sum of
 * (i m - j n)^2 over the path, a whole number; each cell keeps the probability of every Z reached there.
 */
function exactTail(statistic: number, n: number, m: number): number {
  const observed = statistic * n * m * (n + m) ** 2;
  let column: Map<number, number>[] = [];
  for (let i = 0; i <= n; i++) {
    const next: Map<number, number>[] = [];
    for (let j = 0; j <= m; j++) {
      const cell = new Map<number, number>();
      if (i === 0 && j === 0) {
        cell.set(0, 1);
        next.push(cell);
        continue;
      }
      const height = (i * m - j * n) ** 2;
      const left = n + m - i - j + 1;
      if (i > 0) addShifted(cell, column[j]!, height, (n - i + 1) / left);
      if (j > 0) addShifted(cell, next[j - 1]!, height, (m - j + 1) / left);
      next.push(cell);
    }
    column = next;
  }
  let pValue = 0;
  const tolerance = 1e-9 * Math.max(1, observed);
  for (const [z, probability] of column[m]!) if (z >= observed - tolerance) pValue += probability;
  return Math.min(1, pValue);
}

function addShifted(into: Map<number, number>, from: Map<number, number>, shift: number, weight: number): void {
  for (const [z, probability] of from) into.set(z + shift, (into.get(z + shift) ?? 0) + probability * weight);
}

/** Anderson 1962: T is standardised to the mean and variance of the limiting law. */
function asymptoticTail(statistic: number, n: number, m: number): number {
  const total = n + m;
  const mean = (1 + 1 / total) / 6;
  const variance =
    ((total + 1) * (4 * n * m * total - 3 * (n * n + m * m) - 2 * n * m)) / (45 * total * total * 4 * n * m);
  const standardised = 1 / 6 + (statistic - mean) / Math.sqrt(45 * variance);
  return standardised < 0.003 ? 1 : Math.min(1, Math.max(0, 1 - limitCdf(standardised)));
}

/** Limiting law of Cramer-von Mises (Anderson and Darling 1952): a series in the Bessel function K of order 1/4. */
function limitCdf(x: number): number {
  let sum = 0;
  let binomial = 1;
  for (let k = 0; k < 100; k++) {
    const y = 4 * k + 1;
    const q = (y * y) / (16 * x);
    const term = binomial * Math.sqrt(y) * besselTimesExponential(q);
    sum += term;
    if (term < 1e-17 * sum) break;
    binomial *= (k + 0.5) / (k + 1);
  }
  return sum / (Math.PI * Math.sqrt(x));
}

/** exp(-q) K_{1/4}(q), from K's integral over exp(-q cosh t) cosh(t / 4); the trapezoid rule converges exponentially. */
function besselTimesExponential(q: number): number {
  const step = 1 / 32;
  let sum = 0.5 * Math.exp(-2 * q);
  for (let t = step; ; t += step) {
    const term = Math.exp(-q * (1 + Math.cosh(t))) * Math.cosh(t / 4);
    sum += term;
    if (term <= 1e-18 * sum) return sum * step;
  }
}
