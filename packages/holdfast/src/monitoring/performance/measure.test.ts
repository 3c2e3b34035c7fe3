import type { Task } from '@holdfast/api';
import { expect, test } from 'vitest';
import { monitorsSchema } from '../../config/index.ts';
import type { ColumnValues } from '../profiles/column-values.ts';
import { anytimeFactor, judgePerformance } from './judge-performance.ts';
import { aucError, measure } from './measure.ts';
import { codedValues, type ScoredRows } from './scored-rows.ts';
import { isSameClass } from './truth.ts';

function rowsOf(
  columns: Readonly<Record<string, readonly number[] | readonly string[]>>,
  truth: readonly string[],
): ScoredRows {
  const values = new Map<string, ColumnValues>();
  for (const [name, cells] of Object.entries(columns)) {
    const texts = cells.filter(cell => typeof cell === 'string');
    values.set(
      name,
      texts.length === cells.length && texts.length > 0
        ? codedValues(texts)
        : { kind: 'numeric', values: Float64Array.from(cells, Number) },
    );
  }
  return { rows: truth.length, columnOf: name => values.get(name), truth };
}

const binary: Task = { kind: 'binary', score: 'p', label: 'label', positiveClass: '1', threshold: 0.5 };

test('binary metrics of four rows, by hand', () => {
  const { labelled, metrics } = measure(
    binary,
    rowsOf({ p: [0.9, 0.4, 0.6, 0.2], label: ['1', '0', '1', '0'] }, ['1', 'true', '0', '0.0']),
  );
  expect(labelled).toBe(4);
  // Pairs: (0.9, 0.6) (0.9, 0.2) (0.4, 0.2) are in order, (0.4, 0.6) is not.
  expect(metrics.roc_auc?.value).toBeCloseTo(3 / 4, 12);
  expect(metrics.accuracy?.value).toBe(0.5);
  expect(metrics.brier?.value).toBeCloseTo((0.01 + 0.36 + 0.36 + 0.04) / 4, 12);
  const losses = [0.9, 0.4, 0.4, 0.8].map(p => -Math.log(p));
  expect(metrics.log_loss?.value).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / 4, 12);
  expect(metrics.positive_rate?.value).toBe(0.5);
});

test('one class alone has no ranking, but the rest is measured', () => {
  const { metrics } = measure(binary, rowsOf({ p: [0.9, 0.4] }, ['1', '1']));
  expect(metrics.roc_auc).toBeUndefined();
  expect(metrics.accuracy?.value).toBe(0.5);
});

test('multiclass takes the largest score where the model gives no class', () => {
  const task: Task = { kind: 'multiclass', scores: ['a', 'b', 'c'], classes: ['x', 'y', 'z'] };
  const columns = { a: [0.7, 0.1, 0.2], b: [0.2, 0.8, 0.3], c: [0.1, 0.1, 0.5] };
  const { metrics } = measure(task, rowsOf(columns, ['x', 'z', 'z']));
  expect(metrics.accuracy?.value).toBeCloseTo(2 / 3, 12);
  expect(metrics.log_loss?.value).toBeCloseTo(-(Math.log(0.7) + Math.log(0.1) + Math.log(0.5)) / 3, 12);
});

test('regression leaves rows out whose truth is no number', () => {
  const { labelled, metrics } = measure(
    { kind: 'regression', value: 'v' },
    rowsOf({ v: [1, 2, 4, 9] }, ['2', '2', '2', 'n/a']),
  );
  expect(labelled).toBe(3);
  expect(metrics.mae?.value).toBeCloseTo(1, 12);
  expect(metrics.rmse?.value).toBeCloseTo(Math.sqrt(5 / 3), 12);
  expect(metrics.bias?.value).toBeCloseTo(1 / 3, 12);
});

test('the error of the AUC is that of Hanley and McNeil, and never nought', () => {
  // Q1 = 0.8 / 1.2, Q2 = 1.28 / 1.8: (0.16 + 49 (Q1 - 0.64) + 49 (Q2 - 0.64)) / 2500 = 0.00198044.
  expect(aucError(0.8, 50, 50)! ** 2).toBeCloseTo(0.00198044, 8);
  expect(aucError(1, 100, 100)).toBeGreaterThan(0.001);
  expect(aucError(0.9, 0, 10)).toBeNull();
});

test.each([
  ['1', '1.0', true],
  ['true', '1', true],
  ['False', '0', true],
  ['churned', 'churned', true],
  ['2', '1', false],
  ['', '0', false],
])('classes %j and %j are the same: %s', (a, b, same) => {
  expect(isSameClass(a, b)).toBe(same);
});

const config = monitorsSchema.parse({}).performance;
const reference = {
  source: 'baseline' as const,
  labelled: 10_000,
  metrics: { mae: { value: 10, standardError: 0.05 }, rmse: { value: 14, standardError: 0.1 } },
};
const regression: Task = { kind: 'regression', value: 'v' };

const judged = (mae: number, standardError: number, labelled = 1000) =>
  judgePerformance(
    regression,
    { labelled, metrics: { mae: { value: mae, standardError }, rmse: { value: 14, standardError: 0.1 } } },
    2000,
    reference,
    config,
    0.01,
  );

test('a loss beyond the tolerance is a breach only when chance does not explain it', () => {
  expect(judged(12, 0.1).map(finding => finding.outcome)).toEqual(['breached', 'stable']);
  expect(judged(12, 1)[0]?.outcome).toBe('stable');
  expect(judged(10.1, 0.001)[0]?.outcome).toBe('stable');
  expect(judged(8, 0.1)[0]?.outcome).toBe('stable');
  expect(judged(12, 0.1)[0]?.sentence).toMatch(
    /^Mean absolute error rose to 12 \(between 11\.\d+ and 12\.\d+\) against 10 on the baseline; a loss of 2 % is tolerated \(1,000 labels, 50 % of predictions\)/,
  );
});

test('without enough labels, or without a baseline, nothing is decided', () => {
  expect(judged(99, 0.1, 199)[0]).toMatchObject({ outcome: 'undecided', because: 'too-few-labels' });
  const measured = { labelled: 500, metrics: { mae: { value: 1, standardError: 0.1 } } };
  const [mae, rmse] = judgePerformance(regression, measured, 500, undefined, config, 0.01);
  expect(mae).toMatchObject({ outcome: 'undecided', because: 'no-baseline' });
  expect(rmse).toMatchObject({ outcome: 'undecided' });
});

test('the interval is wider than that of a single look, and not by much', () => {
  // A single look at this level has 3.0 errors to either side.
  for (const labels of [200, 1000, 10_000]) {
    expect(anytimeFactor(labels, 200, 0.0025)).toBeGreaterThan(3.02);
    expect(anytimeFactor(labels, 200, 0.0025)).toBeLessThan(4.6);
  }
});
