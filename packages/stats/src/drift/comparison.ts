import { fisherExact, twoProportionZ } from '../counts/two-proportion.ts';
import { type CategoricalEffect, defaultEffectThresholds, missingEffect, type NumericEffect } from './effects.ts';

export type TestName = 'kolmogorov-smirnov' | 'chi-square' | 'two-proportion';

/** Why a column could not be judged. */
export type UndecidedReason =
  | 'no-baseline-rows'
  | 'no-current-rows'
  | 'too-few-rows'
  | 'all-missing'
  | 'column-missing'
  | 'kind-changed'
  | 'different-bins';

/** Limits for one column: how large an effect must be before it may raise an alarm. */
export interface EffectThresholds {
  readonly values: number;
  readonly missing: number;
}

export interface CompareOptions {
  /** Limits of this column. @default 0.1 numeric, 0.05 categorical (0.1 with psi), 0.05 for the missing share */
  readonly thresholds?: Partial<EffectThresholds>;
  /** Fewer rows than this on either side are not judged. @default 20 */
  readonly minimumRows?: number;
}

export interface NumericStatistics {
  readonly kind: 'numeric';
  /** Largest gap between the two distribution functions, in [0, 1]. */
  readonly ks: number;
  readonly psi: number;
  /** In the column's own unit. */
  readonly wasserstein: number;
  /** In units of the baseline's spread (interquartile range / 1.349, else standard deviation). */
  readonly wassersteinScaled: number;
  readonly baselineMean: number;
  readonly currentMean: number;
}

export interface CategoricalStatistics {
  readonly kind: 'categorical';
  readonly chiSquare: number;
  readonly degreesOfFreedom: number;
  readonly psi: number;
  readonly lInfinity: number;
  readonly lInfinityRobust: number;
  readonly totalVariation: number;
  readonly jensenShannon: number;
  /** Share of current rows whose category the baseline never had. */
  readonly unseenShare: number;
  /** The category whose share moved most, with its shares. */
  readonly mover: { readonly category: string; readonly baselineShare: number; readonly currentShare: number };
}

/** Rows on both sides; missing ones are part of the rows. */
export interface ComparedSizes {
  readonly baselineRows: number;
  readonly currentRows: number;
  readonly baselineMissing: number;
  readonly currentMissing: number;
}

/** A column that could be compared. Every number is finite. */
export interface ComparedColumn extends ComparedSizes {
  readonly outcome: 'compared';
  readonly statistics: NumericStatistics | CategoricalStatistics;
  /** Whether values or the missing share changed most relative to its limit; effect, test and p-value speak of that part. */
  readonly cause: 'values' | 'missing';
  readonly test: TestName;
  readonly testStatistic: number;
  /** In [0, 1]; doubled when values and missing share were both tested. */
  readonly pValue: number;
  readonly effectName: NumericEffect | CategoricalEffect | 'missing-share';
  /** Size-corrected, >= 0. */
  readonly effect: number;
  readonly effectThreshold: number;
}

export interface UndecidedColumn {
  readonly outcome: 'undecided';
  readonly because: UndecidedReason;
}

export type ColumnComparison = ComparedColumn | UndecidedColumn;

/** One question asked of a column: its test and its effect. */
export interface ComparedPart {
  readonly test: TestName;
  readonly testStatistic: number;
  readonly pValue: number;
  readonly effectName: ComparedColumn['effectName'];
  readonly effect: number;
  readonly effectThreshold: number;
}

const defaultMinimumRows = 20;

/** Whether there are too few rows to say anything; undefined when there are enough. */
export function whyUndecided(sizes: ComparedSizes, options: CompareOptions): UndecidedColumn | undefined {
  const minimum = options.minimumRows ?? defaultMinimumRows;
  if (sizes.baselineRows === 0) return { outcome: 'undecided', because: 'no-baseline-rows' };
  if (sizes.currentRows === 0) return { outcome: 'undecided', because: 'no-current-rows' };
  if (sizes.baselineRows < minimum || sizes.currentRows < minimum)
    return { outcome: 'undecided', because: 'too-few-rows' };
  if (sizes.baselineMissing === sizes.baselineRows && sizes.currentMissing === sizes.currentRows) {
    return { outcome: 'undecided', because: 'all-missing' };
  }
  return undefined;
}

/**
 * Joins the answer about values with the one about the missing share. The part that is largest relative to its limit
 * speaks for the column, and its p-value is doubled when both were asked (Bonferroni holds for whichever is picked).
 */
export function joinParts(
  sizes: ComparedSizes,
  statistics: ComparedColumn['statistics'],
  values: ComparedPart | undefined,
  options: CompareOptions,
): ComparedColumn {
  const missing = missingPart(sizes, options);
  const anyMissing = sizes.baselineMissing + sizes.currentMissing > 0;
  const missingSpeaks =
    values === undefined || missing.effect / missing.effectThreshold > values.effect / values.effectThreshold;
  const speaker = missingSpeaks ? missing : values;
  const questions = values !== undefined && anyMissing ? 2 : 1;
  return {
    outcome: 'compared',
    ...sizes,
    statistics,
    cause: missingSpeaks ? 'missing' : 'values',
    ...speaker,
    pValue: Math.min(1, questions * speaker.pValue),
  };
}

function missingPart(sizes: ComparedSizes, options: CompareOptions): ComparedPart {
  const { baselineRows: n, currentRows: m, baselineMissing: a, currentMissing: b } = sizes;
  const { statistic, pValue } = twoProportionZ(a, n, b, m);
  const share = (a + b) / (n + m);
  const smallestExpected = Math.min(n, m) * Math.min(share, 1 - share);
  return {
    test: 'two-proportion',
    testStatistic: statistic,
    // The normal approximation is too bold with few missing (or few present) rows; Fisher's test is then short to sum.
    pValue:
      smallestExpected < 10
        ? fisherExact([
            [a, n - a],
            [b, m - b],
          ]).pValue
        : pValue,
    effectName: 'missing-share',
    effect: missingEffect(a, n, b, m),
    effectThreshold: options.thresholds?.missing ?? defaultEffectThresholds.missing,
  };
}
