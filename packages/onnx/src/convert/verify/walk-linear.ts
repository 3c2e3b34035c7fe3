import { type Estimator, plainLabels } from '../sklearn/records.ts';
import { largest, logistic, softmax } from './shares.ts';
import type { Predictor, WritePredictor } from './walked-answer.ts';

/** w x + b per output; weights are one row per output. */
export function affine(estimator: Estimator, name = 'coef_'): (row: readonly number[]) => number[] {
  const { data, dims } = estimator.dense(name);
  const outputs = dims.length > 1 ? dims[0]! : 1;
  const features = data.length / outputs;
  const bias = estimator.dense('intercept_').data;
  return row =>
    Array.from({ length: outputs }, (_, o) => {
      let sum = bias[bias.length === 1 ? 0 : o]!;
      for (let i = 0; i < features; i++) sum += data[o * features + i]! * row[i]!;
      return sum;
    });
}

const plain = (estimator: Estimator): Predictor => {
  const scores = affine(estimator);
  return row => ({ kind: 'values', values: scores(row.map(Number)) });
};

/** The inverse of the link: exp where the link is a logarithm. */
function generalized(estimator: Estimator): Predictor {
  const scores = affine(estimator);
  const link = estimator.text('link') ?? 'auto';
  const isTweedie = estimator.className === 'TweedieRegressor';
  const isLog = link === 'log' || (link === 'auto' && (!isTweedie || (estimator.number('power') ?? 0) > 0));
  return row => ({ kind: 'values', values: scores(row.map(Number)).map(score => (isLog ? Math.exp(score) : score)) });
}

/** Centred (and, until 1.2, scaled) columns times the coefficients. */
function partialLeastSquares(estimator: Estimator): Predictor {
  const mean = estimator.dense('_x_mean').data;
  const isScaled = estimator.has('_coef_');
  const scale = isScaled ? estimator.dense('_x_std').data : undefined;
  const scores = affine(estimator, isScaled ? '_coef_' : 'coef_');
  return row => ({ kind: 'values', values: scores(row.map((x, i) => (Number(x) - mean[i]!) / (scale?.[i] ?? 1))) });
}

/** A straight line between -1 and 1 in place of the sigmoid; where every class has none, all have the same. */
function huberShares(scores: readonly number[]): number[] {
  const each = scores.map(score => (Math.min(1, Math.max(-1, score)) + 1) / 2);
  if (each.length === 1) return [1 - each[0]!, each[0]!];
  const sum = each.reduce((total, p) => total + p, 0);
  return each.map(p => (sum === 0 ? 1 / each.length : p / sum));
}

/** Decision by the sign of one score or by the largest of several. */
function byScores(estimator: Estimator, shares?: (scores: readonly number[]) => readonly number[]): Predictor {
  const scores = affine(estimator);
  const isHeldApart = !estimator.has('classes_') && estimator.has('_label_binarizer');
  const holder = isHeldApart ? estimator.child('_label_binarizer') : estimator;
  const classes = plainLabels(holder.labels('classes_'));
  return row => {
    const found = scores(row.map(Number));
    const { shares: _, ...decision } = largest(classes, found.length === 1 ? [-found[0]!, found[0]!] : found);
    return { ...decision, scores: found, ...(shares !== undefined && { shares: shares(found) }) };
  };
}

function oneVersusRest(scores: readonly number[]): number[] {
  if (scores.length === 1) return [1 - logistic(scores[0]!), logistic(scores[0]!)];
  const each = scores.map(logistic);
  const sum = each.reduce((total, p) => total + p, 0);
  return each.map(p => p / sum);
}

const logisticRegression: WritePredictor = estimator => {
  const classes = estimator.labels('classes_').values.length;
  const mode = estimator.text('multi_class') ?? 'auto';
  const isPerClass =
    mode === 'ovr' ||
    mode === 'warn' ||
    (mode === 'auto' && (classes === 2 || /liblinear|warn/.test(estimator.text('solver') ?? '')));
  return byScores(estimator, scores => {
    if (isPerClass) return oneVersusRest(scores);
    if (scores.length > 1) return softmax(scores);
    // A missing mode means the automatic choice, which is one sigmoid for two classes.
    return mode === 'multinomial' ? softmax([-scores[0]!, scores[0]!]) : oneVersusRest(scores);
  });
};

const sgdClassifier: WritePredictor = estimator => {
  const loss = estimator.text('loss') ?? '';
  if (loss === 'modified_huber') return byScores(estimator, huberShares);
  return byScores(estimator, loss.startsWith('log') ? oneVersusRest : undefined);
};

const regressors = [
  'LinearRegression',
  'Ridge',
  'RidgeCV',
  'Lasso',
  'LassoCV',
  'ElasticNet',
  'ElasticNetCV',
  'LinearSVR',
  'SGDRegressor',
  'HuberRegressor',
  'BayesianRidge',
  'ARDRegression',
  'LassoLars',
  'LassoLarsCV',
  'LassoLarsIC',
  'Lars',
  'LarsCV',
  'MultiTaskLasso',
  'MultiTaskLassoCV',
  'MultiTaskElasticNet',
  'MultiTaskElasticNetCV',
  'OrthogonalMatchingPursuit',
  'OrthogonalMatchingPursuitCV',
  'TheilSenRegressor',
  'PassiveAggressiveRegressor',
  'QuantileRegressor',
];

/** Classifiers that only decide. */
const deciders = ['RidgeClassifier', 'RidgeClassifierCV', 'LinearSVC', 'Perceptron', 'PassiveAggressiveClassifier'];

export const linearPredictors: Readonly<Record<string, WritePredictor>> = {
  ...Object.fromEntries(regressors.map(name => [name, plain])),
  PoissonRegressor: generalized,
  GammaRegressor: generalized,
  TweedieRegressor: generalized,
  PLSRegression: partialLeastSquares,
  LogisticRegression: logisticRegression,
  LogisticRegressionCV: logisticRegression,
  SGDClassifier: sgdClassifier,
  ...Object.fromEntries(deciders.map(name => [name, (estimator: Estimator): Predictor => byScores(estimator)])),
};
