import { chiSquareContingency, gTest, ksFromCounts, ksNullMean, lInfinity, psi, psiNullMean } from '@holdfast/stats';
import { type ComparedColumn, coarsen } from './column-cells.ts';

/** One way to measure how far two distributions lie apart. */
export interface Distance {
  readonly name: 'KS distance' | 'L-infinity distance' | 'PSI';
  readonly value: number;
  /** What sampling alone gives on average at these sizes. */
  readonly expected: number;
  /** Smallest distance beyond `expected` that matters, as a multiple of `minimumEffect`. */
  readonly weight: number;
}

/** Shape before detail: the first distance is the one that is shown when none stands out. */
export interface ColumnComparison {
  readonly test: string;
  readonly statistic: number;
  /** Not yet adjusted for the number of columns. */
  readonly pValue: number;
  readonly distances: readonly [Distance, Distance];
}

/** A change of a tenth in a category's share is as rare as one of a fifth in a distribution function. */
const categoryWeight = 0.5;

/** Compares cells of a window, laid out as in a profile, with the baseline's. */
export function compareColumn(column: ComparedColumn, window: ArrayLike<number>): ColumnComparison {
  return compareCells(column, column.cells, column.coarse, window);
}

/** As {@link compareColumn} against other baseline counts, such as the baseline without some of its blocks. */
export function compareCells(
  column: ComparedColumn,
  baseline: Float64Array,
  coarseBaseline: Float64Array,
  window: ArrayLike<number>,
): ColumnComparison {
  const coarse = coarsen(window, column.coarseOf);
  const n = sum(coarseBaseline);
  const m = sum(coarse);
  const cells = coarse.reduce((used, count, i) => used + (count + coarseBaseline[i]! > 0 ? 1 : 0), 0);
  const stability: Distance = {
    name: 'PSI',
    value: psi(coarseBaseline, coarse),
    expected: n > 0 && m > 0 ? psiNullMean(cells, n, m) : 0,
    weight: 1,
  };
  if (column.reference.kind === 'categorical') return compareCategories(coarseBaseline, coarse, n, m, stability);
  const bins = column.planned.cells - 1;
  const ks = ksFromCounts(
    baseline.subarray(0, bins),
    Array.from({ length: bins }, (_, i) => window[i]!),
  );
  // KS sees a shift, chi-square over tenths a change of spread or of missing values; asking both doubles the p-value.
  const chiSquare = chiSquareContingency([coarseBaseline, coarse], { mergeBelow: 5 });
  const values = n - baseline[bins]!;
  const valuesNow = m - window[bins]!;
  const isShift = ks.pValue <= chiSquare.pValue;
  return {
    test: isShift ? 'two-sample KS' : 'two-sample chi-square over tenths',
    statistic: isShift ? ks.statistic : chiSquare.statistic,
    pValue: Math.min(1, 2 * Math.min(ks.pValue, chiSquare.pValue)),
    distances: [
      {
        name: 'KS distance',
        value: ks.statistic,
        expected: values > 0 && valuesNow > 0 ? ksNullMean(values, valuesNow) : 0,
        weight: 1,
      },
      stability,
    ],
  };
}

function compareCategories(
  baseline: Float64Array,
  window: Float64Array,
  n: number,
  m: number,
  stability: Distance,
): ColumnComparison {
  const isSparse = baseline.some((count, i) => count + window[i]! > 0 && ((count + window[i]!) * m) / (n + m) < 5);
  const test = isSparse ? gTest : chiSquareContingency;
  const { statistic, pValue } = test([baseline, window], { mergeBelow: 5 });
  return {
    test: isSparse ? 'G test' : 'two-sample chi-square',
    statistic,
    pValue,
    distances: [
      {
        name: 'L-infinity distance',
        value: lInfinity(baseline, window),
        // Mean of |p - q| of the most variable cell: sqrt(2 / pi) times its standard deviation.
        expected: n > 0 && m > 0 ? Math.sqrt((2 / Math.PI) * largestSpread(baseline, window) * (1 / n + 1 / m)) : 0,
        weight: categoryWeight,
      },
      stability,
    ],
  };
}

function largestSpread(baseline: Float64Array, window: Float64Array): number {
  const total = sum(baseline) + sum(window);
  let largest = 0;
  for (const [i, count] of baseline.entries()) {
    const share = (count + window[i]!) / total;
    largest = Math.max(largest, share * (1 - share));
  }
  return largest;
}

function sum(counts: Float64Array): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
