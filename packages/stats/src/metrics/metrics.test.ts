import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  accuracy,
  binaryCounts,
  confusionMatrix,
  f1,
  macroF1,
  precision,
  recall,
  specificity,
} from './classification.ts';
import {
  averagePrecision,
  brier,
  expectedCalibrationError,
  logLoss,
  multiclassLogLoss,
  rocAuc,
} from './probability.ts';
import { regressionMetrics } from './regression.ts';

const truth = [0, 0, 1, 1, 1, 0, 1, 0];
const scores = [0.1, 0.4, 0.35, 0.8, 0.4, 0.2, 0.9, 0.6];

// Expected values by the definitions, checked by hand.
test('ranking metrics count ties half', () => {
  let wins = 0;
  for (const [i, y] of truth.entries()) {
    if (y === 0) continue;
    for (const [j, z] of truth.entries()) {
      if (z === 1) continue;
      wins += scores[i]! > scores[j]! ? 1 : scores[i] === scores[j] ? 0.5 : 0;
    }
  }
  expect(rocAuc(truth, scores)).toBeCloseTo(wins / 16, 12);
  expect(rocAuc([1, 1], [0.2, 0.3])).toBeUndefined();
  expect(averagePrecision([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])).toBeCloseTo(0.8333333333333333, 12);
  expect(averagePrecision([0], [0.1])).toBeUndefined();
});

test('the AUC of random scores equals the pair count, and flips with the sign', () => {
  const rows = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 8 })), { minLength: 2, maxLength: 40 });
  fc.assert(
    fc.property(rows, drawn => {
      const y = drawn.map(([positive]) => (positive ? 1 : 0));
      const s = drawn.map(([, score]) => score);
      const auc = rocAuc(y, s);
      if (auc === undefined) return;
      expect(
        auc +
          rocAuc(
            y,
            s.map(score => -score),
          )!,
      ).toBeCloseTo(1, 12);
      expect(
        rocAuc(
          y,
          s.map(score => Math.exp(score)),
        ),
      ).toBeCloseTo(auc, 12);
    }),
    { numRuns: 100, seed: 1 },
  );
});

test('probability metrics follow their definitions and bound certain mistakes', () => {
  expect(logLoss([1, 0], [0.9, 0.2])).toBeCloseTo((-Math.log(0.9) - Math.log(0.8)) / 2, 12);
  expect(logLoss([1], [0])).toBeCloseTo(36.04365338911715, 9);
  expect(brier([1, 0], [0.9, 0.2])).toBeCloseTo((0.01 + 0.04) / 2, 12);
  expect(expectedCalibrationError([1, 1, 0, 0], [0.95, 0.95, 0.95, 0.05])).toBeCloseTo((0.85 + 0.05) / 4, 12);
  expect(multiclassLogLoss([0, 2], [0.5, 0.25, 0.25, 2, 2, 4], 3)).toBeCloseTo(Math.log(2), 12);
  expect(logLoss([Number.NaN], [0.5])).toBeUndefined();
  expect(() => brier([1], [])).toThrow(RangeError);
});

test('decisions are counted into the four cells and their rates', () => {
  const counts = binaryCounts([1, 1, 1, 0, 0, Number.NaN], [1, 1, 0, 1, 0, 1]);
  expect(counts).toEqual({ truePositive: 2, falseNegative: 1, falsePositive: 1, trueNegative: 1 });
  expect(precision(counts)).toBeCloseTo(2 / 3, 12);
  expect(recall(counts)).toBeCloseTo(2 / 3, 12);
  expect(specificity(counts)).toBe(0.5);
  expect(f1(counts)).toBeCloseTo(2 / 3, 12);
  expect(accuracy([0, 1, 2, 2], [0, 1, 1, 2])).toBe(0.75);
  expect(precision(binaryCounts([1], [0]))).toBeUndefined();
});

test('the confusion matrix has truth in rows, and macro F1 averages classes that occur', () => {
  const matrix = confusionMatrix([0, 0, 1, 2, 9], [0, 1, 1, 2, 0], 4);
  expect([...matrix]).toEqual([1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]);
  expect(macroF1(matrix, 4)).toBeCloseTo((2 / 3 + 2 / 3 + 1) / 3, 12);
  expect(macroF1(new Float64Array(4), 2)).toBeUndefined();
});

test('regression metrics follow their definitions; bias is positive when predictions are too high', () => {
  const metrics = regressionMetrics([1, 2, 3, Number.NaN], [2, 2, 5, 1]);
  expect(metrics.rows).toBe(3);
  expect(metrics.mae).toBeCloseTo(1, 12);
  expect(metrics.rmse).toBeCloseTo(Math.sqrt(5 / 3), 12);
  expect(metrics.bias).toBeCloseTo(1, 12);
  expect(metrics.r2).toBeCloseTo(1 - 5 / 2, 12);
  expect(regressionMetrics([1, 1], [1, 2]).r2).toBeUndefined();
  expect(regressionMetrics([], []).mae).toBeUndefined();
});
