import type { Numbers } from '../sorting.ts';
import { chiSquareSf } from '../special.ts';
import type { TestResultWithDegrees } from '../two-sample/test-result.ts';

export interface ContingencyOptions {
  /**
   * Columns with an expected count below this in any row are merged, smallest first, until all reach it. 0 merges none;
   * 5 is Cochran's advice. @default 0
   */
  readonly mergeBelow?: number;
  /** Yates' continuity correction where one degree of freedom is left. @default false */
  readonly yates?: boolean;
}

/**
 * Chi-square test that the rows of a table share one distribution over its columns (two samples: two rows). Columns and
 * rows that are empty are left out; less than two of either gives statistic 0 and p-value 1.
 * @throws RangeError when the rows differ in length or a count is negative or not finite.
 */
export function chiSquareContingency(
  table: readonly Numbers[],
  options: ContingencyOptions = {},
): TestResultWithDegrees {
  return contingencyTest(table, options, chiSquareTerm);
}

/** Likelihood ratio (G) test of the same hypothesis; better than chi-square with sparse cells. */
export function gTest(table: readonly Numbers[], options: ContingencyOptions = {}): TestResultWithDegrees {
  return contingencyTest(table, options, gTerm);
}

function chiSquareTerm(observed: number, expected: number): number {
  return (observed - expected) ** 2 / expected;
}

function gTerm(observed: number, expected: number): number {
  return observed > 0 ? 2 * observed * Math.log(observed / expected) : 0;
}

function contingencyTest(
  table: readonly Numbers[],
  options: ContingencyOptions,
  term: (observed: number, expected: number) => number,
): TestResultWithDegrees {
  const rows = usedRows(table);
  const columns = mergeSmallColumns(columnsOf(rows), options.mergeBelow ?? 0);
  const rowTotals = rows.map((_, r) => columns.reduce((sum, column) => sum + column[r]!, 0));
  const total = rowTotals.reduce((sum, count) => sum + count, 0);
  const degreesOfFreedom = Math.max(0, rows.length - 1) * Math.max(0, columns.length - 1);
  if (degreesOfFreedom === 0) return { statistic: 0, pValue: 1, degreesOfFreedom: 0 };
  const corrects = options.yates === true && degreesOfFreedom === 1;
  let statistic = 0;
  for (const column of columns) {
    const columnTotal = column.reduce((sum, count) => sum + count, 0);
    for (const [r, observed] of column.entries()) {
      const expected = (columnTotal * rowTotals[r]!) / total;
      const shift = corrects ? Math.min(0.5, Math.abs(observed - expected)) * Math.sign(expected - observed) : 0;
      statistic += term(observed + shift, expected);
    }
  }
  return { statistic, pValue: chiSquareSf(statistic, degreesOfFreedom), degreesOfFreedom };
}

function usedRows(table: readonly Numbers[]): readonly Numbers[] {
  const width = table[0]?.length ?? 0;
  return table.filter(row => {
    if (row.length !== width) throw new RangeError('All rows of the table must have the same length.');
    let total = 0;
    for (let i = 0; i < width; i++) {
      if (!(row[i]! >= 0) || row[i] === Number.POSITIVE_INFINITY) throw new RangeError(`A count cannot be ${row[i]}.`);
      total += row[i]!;
    }
    return total > 0;
  });
}

function columnsOf(rows: readonly Numbers[]): number[][] {
  const columns: number[][] = [];
  for (let c = 0; c < (rows[0]?.length ?? 0); c++) {
    const column = rows.map(row => row[c]!);
    if (column.some(count => count > 0)) columns.push(column);
  }
  return columns;
}

/** Merges the two smallest columns until every expected count reaches the limit or only two columns are left. */
function mergeSmallColumns(columns: number[][], limit: number): number[][] {
  if (limit <= 0 || columns.length <= 2) return columns;
  const sum = (column: readonly number[]): number => column.reduce((total, count) => total + count, 0);
  const total = columns.reduce((all, column) => all + sum(column), 0);
  const smallestRow = Math.min(...columns[0]!.map((_, r) => columns.reduce((all, column) => all + column[r]!, 0)));
  const needed = (limit * total) / smallestRow;
  const bySize = columns.map(column => ({ column, size: sum(column) })).sort((a, b) => b.size - a.size);
  const kept = bySize.filter(({ size }) => size >= needed).map(({ column }) => column);
  const small = bySize.filter(({ size }) => size < needed);
  let pool: { column: number[]; size: number } | undefined;
  for (const next of small.reverse()) {
    pool = pool
      ? { column: pool.column.map((count, r) => count + next.column[r]!), size: pool.size + next.size }
      : next;
    if (pool.size >= needed) {
      kept.push(pool.column);
      pool = undefined;
    }
  }
  const leftover = pool?.column;
  if (!leftover) return kept;
  const neighbour = kept.length >= 2 ? kept.pop() : undefined;
  kept.push(neighbour ? neighbour.map((count, r) => count + leftover[r]!) : leftover);
  return kept;
}

/**
 * Chi-square goodness of fit of observed counts against expected shares, which are scaled to the observed total. Use it
 * only when the expected shares are known exactly; for a sampled baseline use {@link chiSquareContingency}, because this
 * test would raise false alarms.
 */
export function chiSquareGoodnessOfFit(observed: Numbers, expected: Numbers): TestResultWithDegrees {
  let n = 0;
  let m = 0;
  for (let i = 0; i < observed.length; i++) {
    n += observed[i]!;
    m += expected[i] ?? 0;
  }
  if (n === 0 || m === 0) return { statistic: 0, pValue: 1, degreesOfFreedom: 0 };
  let statistic = 0;
  for (let i = 0; i < observed.length; i++) {
    const scaled = (expected[i]! * n) / m;
    if (scaled > 0) statistic += (observed[i]! - scaled) ** 2 / scaled;
    else if (observed[i]! > 0) statistic = Number.POSITIVE_INFINITY;
  }
  const degreesOfFreedom = observed.length - 1;
  return { statistic, pValue: chiSquareSf(statistic, degreesOfFreedom), degreesOfFreedom };
}

/** Cramer's V, the chi-square statistic scaled to [0, 1]; Bergsma's bias correction on request. */
export function cramersV(table: readonly Numbers[], biasCorrected = false): number {
  const { statistic, degreesOfFreedom } = chiSquareContingency(table);
  const rows = usedRows(table);
  const columns = columnsOf(rows).length;
  const total = rows.reduce((all, row) => all + Array.from(row).reduce((sum, count) => sum + count, 0), 0);
  if (degreesOfFreedom === 0) return 0;
  const phi2 = statistic / total;
  if (!biasCorrected) return Math.sqrt(phi2 / Math.min(rows.length - 1, columns - 1));
  const corrected = Math.max(0, phi2 - degreesOfFreedom / (total - 1));
  const r = rows.length - (rows.length - 1) ** 2 / (total - 1);
  const c = columns - (columns - 1) ** 2 / (total - 1);
  return Math.sqrt(corrected / Math.min(r - 1, c - 1));
}
