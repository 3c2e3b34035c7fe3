import type { Numbers } from '../sorting.ts';

/** Errors of numeric predictions; rows where either side is NaN are left out. */
export interface RegressionMetrics {
  /** Rows with both a truth and a prediction. */
  readonly rows: number;
  /** Mean absolute error; undefined without rows. */
  readonly mae: number | undefined;
  /** Root of the mean squared error; undefined without rows. */
  readonly rmse: number | undefined;
  /** Mean of prediction less truth: positive when predictions are too high; undefined without rows. */
  readonly bias: number | undefined;
  /** Share of the truth's variance explained; may be negative; undefined when the truth is constant. */
  readonly r2: number | undefined;
}

/** All regression metrics in one pass. @throws RangeError when lengths differ. */
export function regressionMetrics(truth: Numbers, predicted: Numbers): RegressionMetrics {
  if (truth.length !== predicted.length) throw new RangeError('Truth and predictions must have the same length.');
  let rows = 0;
  let absolute = 0;
  let squared = 0;
  let signed = 0;
  let mean = 0;
  let variation = 0;
  for (let i = 0; i < truth.length; i++) {
    const error = predicted[i]! - truth[i]!;
    if (Number.isNaN(error)) continue;
    rows++;
    absolute += Math.abs(error);
    squared += error * error;
    signed += error;
    const delta = truth[i]! - mean;
    mean += delta / rows;
    variation += delta * (truth[i]! - mean);
  }
  if (rows === 0) return { rows, mae: undefined, rmse: undefined, bias: undefined, r2: undefined };
  return {
    rows,
    mae: absolute / rows,
    rmse: Math.sqrt(squared / rows),
    bias: signed / rows,
    r2: variation > 0 ? 1 - squared / variation : undefined,
  };
}

/** Mean absolute error; undefined without rows. */
export function mae(truth: Numbers, predicted: Numbers): number | undefined {
  return regressionMetrics(truth, predicted).mae;
}

/** Root mean squared error; undefined without rows. */
export function rmse(truth: Numbers, predicted: Numbers): number | undefined {
  return regressionMetrics(truth, predicted).rmse;
}

/** Mean signed error, prediction less truth; undefined without rows. */
export function bias(truth: Numbers, predicted: Numbers): number | undefined {
  return regressionMetrics(truth, predicted).bias;
}

/** Coefficient of determination; undefined when the truth is constant or there are no rows. */
export function r2(truth: Numbers, predicted: Numbers): number | undefined {
  return regressionMetrics(truth, predicted).r2;
}
