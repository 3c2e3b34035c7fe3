import { chiSquareContingency } from '../counts/contingency.ts';
import { jensenShannon, lInfinity, lInfinityRobust, psi, totalVariation } from '../counts/distances.ts';
import {
  type AlignedCounts,
  alignCategories,
  type CategoricalColumn,
  type CategoryCounts,
  countCategories,
} from './columns.ts';
import {
  type CategoricalStatistics,
  type ColumnComparison,
  type ComparedSizes,
  type CompareOptions,
  joinParts,
  whyUndecided,
} from './comparison.ts';
import { type CategoricalEffect, categoricalEffect, defaultEffectThresholds } from './effects.ts';

export interface CategoricalCompareOptions extends CompareOptions {
  /** Which size-corrected distance must reach the limit. @default 'total-variation' */
  readonly effect?: CategoricalEffect;
}

/**
 * Compares a categorical column with its baseline: the two-sample chi-square test (cells with an expected count below
 * five merged), PSI, L-infinity, total variation; a category the baseline never had is a cell like any other, and the
 * missing share is a question of its own. Works on rows or on counts.
 */
export function compareCategorical(
  baseline: CategoryCounts | CategoricalColumn,
  current: CategoryCounts | CategoricalColumn,
  options: CategoricalCompareOptions = {},
): ColumnComparison {
  const before = 'kind' in baseline ? countCategories(baseline) : baseline;
  const after = 'kind' in current ? countCategories(current) : current;
  const aligned = alignCategories(before, after);
  const n = aligned.baseline.reduce((sum, count) => sum + count, 0);
  const m = aligned.current.reduce((sum, count) => sum + count, 0);
  const sizes: ComparedSizes = {
    baselineRows: n + before.missing,
    currentRows: m + after.missing,
    baselineMissing: before.missing,
    currentMissing: after.missing,
  };
  const undecided = whyUndecided(sizes, options);
  if (undecided) return undecided;
  const chi = chiSquareContingency([aligned.baseline, aligned.current], { mergeBelow: 5 });
  const statistics: CategoricalStatistics = {
    kind: 'categorical',
    chiSquare: chi.statistic,
    degreesOfFreedom: chi.degreesOfFreedom,
    psi: psi(aligned.baseline, aligned.current),
    lInfinity: lInfinity(aligned.baseline, aligned.current),
    lInfinityRobust: lInfinityRobust(aligned.baseline, aligned.current),
    totalVariation: totalVariation(aligned.baseline, aligned.current),
    jensenShannon: jensenShannon(aligned.baseline, aligned.current),
    unseenShare: m === 0 ? 0 : aligned.unseenRows / m,
    mover: largestMover(aligned, n, m),
  };
  if (n === 0 || m === 0) return joinParts(sizes, statistics, undefined, options);
  const effect = options.effect ?? 'total-variation';
  const part = {
    test: 'chi-square',
    testStatistic: chi.statistic,
    pValue: chi.pValue,
    effectName: effect,
    effect: categoricalEffect(effect, aligned.baseline, aligned.current),
    effectThreshold: options.thresholds?.values ?? defaultEffectThresholds.categorical[effect],
  } as const;
  return joinParts(sizes, statistics, part, options);
}

function largestMover(aligned: AlignedCounts, n: number, m: number): CategoricalStatistics['mover'] {
  let mover = { category: '', baselineShare: 0, currentShare: 0 };
  let largest = -1;
  for (const [i, category] of aligned.categories.entries()) {
    const baselineShare = n === 0 ? 0 : aligned.baseline[i]! / n;
    const currentShare = m === 0 ? 0 : aligned.current[i]! / m;
    const move = Math.abs(baselineShare - currentShare);
    if (move <= largest) continue;
    largest = move;
    mover = { category, baselineShare, currentShare };
  }
  return mover;
}
