import { chiSquareContingency } from '../counts/contingency.ts';
import { psi } from '../counts/distances.ts';
import { type Moments, momentsOf, standardDeviation } from '../moments.ts';
import {
  type BinEdges,
  countAtMost,
  countSortedIntoBins,
  nextDown,
  quantileBinEdgesSorted,
  quantileSorted,
} from '../quantile-bins.ts';
import { type Numbers, sortValues } from '../sorting.ts';
import { ksFromCounts, ksSorted } from '../two-sample/kolmogorov-smirnov.ts';
import { finitePart, wassersteinFromBins, wassersteinSorted } from '../two-sample/wasserstein.ts';
import type { BinnedColumn } from './columns.ts';
import {
  type ColumnComparison,
  type ComparedPart,
  type ComparedSizes,
  type CompareOptions,
  joinParts,
  type NumericStatistics,
  whyUndecided,
} from './comparison.ts';
import { defaultEffectThresholds, ksEffect, type NumericEffect, psiEffect, sizeCorrected } from './effects.ts';

export interface NumericCompareOptions extends CompareOptions {
  /** Which size-corrected distance must reach the limit. @default 'ks' */
  readonly effect?: NumericEffect;
}

export interface PrepareOptions {
  /** Quantile bins for PSI. @default 10 */
  readonly bins?: number;
}

/** Baselines with at most this many different values are compared value by value (chi-square). */
const discreteValues = 10;

/** A numeric baseline sorted once, to be compared with many windows. */
export interface NumericBaseline {
  readonly kind: 'numeric';
  /** Ascending, without NaN. */
  readonly sorted: Float64Array;
  readonly missing: number;
  readonly edges: BinEdges;
  readonly binCounts: Float64Array;
  readonly moments: Readonly<Moments>;
  /** Spread of one standard deviation under the normal law, from the quartiles; > 0. */
  readonly scale: number;
  /** Integral of sqrt(F (1 - F)): how far two samples of this distribution lie apart by chance. */
  readonly roughness: number;
  /** The different values when they are few; undefined otherwise. */
  readonly discrete: Float64Array | undefined;
}

/** Sorts and summarises a baseline column; half the cost of a comparison is paid here. NaN is missing. */
export function prepareNumericBaseline(values: Numbers, options: PrepareOptions = {}): NumericBaseline {
  const { sorted, missing } = sortValues(values);
  const edges = quantileBinEdgesSorted(sorted, options.bins ?? 10);
  const moments = momentsOf(sorted);
  return {
    kind: 'numeric',
    sorted,
    missing,
    edges,
    binCounts: countSortedIntoBins(sorted, edges),
    moments,
    scale: spreadOf(sorted, moments),
    roughness: roughnessOf(finitePart(sorted)),
    discrete: fewDistinct(sorted),
  };
}

function spreadOf(sorted: Float64Array, moments: Readonly<Moments>): number {
  const quartiles = (quantileSorted(sorted, 0.75) - quantileSorted(sorted, 0.25)) / 1.3489795;
  if (quartiles > 0 && Number.isFinite(quartiles)) return quartiles;
  const deviation = standardDeviation(moments);
  return deviation > 0 && Number.isFinite(deviation) ? deviation : 1;
}

function roughnessOf(sorted: Float64Array): number {
  const n = sorted.length;
  let sum = 0;
  for (let i = 1; i < n; i++) {
    const gap = sorted[i]! - sorted[i - 1]!;
    if (gap > 0) sum += gap * Math.sqrt((i / n) * (1 - i / n));
  }
  return sum;
}

function fewDistinct(sorted: Float64Array): Float64Array | undefined {
  const values: number[] = [];
  for (let at = 0; at < sorted.length; at = countAtMost(sorted, sorted[at]!)) {
    if (values.length === discreteValues) return undefined;
    values.push(sorted[at]!);
  }
  return Float64Array.from(values);
}

/**
 * Compares a numeric column with its baseline: KS (chi-square where the baseline has at most ten values), PSI over the
 * baseline's quantile bins, Wasserstein, and the missing share as a question of its own. Infinities take part in KS and
 * PSI, not in means and Wasserstein. Never NaN: what cannot be judged is `undecided`.
 */
export function compareNumeric(
  baseline: NumericBaseline | Numbers,
  current: Numbers,
  options: NumericCompareOptions = {},
): ColumnComparison {
  const prepared = isPrepared(baseline) ? baseline : prepareNumericBaseline(baseline);
  const { sorted, missing } = sortValues(current);
  const sizes: ComparedSizes = {
    baselineRows: prepared.sorted.length + prepared.missing,
    currentRows: current.length,
    baselineMissing: prepared.missing,
    currentMissing: missing,
  };
  const undecided = whyUndecided(sizes, options);
  if (undecided) return undecided;
  const counts = countSortedIntoBins(sorted, prepared.edges);
  const ks = ksSorted(prepared.sorted, sorted);
  const wasserstein = finite(wassersteinSorted(prepared.sorted, sorted));
  const statistics: NumericStatistics = {
    kind: 'numeric',
    ks: ks.statistic,
    psi: psi(prepared.binCounts, counts),
    wasserstein,
    wassersteinScaled: finite(wasserstein / prepared.scale),
    baselineMean: finite(prepared.moments.mean),
    currentMean: finite(momentsOf(sorted).mean),
  };
  if (prepared.sorted.length === 0 || sorted.length === 0) return joinParts(sizes, statistics, undefined, options);
  const test = prepared.discrete ? discreteTest(prepared.discrete, prepared.sorted, sorted) : ksPart(ks);
  const effect = options.effect ?? 'ks';
  const n = prepared.sorted.length;
  const part: ComparedPart = {
    ...test,
    effectName: effect,
    effect: numericEffect(
      effect,
      statistics,
      { n, m: sorted.length, roughness: prepared.roughness / prepared.scale },
      () => psiEffect(prepared.binCounts, counts),
    ),
    effectThreshold: options.thresholds?.values ?? defaultEffectThresholds.numeric[effect],
  };
  return joinParts(sizes, statistics, part, options);
}

function isPrepared(baseline: NumericBaseline | Numbers): baseline is NumericBaseline {
  return 'kind' in baseline;
}

type TestPart = Pick<ComparedPart, 'test' | 'testStatistic' | 'pValue'>;

function ksPart(ks: { readonly statistic: number; readonly pValue: number }): TestPart {
  return { test: 'kolmogorov-smirnov', testStatistic: ks.statistic, pValue: ks.pValue };
}

/** Cells: each baseline value, and the gaps around them for values the baseline never had. */
function discreteTest(values: Float64Array, baseline: Float64Array, current: Float64Array): TestPart {
  const edges: number[] = [];
  for (const value of values) {
    const below = nextDown(value);
    if (below < value && below !== edges.at(-1)) edges.push(below);
    edges.push(value);
  }
  const cells = Float64Array.from(edges);
  const { statistic, pValue } = chiSquareContingency(
    [countSortedIntoBins(baseline, cells), countSortedIntoBins(current, cells)],
    { mergeBelow: 5 },
  );
  return { test: 'chi-square', testStatistic: statistic, pValue };
}

interface EffectScale {
  readonly n: number;
  readonly m: number;
  /** Integral of sqrt(F (1 - F)) in units of the baseline's spread. */
  readonly roughness: number;
}

function numericEffect(
  effect: NumericEffect,
  statistics: NumericStatistics,
  { n, m, roughness }: EffectScale,
  correctedPsi: () => number,
): number {
  switch (effect) {
    case 'ks':
      return ksEffect(statistics.ks, n, m);
    case 'psi':
      return correctedPsi();
    case 'wasserstein':
      return sizeCorrected(
        statistics.wassersteinScaled,
        finite(Math.sqrt((2 / Math.PI) * (1 / n + 1 / m)) * roughness),
      );
    default:
      return effect satisfies never;
  }
}

/**
 * Compares two binned columns, as profiles keep them. The KS statistic over bins can only be too small, so p-values are
 * conservative: use 20 bins or more. Wasserstein spreads each bin's mass evenly and is at least the distance of the means.
 */
export function compareNumericBinned(
  baseline: BinnedColumn,
  current: BinnedColumn,
  options: NumericCompareOptions = {},
): ColumnComparison {
  if (!sameEdges(baseline, current)) return { outcome: 'undecided', because: 'different-bins' };
  const n = sum(baseline.counts);
  const m = sum(current.counts);
  const sizes: ComparedSizes = {
    baselineRows: n + baseline.missing,
    currentRows: m + current.missing,
    baselineMissing: baseline.missing,
    currentMissing: current.missing,
  };
  const undecided = whyUndecided(sizes, options);
  if (undecided) return undecided;
  const ks = ksFromCounts(baseline.counts, current.counts);
  const statistics = binnedStatistics(baseline, current, ks.statistic);
  if (n === 0 || m === 0) return joinParts(sizes, statistics, undefined, options);
  const effect = options.effect ?? 'ks';
  const part: ComparedPart = {
    ...ksPart(ks),
    effectName: effect,
    // A normal law has roughness 1.806 in units of its deviation; the raw distribution is not known here.
    effect: numericEffect(effect, statistics, { n, m, roughness: 1.806 }, () =>
      psiEffect(baseline.counts, current.counts),
    ),
    effectThreshold: options.thresholds?.values ?? defaultEffectThresholds.numeric[effect],
  };
  return joinParts(sizes, statistics, part, options);
}

function binnedStatistics(baseline: BinnedColumn, current: BinnedColumn, ks: number): NumericStatistics {
  const range = {
    min: Math.min(baseline.moments.min, current.moments.min),
    max: Math.max(baseline.moments.max, current.moments.max),
  };
  const meanGap =
    baseline.moments.count > 0 && current.moments.count > 0
      ? Math.abs(baseline.moments.mean - current.moments.mean)
      : 0;
  const spread = wassersteinFromBins(baseline.counts, current.counts, baseline.edges, range);
  const wasserstein = finite(Math.max(spread, meanGap));
  const deviation = standardDeviation(baseline.moments);
  return {
    kind: 'numeric',
    ks,
    psi: psi(baseline.counts, current.counts),
    wasserstein,
    wassersteinScaled: finite(wasserstein / (deviation > 0 ? deviation : 1)),
    baselineMean: finite(baseline.moments.mean),
    currentMean: finite(current.moments.mean),
  };
}

function sameEdges(a: BinnedColumn, b: BinnedColumn): boolean {
  if (a.counts.length !== b.counts.length || a.counts.length !== a.edges.length + 1) return false;
  if (a.edges === b.edges) return true;
  return a.edges.length === b.edges.length && a.edges.every((edge, i) => edge === b.edges[i]);
}

function sum(counts: Numbers): number {
  let total = 0;
  for (let i = 0; i < counts.length; i++) total += counts[i]!;
  return total;
}

/** Overflow to infinity becomes the largest double, so that results stay plain numbers. */
function finite(x: number): number {
  return Number.isNaN(x) ? 0 : Math.max(-Number.MAX_VALUE, Math.min(x, Number.MAX_VALUE));
}
