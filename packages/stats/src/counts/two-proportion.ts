import { logChoose, normalTwoSided } from '../special.ts';
import type { TestResult } from '../two-sample/test-result.ts';

/** Two-proportion z-test with the pooled share, two-sided. Empty samples or no variation: statistic 0, p-value 1. */
export function twoProportionZ(successesA: number, rowsA: number, successesB: number, rowsB: number): TestResult {
  const pooled = (successesA + successesB) / (rowsA + rowsB);
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / rowsA + 1 / rowsB));
  if (!(error > 0) || !Number.isFinite(error)) return { statistic: 0, pValue: 1 };
  const statistic = (successesA / rowsA - successesB / rowsB) / error;
  return { statistic, pValue: normalTwoSided(statistic) };
}

/** Fisher's exact test of a 2 x 2 table, two-sided: the mass of all tables no likelier than this one. */
export function fisherExact(table: readonly [readonly [number, number], readonly [number, number]]): {
  readonly pValue: number;
} {
  const [[a, b], [c, d]] = table;
  const row = a + b;
  const other = c + d;
  const column = a + c;
  const total = logChoose(row + other, column);
  const logOf = (x: number): number => logChoose(row, x) + logChoose(other, column - x) - total;
  // Tables that are equally likely in exact arithmetic may differ in the last digits here.
  const limit = logOf(a) + 1e-7;
  let pValue = 0;
  for (let x = Math.max(0, column - other); x <= Math.min(row, column); x++) {
    const log = logOf(x);
    if (log <= limit) pValue += Math.exp(log);
  }
  return { pValue: Math.min(1, pValue) };
}
