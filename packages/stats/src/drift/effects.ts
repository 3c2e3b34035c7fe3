import { lInfinity, psi, psiNullMean, totalVariation, totalVariationNullMean } from '../counts/distances.ts';
import type { Numbers } from '../sorting.ts';
import { ksNullMean } from '../two-sample/kolmogorov-smirnov.ts';

/**
 * How large a change is, less what sampling alone would show on average, so that small windows do not look worse than
 * large ones. Zero means "no more than chance".
 */
export type NumericEffect = 'ks' | 'psi' | 'wasserstein';
export type CategoricalEffect = 'total-variation' | 'l-infinity' | 'psi';

/** Smallest effect worth an alarm when no threshold was learned from the baseline. */
export const defaultEffectThresholds = {
  numeric: { ks: 0.1, psi: 0.1, wasserstein: 0.1 },
  categorical: { 'total-variation': 0.05, 'l-infinity': 0.05, psi: 0.1 },
  missing: 0.05,
} as const;

/** A distance less its mean under no change, never below 0. */
export function sizeCorrected(distance: number, nullMean: number): number {
  return Math.max(0, distance - nullMean);
}

/** Corrected KS distance. */
export function ksEffect(statistic: number, n: number, m: number): number {
  return sizeCorrected(statistic, ksNullMean(n, m));
}

/** Corrected PSI; cells that both sides leave empty do not count. */
export function psiEffect(baseline: Numbers, current: Numbers): number {
  let cells = 0;
  let n = 0;
  let m = 0;
  for (let i = 0; i < baseline.length; i++) {
    if (baseline[i]! + current[i]! > 0) cells++;
    n += baseline[i]!;
    m += current[i]!;
  }
  return n === 0 || m === 0 ? 0 : sizeCorrected(psi(baseline, current), psiNullMean(cells, n, m));
}

/** Corrected effect between two categorical counts over the same cells. */
export function categoricalEffect(effect: CategoricalEffect, baseline: Numbers, current: Numbers): number {
  switch (effect) {
    case 'total-variation':
      return sizeCorrected(totalVariation(baseline, current), totalVariationNullMean(baseline, current));
    case 'l-infinity':
      return sizeCorrected(lInfinity(baseline, current), lInfinityNullMean(baseline, current));
    case 'psi':
      return psiEffect(baseline, current);
    default:
      return effect satisfies never;
  }
}

/** Mean of the largest cell's difference under no change, taking the cell that varies most. */
function lInfinityNullMean(baseline: Numbers, current: Numbers): number {
  let n = 0;
  let m = 0;
  for (let i = 0; i < baseline.length; i++) {
    n += baseline[i]!;
    m += current[i]!;
  }
  if (n === 0 || m === 0) return 0;
  let largest = 0;
  for (let i = 0; i < baseline.length; i++) {
    const share = (baseline[i]! + current[i]!) / (n + m);
    largest = Math.max(largest, share * (1 - share));
  }
  return Math.sqrt((2 / Math.PI) * largest * (1 / n + 1 / m));
}

/** Corrected difference of two missing shares. */
export function missingEffect(missingA: number, rowsA: number, missingB: number, rowsB: number): number {
  if (rowsA === 0 || rowsB === 0) return 0;
  const pooled = (missingA + missingB) / (rowsA + rowsB);
  const nullMean = Math.sqrt((2 / Math.PI) * pooled * (1 - pooled) * (1 / rowsA + 1 / rowsB));
  return sizeCorrected(Math.abs(missingA / rowsA - missingB / rowsB), nullMean);
}
