import type { Numbers } from '../sorting.ts';

/** Counts of two samples over the same cells, with their totals. */
interface Totals {
  readonly a: number;
  readonly b: number;
}

function totalsOf(countsA: Numbers, countsB: Numbers): Totals {
  if (countsA.length !== countsB.length) throw new RangeError('Both samples must be counted over the same cells.');
  let a = 0;
  let b = 0;
  for (let i = 0; i < countsA.length; i++) {
    a += countsA[i]!;
    b += countsB[i]!;
  }
  return { a, b };
}

/**
 * Population stability index: sum of (p - q) ln(p / q). Shares below `floor` are lifted to it, so that one empty cell
 * cannot make it infinite. 0 when a side is empty.
 * @param floor smallest share. @default 1e-4
 */
export function psi(countsA: Numbers, countsB: Numbers, floor = 1e-4): number {
  const totals = totalsOf(countsA, countsB);
  if (totals.a === 0 || totals.b === 0) return 0;
  let sum = 0;
  for (let i = 0; i < countsA.length; i++) {
    if (countsA[i] === 0 && countsB[i] === 0) continue;
    const p = Math.max(floor, countsA[i]! / totals.a);
    const q = Math.max(floor, countsB[i]! / totals.b);
    sum += (p - q) * Math.log(p / q);
  }
  return sum;
}

/** Mean of PSI when nothing changed: about (cells - 1)(1/n + 1/m). Subtract it before comparing with fixed limits. */
export function psiNullMean(cells: number, n: number, m: number): number {
  return Math.max(0, cells - 1) * (1 / n + 1 / m);
}

/** Kullback-Leibler divergence of A from B in nats; Infinity where B has no mass but A has. */
export function kullbackLeibler(countsA: Numbers, countsB: Numbers): number {
  const totals = totalsOf(countsA, countsB);
  if (totals.a === 0 || totals.b === 0) return 0;
  let sum = 0;
  for (let i = 0; i < countsA.length; i++) {
    const p = countsA[i]! / totals.a;
    if (p > 0) sum += p * Math.log(p / (countsB[i]! / totals.b));
  }
  return Math.max(0, sum);
}

/** Jensen-Shannon distance, the square root of the divergence, in [0, 1] with base 2. @param base of the logarithm. @default 2 */
export function jensenShannon(countsA: Numbers, countsB: Numbers, base = 2): number {
  return Math.sqrt(jensenShannonDivergence(countsA, countsB, base));
}

/** Jensen-Shannon divergence. @param base of the logarithm. @default 2 */
export function jensenShannonDivergence(countsA: Numbers, countsB: Numbers, base = 2): number {
  const totals = totalsOf(countsA, countsB);
  if (totals.a === 0 || totals.b === 0) return 0;
  let sum = 0;
  for (let i = 0; i < countsA.length; i++) {
    const p = countsA[i]! / totals.a;
    const q = countsB[i]! / totals.b;
    const middle = (p + q) / 2;
    if (p > 0) sum += p * Math.log(p / middle);
    if (q > 0) sum += q * Math.log(q / middle);
  }
  return Math.max(0, sum / 2 / Math.log(base));
}

/** Hellinger distance in [0, 1]. */
export function hellinger(countsA: Numbers, countsB: Numbers): number {
  const totals = totalsOf(countsA, countsB);
  if (totals.a === 0 || totals.b === 0) return 0;
  let sum = 0;
  for (let i = 0; i < countsA.length; i++) {
    sum += (Math.sqrt(countsA[i]! / totals.a) - Math.sqrt(countsB[i]! / totals.b)) ** 2;
  }
  return Math.sqrt(sum / 2);
}

/** Bhattacharyya distance as a share, 1 - sum sqrt(p q), in [0, 1]. */
export function bhattacharyya(countsA: Numbers, countsB: Numbers): number {
  return hellinger(countsA, countsB) ** 2;
}

/** Largest difference of a cell's share. */
export function lInfinity(countsA: Numbers, countsB: Numbers): number {
  const totals = totalsOf(countsA, countsB);
  if (totals.a === 0 || totals.b === 0) return 0;
  let largest = 0;
  for (let i = 0; i < countsA.length; i++) {
    largest = Math.max(largest, Math.abs(countsA[i]! / totals.a - countsB[i]! / totals.b));
  }
  return largest;
}

/**
 * L-infinity less what sampling alone explains at level alpha: max(0, Linf - c sqrt((n + m) / (n m))), with
 * c = sqrt(-ln(alpha / 2) / 2), 1.8 at the default alpha (as deequ does).
 * @default alpha 0.003
 */
export function lInfinityRobust(countsA: Numbers, countsB: Numbers, alpha = 0.003): number {
  const totals = totalsOf(countsA, countsB);
  if (totals.a === 0 || totals.b === 0) return 0;
  return robustDistance(lInfinity(countsA, countsB), totals.a, totals.b, alpha);
}

/** The same reduction for any distance between distribution functions of n and m rows (KS, L-infinity). */
export function robustDistance(distance: number, n: number, m: number, alpha = 0.003): number {
  const c = Math.sqrt(-Math.log(alpha / 2) / 2);
  return Math.max(0, distance - c * Math.sqrt((n + m) / (n * m)));
}

/** Total variation distance: the share of rows that would have to change cell, in [0, 1]. */
export function totalVariation(countsA: Numbers, countsB: Numbers): number {
  const totals = totalsOf(countsA, countsB);
  if (totals.a === 0 || totals.b === 0) return 0;
  let sum = 0;
  for (let i = 0; i < countsA.length; i++) sum += Math.abs(countsA[i]! / totals.a - countsB[i]! / totals.b);
  return sum / 2;
}

/** Mean of the total variation distance when nothing changed (normal approximation with the pooled shares). */
export function totalVariationNullMean(countsA: Numbers, countsB: Numbers): number {
  const totals = totalsOf(countsA, countsB);
  if (totals.a === 0 || totals.b === 0) return 0;
  const spread = 1 / totals.a + 1 / totals.b;
  let sum = 0;
  for (let i = 0; i < countsA.length; i++) {
    const share = (countsA[i]! + countsB[i]!) / (totals.a + totals.b);
    sum += Math.sqrt((2 / Math.PI) * share * (1 - share) * spread);
  }
  return sum / 2;
}
