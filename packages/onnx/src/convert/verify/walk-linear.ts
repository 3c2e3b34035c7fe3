import { dense, type Estimator, plainLabels } from '../sklearn/records.ts';
import { largest, softmax } from './walk-boosters.ts';
import { NotWalkable } from './walk-transforms.ts';
import type { Predictor } from './walked-answer.ts';

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/** w x + b per output; weights are one row per output. */
function affine(estimator: Estimator, name = 'coef_'): (row: readonly number[]) => number[] {
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

/** One sigmoid for two classes, softmax for more. */
function linearDiscriminant(estimator: Estimator): Predictor {
  const scores = affine(estimator);
  const classes = plainLabels(estimator.labels('classes_'));
  return row => {
    const found = scores(row.map(Number));
    const p = logistic(found[0]!);
    const shares = found.length === 1 ? [1 - p, p] : softmax(found);
    const answer = largest(classes, shares);
    return answer.kind === 'classes' ? { ...answer, scores: found } : answer;
  };
}

/** Gaussians with a covariance each, given by rotations and variances along them. */
function quadraticDiscriminant(estimator: Estimator): Predictor {
  const classes = plainLabels(estimator.labels('classes_'));
  const means = estimator.dense('means_').data;
  const priors = estimator.dense('priors_').data;
  const rotations = estimator.list('rotations_').map(item => dense(item, 'rotations_'));
  const variances = estimator.list('scalings_').map(item => dense(item, 'scalings_').data);
  return row => {
    const logs = classes.map((_, c) => {
      const { data, dims } = rotations[c]!;
      const [features = 0, axes = 0] = dims;
      let log = Math.log(priors[c]!);
      for (let axis = 0; axis < axes; axis++) {
        let along = 0;
        for (let i = 0; i < features; i++)
          along += (Number(row[i]) - means[c * features + i]!) * data[i * axes + axis]!;
        log -= 0.5 * (along ** 2 / variances[c]![axis]! + Math.log(variances[c]![axis]!));
      }
      return log;
    });
    return largest(classes, softmax(logs));
  };
}

/** Sums of log probabilities of the columns that are above the threshold, and of their complements below it. */
function bernoulliBayes(estimator: Estimator): Predictor {
  const classes = plainLabels(estimator.labels('classes_'));
  const logs = estimator.dense('feature_log_prob_');
  const features = logs.dims[1] ?? 0;
  const priors = estimator.dense('class_log_prior_').data;
  const threshold = estimator.number('binarize');
  return row =>
    largest(
      classes,
      softmax(
        classes.map((_, c) => {
          let sum = priors[c]!;
          for (let i = 0; i < features; i++) {
            const x = threshold === undefined ? Number(row[i]) : Number(Number(row[i]) > threshold);
            const log = logs.data[c * features + i]!;
            sum += x * log + (1 - x) * Math.log(1 - Math.exp(log));
          }
          return sum;
        }),
      ),
    );
}

function complementBayes(estimator: Estimator): Predictor {
  const classes = plainLabels(estimator.labels('classes_'));
  if (classes.length === 1) throw new NotWalkable('ComplementNB of one class');
  const { data, dims } = estimator.dense('feature_log_prob_');
  const features = dims[1] ?? 0;
  return row =>
    largest(
      classes,
      softmax(classes.map((_, c) => row.reduce((sum: number, x, i) => sum + Number(x) * data[c * features + i]!, 0))),
    );
}

/** A straight line between -1 and 1 in place of the sigmoid; where every class has none, all have the same. */
export function huberShares(scores: readonly number[]): number[] {
  const each = scores.map(score => (Math.min(1, Math.max(-1, score)) + 1) / 2);
  if (each.length === 1) return [1 - each[0]!, each[0]!];
  const sum = each.reduce((total, p) => total + p, 0);
  return each.map(p => (sum === 0 ? 1 / each.length : p / sum));
}

const regressors = [
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

export const linearPredictors: Readonly<Record<string, (estimator: Estimator) => Predictor>> = {
  ...Object.fromEntries(regressors.map(name => [name, plain])),
  PoissonRegressor: generalized,
  GammaRegressor: generalized,
  TweedieRegressor: generalized,
  PLSRegression: partialLeastSquares,
  LinearDiscriminantAnalysis: linearDiscriminant,
  QuadraticDiscriminantAnalysis: quadraticDiscriminant,
  BernoulliNB: bernoulliBayes,
  ComplementNB: complementBayes,
};
