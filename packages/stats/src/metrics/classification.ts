import type { Numbers } from '../sorting.ts';

/** Rows by true and predicted class of a two-class problem. */
export interface BinaryCounts {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly trueNegative: number;
  readonly falseNegative: number;
}

/** Counts decisions; truth and prediction are 1 (positive) or 0, rows with NaN are left out. */
export function binaryCounts(truth: Numbers, predicted: Numbers): BinaryCounts {
  const cells = [0, 0, 0, 0];
  for (let i = 0; i < sameLength(truth, predicted); i++) {
    if (Number.isNaN(truth[i]! + predicted[i]!)) continue;
    const cell = (truth[i]! > 0 ? 2 : 0) + (predicted[i]! > 0 ? 1 : 0);
    cells[cell] = cells[cell]! + 1;
  }
  return { trueNegative: cells[0]!, falsePositive: cells[1]!, falseNegative: cells[2]!, truePositive: cells[3]! };
}

/** Share of rows whose class codes agree, any number of classes; rows with NaN are left out; undefined without rows. */
export function accuracy(truth: Numbers, predicted: Numbers): number | undefined {
  let rows = 0;
  let right = 0;
  for (let i = 0; i < sameLength(truth, predicted); i++) {
    if (Number.isNaN(truth[i]! + predicted[i]!)) continue;
    rows++;
    if (truth[i] === predicted[i]) right++;
  }
  return rows === 0 ? undefined : right / rows;
}

/** Share of predicted positives that are positive; undefined when nothing was predicted positive. */
export function precision(counts: BinaryCounts): number | undefined {
  return share(counts.truePositive, counts.falsePositive);
}

/** Share of positives that were found; undefined without positives. */
export function recall(counts: BinaryCounts): number | undefined {
  return share(counts.truePositive, counts.falseNegative);
}

/** Share of negatives that were left alone; undefined without negatives. */
export function specificity(counts: BinaryCounts): number | undefined {
  return share(counts.trueNegative, counts.falsePositive);
}

/** Harmonic mean of precision and recall; undefined when there is neither a positive nor a predicted positive. */
export function f1(counts: BinaryCounts): number | undefined {
  return share(2 * counts.truePositive, counts.falsePositive + counts.falseNegative);
}

/**
 * Rows by true class (row) and predicted class (column), row-major, `classes` x `classes`. Codes outside 0 .. classes - 1
 * are left out.
 */
export function confusionMatrix(truth: Numbers, predicted: Numbers, classes: number): Float64Array {
  const matrix = new Float64Array(classes * classes);
  for (let i = 0; i < sameLength(truth, predicted); i++) {
    const row = truth[i]!;
    const column = predicted[i]!;
    if (!(row >= 0 && row < classes && column >= 0 && column < classes)) continue;
    const cell = Math.trunc(row) * classes + Math.trunc(column);
    matrix[cell] = matrix[cell]! + 1;
  }
  return matrix;
}

/** Unweighted mean of the classes' F1 over a confusion matrix; classes neither present nor predicted do not count. */
export function macroF1(matrix: Float64Array, classes: number): number | undefined {
  let sum = 0;
  let counted = 0;
  for (let k = 0; k < classes; k++) {
    let present = 0;
    let predicted = 0;
    for (let other = 0; other < classes; other++) {
      present += matrix[k * classes + other]!;
      predicted += matrix[other * classes + k]!;
    }
    if (present + predicted === 0) continue;
    counted++;
    sum += (2 * matrix[k * classes + k]!) / (present + predicted);
  }
  return counted === 0 ? undefined : sum / counted;
}

function share(part: number, rest: number): number | undefined {
  return part + rest === 0 ? undefined : part / (part + rest);
}

function sameLength(truth: Numbers, predicted: Numbers): number {
  if (truth.length !== predicted.length) throw new RangeError('Truth and predictions must have the same length.');
  return truth.length;
}
