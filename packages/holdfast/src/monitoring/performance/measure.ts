import type { Task } from '@holdfast/api';
import { brier, expectedCalibrationError, logLoss, multiclassLogLoss, rocAuc } from '@holdfast/stats';
import type { ColumnValues } from '../profiles/column-values.ts';
import type { BaselineMetric } from '../profiles/reference.ts';
import type { ScoredRows } from './scored-rows.ts';
import { classReader, isSameClass } from './truth.ts';

/** Realised performance: every metric that the task and the rows allow. */
export interface Measured {
  /** Rows that could be used. */
  readonly labelled: number;
  readonly metrics: Readonly<Record<string, BaselineMetric>>;
}

const nothing: Measured = { labelled: 0, metrics: {} };

/** Measures the predictions of a task against their ground truth. */
export function measure(task: Task, rows: ScoredRows): Measured {
  switch (task.kind) {
    case 'binary':
      return measureBinary(task, rows);
    case 'multiclass':
      return measureMulticlass(task, rows);
    case 'regression':
      return measureRegression(task, rows);
    case 'none':
      return nothing;
    default:
      return task satisfies never;
  }
}

function measureBinary(task: Extract<Task, { kind: 'binary' }>, rows: ScoredRows): Measured {
  const scores = numbersOf(rows.columnOf(task.score), rows.rows);
  if (scores === undefined) return nothing;
  const isPositive = classReader([task.positiveClass]);
  const labels = task.label === undefined ? undefined : textsOf(rows.columnOf(task.label));
  const truth = new Float64Array(rows.rows);
  const correct = new Float64Array(rows.rows);
  const squares = new Float64Array(rows.rows);
  const losses = new Float64Array(rows.rows);
  let positives = 0;
  for (let row = 0; row < rows.rows; row++) {
    const isTrue = isPositive(rows.truth[row]!) === 0;
    const score = scores[row]!;
    const predicted = labels?.(row);
    const isPredicted = predicted === undefined ? score >= task.threshold : isPositive(predicted) === 0;
    truth[row] = isTrue ? 1 : 0;
    if (isTrue) positives++;
    correct[row] = isTrue === isPredicted ? 1 : 0;
    squares[row] = (score - truth[row]!) ** 2;
    losses[row] = -Math.log(Math.max(smallestProbability, isTrue ? score : 1 - score));
  }
  const auc = rocAuc(truth, scores);
  return {
    labelled: rows.rows,
    metrics: collect({
      roc_auc:
        auc === undefined ? undefined : { value: auc, standardError: aucError(auc, positives, rows.rows - positives) },
      accuracy: shareOf(correct),
      log_loss: withValue(logLoss(truth, scores), meanOf(losses)),
      brier: withValue(brier(truth, scores), meanOf(squares)),
      ece: withValue(expectedCalibrationError(truth, scores), undefined),
      positive_rate: shareOf(truth),
    }),
  };
}

/** Keeps a single certain mistake from making the mean infinite (as scikit-learn does, with the double's epsilon). */
const smallestProbability = 2.220446049250313e-16;

function measureMulticlass(task: Extract<Task, { kind: 'multiclass' }>, rows: ScoredRows): Measured {
  const classes = task.classes;
  const classOf = classReader(classes);
  const scores = task.scores.map(name => numbersOf(rows.columnOf(name), rows.rows));
  const hasScores = scores.length > 0 && scores.every(column => column !== undefined);
  const labels = task.label === undefined ? undefined : textsOf(rows.columnOf(task.label));
  if (!hasScores && labels === undefined) return nothing;
  const truth = Float64Array.from(rows.truth, classOf);
  const correct = new Float64Array(rows.rows);
  const probabilities = new Float64Array(hasScores ? rows.rows * classes.length : 0);
  for (let row = 0; row < rows.rows; row++) {
    let best = -1;
    for (let k = 0; hasScores && k < scores.length; k++) {
      const score = scores[k]![row]!;
      probabilities[row * classes.length + k] = score;
      if (best < 0 || score > scores[best]![row]!) best = k;
    }
    const predicted = labels?.(row) ?? classes[best] ?? '';
    correct[row] = isSameClass(predicted, rows.truth[row]!) ? 1 : 0;
  }
  const logarithmic = hasScores ? multiclassLogLoss(truth, probabilities, classes.length) : undefined;
  return {
    labelled: rows.rows,
    metrics: collect({
      accuracy: shareOf(correct),
      log_loss: withValue(logarithmic, classLosses(truth, probabilities, classes.length)),
    }),
  };
}

/** Spread of the single losses, for the error of their mean. */
function classLosses(truth: Float64Array, probabilities: Float64Array, classes: number): BaselineMetric | undefined {
  const losses: number[] = [];
  for (let row = 0; probabilities.length > 0 && row < truth.length; row++) {
    if (truth[row]! < 0) continue;
    let total = 0;
    for (let k = 0; k < classes; k++) total += probabilities[row * classes + k]!;
    losses.push(-Math.log(Math.max(smallestProbability, probabilities[row * classes + truth[row]!]! / total)));
  }
  return meanOf(Float64Array.from(losses));
}

function measureRegression(task: Extract<Task, { kind: 'regression' }>, rows: ScoredRows): Measured {
  const predicted = numbersOf(rows.columnOf(task.value), rows.rows);
  if (predicted === undefined) return nothing;
  const errors: number[] = [];
  for (let row = 0; row < rows.rows; row++) {
    const text = rows.truth[row]!.trim();
    const error = predicted[row]! - (text === '' ? Number.NaN : Number(text));
    if (Number.isFinite(error)) errors.push(error);
  }
  if (errors.length === 0) return nothing;
  const absolute = meanOf(Float64Array.from(errors, Math.abs));
  const squared = meanOf(Float64Array.from(errors, error => error * error));
  return {
    labelled: errors.length,
    metrics: collect({ mae: absolute, rmse: squared && rootOf(squared), bias: meanOf(Float64Array.from(errors)) }),
  };
}

/** Delta method: the error of a root is that of its square, divided by twice the root. */
function rootOf({ value, standardError }: BaselineMetric): BaselineMetric {
  const root = Math.sqrt(value);
  return { value: root, standardError: standardError !== null && root > 0 ? standardError / (2 * root) : null };
}

/** Mean of the finite values with its standard error; undefined when there is none. */
function meanOf(values: Float64Array): BaselineMetric | undefined {
  let count = 0;
  let mean = 0;
  let squares = 0;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    count++;
    const delta = value - mean;
    mean += delta / count;
    squares += delta * (value - mean);
  }
  if (count === 0) return undefined;
  return { value: mean, standardError: count > 1 ? Math.sqrt(squares / (count - 1) / count) : null };
}

/** Share of ones, with the error of Agresti and Coull 1998, which stays above 0 when all rows agree. */
function shareOf(ones: Float64Array): BaselineMetric | undefined {
  const mean = meanOf(ones);
  if (mean === undefined) return undefined;
  const rows = ones.length + 4;
  const centre = (mean.value * ones.length + 2) / rows;
  return { value: mean.value, standardError: Math.sqrt((centre * (1 - centre)) / rows) };
}

/** Standard error of the area under the ROC curve (Hanley and McNeil 1982). */
export function aucError(auc: number, positives: number, negatives: number): number | null {
  if (positives === 0 || negatives === 0) return null;
  // A perfect ranking of few rows is no certainty: half a row of either class might have been wrong.
  const most = 1 - 0.5 / Math.min(positives, negatives);
  const area = Math.min(most, Math.max(1 - most, auc));
  const q1 = area / (2 - area);
  const q2 = (2 * area * area) / (1 + area);
  const variance =
    (area * (1 - area) + (positives - 1) * (q1 - area * area) + (negatives - 1) * (q2 - area * area)) /
    (positives * negatives);
  return Math.sqrt(Math.max(0, variance));
}

function withValue(value: number | undefined, spread: BaselineMetric | undefined): BaselineMetric | undefined {
  return value === undefined ? undefined : { value, standardError: spread?.standardError ?? null };
}

function collect(metrics: Readonly<Record<string, BaselineMetric | undefined>>): Record<string, BaselineMetric> {
  const known: Record<string, BaselineMetric> = {};
  for (const [name, metric] of Object.entries(metrics)) if (metric !== undefined) known[name] = metric;
  return known;
}

function numbersOf(values: ColumnValues | undefined, rows: number): Float64Array | undefined {
  if (values === undefined) return undefined;
  if (values.kind === 'numeric') return values.values;
  const numberOf = values.dictionary.map(text => (text.trim() === '' ? Number.NaN : Number(text)));
  return Float64Array.from({ length: rows }, (_, row) => numberOf[values.codes[row]!] ?? Number.NaN);
}

function textsOf(values: ColumnValues | undefined): ((row: number) => string) | undefined {
  if (values === undefined) return undefined;
  if (values.kind === 'numeric') return row => String(values.values[row]!);
  return row => values.dictionary[values.codes[row]!] ?? '';
}
