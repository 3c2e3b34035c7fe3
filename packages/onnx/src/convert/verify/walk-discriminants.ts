import { dense, type Estimator, plainLabels } from '../sklearn/records.ts';
import { largest, logistic, softmax } from './shares.ts';
import { affine } from './walk-linear.ts';
import type { Predictor, Row, WritePredictor } from './walked-answer.ts';

/** One sigmoid for two classes, softmax for more. */
function linearDiscriminant(estimator: Estimator): Predictor {
  const scores = affine(estimator);
  const classes = plainLabels(estimator.labels('classes_'));
  return row => {
    const found = scores(row.map(Number));
    const p = logistic(found[0]!);
    const shares = found.length === 1 ? [1 - p, p] : softmax(found);
    return { ...largest(classes, shares), scores: found };
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

export const discriminantPredictors: Readonly<Record<string, WritePredictor>> = {
  LinearDiscriminantAnalysis: linearDiscriminant,
  QuadraticDiscriminantAnalysis: quadraticDiscriminant,
};

/** Rows less the overall mean, along the directions that tell the classes apart. */
function discriminantAxes(estimator: Estimator): (row: Row) => Row {
  const mean = estimator.dense('xbar_').data;
  const { data, dims } = estimator.dense('scalings_');
  const [features = 0, axes = 0] = dims;
  const kept = Math.min(axes, estimator.number('_max_components') ?? axes);
  return row =>
    Array.from({ length: kept }, (_, axis) => {
      let along = 0;
      for (let i = 0; i < features; i++) along += (Number(row[i]) - mean[i]!) * data[i * axes + axis]!;
      return along;
    });
}

export const discriminantTransforms: Readonly<Record<string, (estimator: Estimator) => (row: Row) => Row>> = {
  LinearDiscriminantAnalysis: discriminantAxes,
};
