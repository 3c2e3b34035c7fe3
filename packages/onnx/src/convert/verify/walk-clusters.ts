import type { Dense, Estimator } from '../sklearn/records.ts';
import { largest, softmax } from './shares.ts';
import type { Predictor, Row, WritePredictor } from './walked-answer.ts';

/** Distances of a row to the centres. */
function centerDistances(estimator: Estimator): (row: Row) => number[] {
  const centers = estimator.dense('cluster_centers_');
  const [count = 0, width = 0] = centers.dims;
  return row =>
    Array.from({ length: count }, (_, c) =>
      Math.sqrt(row.reduce((sum: number, x, i) => sum + (Number(x) - centers.data[c * width + i]!) ** 2, 0)),
    );
}

const kMeans: WritePredictor = estimator => {
  const distancesOf = centerDistances(estimator);
  return row => {
    const distances = distancesOf(row);
    const { index, gap } = largest(
      [...distances.keys()],
      distances.map(distance => -distance),
    );
    return { kind: 'cluster', index, distances, gap };
  };
};

/** The factor of a component's precision, one entry at a time. */
function precisionFactor(factors: Dense, kind: string, features: number): (c: number, i: number, j: number) => number {
  switch (kind) {
    case 'full':
      return (c, i, j) => factors.data[(c * features + i) * features + j]!;
    case 'tied':
      return (_, i, j) => factors.data[i * features + j]!;
    case 'diag':
      return (c, i, j) => (i === j ? factors.data[c * features + i]! : 0);
    default:
      return (c, i, j) => (i === j ? factors.data[c]! : 0);
  }
}

/** Weight times normal density of every component, divided by their sum. */
function gaussianMixture(estimator: Estimator): Predictor {
  const means = estimator.dense('means_');
  const [components = 0, features = 0] = means.dims;
  const kind = estimator.text('covariance_type') ?? 'full';
  const factor = precisionFactor(estimator.dense('precisions_cholesky_'), kind, features);
  const weights = estimator.dense('weights_').data;
  const known = Array.from({ length: components }, (_, c) => c);
  return row => {
    const logs = known.map(c => {
      let log = Math.log(weights[c]!) - (features / 2) * Math.log(2 * Math.PI);
      for (let j = 0; j < features; j++) {
        let whitened = 0;
        for (let i = 0; i < features; i++)
          whitened += (Number(row[i]) - means.data[c * features + i]!) * factor(c, i, j);
        log += Math.log(factor(c, j, j)) - 0.5 * whitened * whitened;
      }
      return log;
    });
    return largest(known, softmax(logs));
  };
}

export const clusterPredictors: Readonly<Record<string, WritePredictor>> = {
  KMeans: kMeans,
  MiniBatchKMeans: kMeans,
  GaussianMixture: gaussianMixture,
};

export const clusterTransforms: Readonly<Record<string, (estimator: Estimator) => (row: Row) => Row>> = {
  KMeans: centerDistances,
  MiniBatchKMeans: centerDistances,
};
