import { type Estimator, plainLabels } from '../sklearn/records.ts';
import { largest, softmax } from './shares.ts';
import { NotWalkable, type Predictor, type WritePredictor } from './walked-answer.ts';

const gaussianBayes: WritePredictor = estimator => {
  const means = estimator.dense('theta_');
  const variances = estimator.dense(estimator.has('var_') ? 'var_' : 'sigma_').data;
  const priors = estimator.dense('class_prior_').data;
  const classes = plainLabels(estimator.labels('classes_'));
  const features = means.dims[1]!;
  return row => {
    const logs = classes.map((_, c) => {
      let sum = Math.log(priors[c]!);
      for (let i = 0; i < features; i++) {
        const variance = variances[c * features + i]!;
        sum -=
          0.5 * Math.log(2 * Math.PI * variance) +
          (Number(row[i]) - means.data[c * features + i]!) ** 2 / (2 * variance);
      }
      return sum;
    });
    return largest(classes, softmax(logs));
  };
};

const multinomialBayes: WritePredictor = estimator => {
  const logs = estimator.dense('feature_log_prob_');
  const priors = estimator.dense('class_log_prior_').data;
  const classes = plainLabels(estimator.labels('classes_'));
  const features = logs.dims[1]!;
  return row =>
    largest(
      classes,
      softmax(
        classes.map((_, c) =>
          row.reduce((sum: number, x, i) => sum + Number(x) * logs.data[c * features + i]!, priors[c]!),
        ),
      ),
    );
};

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

export const bayesPredictors: Readonly<Record<string, WritePredictor>> = {
  GaussianNB: gaussianBayes,
  MultinomialNB: multinomialBayes,
  BernoulliNB: bernoulliBayes,
  ComplementNB: complementBayes,
};
