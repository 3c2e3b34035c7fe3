import type { Estimator } from '../sklearn/records.ts';
import type { WritePredictor } from './walked-answer.ts';

/** numpy.interp: flat beyond the ends; of equal points the last one counts. */
export function interpolated(x: number, points: ArrayLike<number>, values: ArrayLike<number>): number {
  const last = points.length - 1;
  if (Number.isNaN(x)) return x;
  if (x < points[0]!) return values[0]!;
  if (x >= points[last]!) return values[last]!;
  let at = 0;
  while (points[at + 1]! <= x) at++;
  return values[at]! + ((values[at + 1]! - values[at]!) / (points[at + 1]! - points[at]!)) * (x - points[at]!);
}

/** A step of an isotonic curve steeper than this turns rounding of its input into a difference. */
const steepest = 1e4;

export interface CurvePoint {
  readonly value: number;
  /** Whether rounding of the input decides the value. */
  readonly isOpen: boolean;
}

/** The fitted curve of an isotonic regression; of one point it is the same everywhere. */
export function isotonicCurve(estimator: Estimator): (x: number) => CurvePoint {
  const isNew = estimator.has('X_thresholds_');
  const points = estimator.dense(isNew ? 'X_thresholds_' : '_necessary_X_').data;
  const values = estimator.dense(isNew ? 'y_thresholds_' : '_necessary_y_').data;
  const last = points.length - 1;
  const isCut = last > 0 && estimator.text('out_of_bounds') !== 'clip';
  return x => {
    const near = 1e-9 * Math.max(1, Math.abs(x));
    const moved = interpolated(x + near, points, values) - interpolated(x - near, points, values);
    const isOutside = isCut && (x < points[0]! || x > points[last]!);
    return {
      value: isOutside ? Number.NaN : interpolated(x, points, values),
      isOpen: Math.abs(moved) > 2 * near * steepest,
    };
  };
}

const isotonicRegression: WritePredictor = estimator => {
  const curve = isotonicCurve(estimator);
  return row => {
    const { value, isOpen } = curve(Number(row[0]));
    return { kind: 'values', values: [value], isOpen };
  };
};

export const isotonicPredictors: Readonly<Record<string, WritePredictor>> = {
  IsotonicRegression: isotonicRegression,
};
