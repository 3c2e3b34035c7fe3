import { type Estimator, labels, plainLabels } from '../sklearn/records.ts';
import { largest } from './shares.ts';
import { NotWalkable, type Predictor, type Row, type WalkedAnswer } from './walked-answer.ts';

type Distance = (row: Row, table: Float64Array, from: number) => number;

/** Metrics by the names that scikit-learn has for them. @throws NotWalkable for another one */
function distanceOf(estimator: Estimator, features: number): Distance {
  const metric = estimator.text('effective_metric_') ?? estimator.text('metric') ?? 'minkowski';
  if (metric === 'cosine') return cosineDistance(features);
  const powers: Readonly<Record<string, number>> = {
    minkowski: estimator.number('p') ?? 2,
    euclidean: 2,
    l2: 2,
    manhattan: 1,
    cityblock: 1,
    l1: 1,
    chebyshev: Number.POSITIVE_INFINITY,
  };
  const p = powers[metric];
  if (p === undefined) throw new NotWalkable(`${estimator.className} with the metric ${metric}`);
  return (row, table, from) => {
    let sum = 0;
    let most = 0;
    for (let i = 0; i < features; i++) {
      const difference = Math.abs(Number(row[i]) - table[from + i]!);
      most = Math.max(most, difference);
      sum += p === 2 ? difference * difference : difference ** p;
    }
    if (p === Number.POSITIVE_INFINITY) return most;
    return p === 2 ? Math.sqrt(sum) : sum ** (1 / p);
  };
}

function cosineDistance(features: number): Distance {
  return (row, table, from) => {
    let [product, own, other] = [0, 0, 0];
    for (let i = 0; i < features; i++) {
      const x = Number(row[i]);
      const y = table[from + i]!;
      product += x * y;
      own += x * x;
      other += y * y;
    }
    return 1 - product / ((Math.sqrt(own) || 1) * (Math.sqrt(other) || 1));
  };
}

interface Neighbors {
  readonly rows: readonly number[];
  readonly weights: readonly number[];
  /** Whether the row just outside is as far as the last one inside, or a weight is made of rounding. */
  readonly isOpen: boolean;
}

/** Distances closer than this, relative to themselves, are a tie that any search may break its own way. */
const sameDistance = 1e-9;
/** Below this a cosine distance is mostly the rounding of the 1 it is taken from. */
const leastCosine = 1e-5;

function nearestOf(estimator: Estimator): (row: Row) => Neighbors {
  const table = estimator.dense('_fit_X');
  const [count = 0, features = 0] = table.dims;
  const distance = distanceOf(estimator, features);
  const isCosine = (estimator.text('effective_metric_') ?? estimator.text('metric')) === 'cosine';
  const k = estimator.number('n_neighbors') ?? 5;
  const weighting = estimator.text('weights');
  if (weighting !== 'uniform' && weighting !== 'distance')
    throw new NotWalkable(`${estimator.className} with weights of its own`);
  return row => {
    const all = Array.from({ length: count }, (_, i) => ({
      at: i,
      distance: distance(row, table.data, i * features),
    })).sort((a, b) => a.distance - b.distance || a.at - b.at);
    const inside = all.slice(0, k);
    const [last, outside] = [inside.at(-1)?.distance ?? 0, all[k]?.distance ?? Number.POSITIVE_INFINITY];
    const isTied = outside - last <= sameDistance * Math.max(isCosine ? 1 : 0, outside);
    const rows = inside.map(({ at }) => at);
    if (weighting === 'uniform') return { rows, weights: rows.map(() => 1), isOpen: isTied };
    const hasExact = inside.some(one => one.distance === 0);
    const weights = inside.map(one => (hasExact ? Number(one.distance === 0) : 1 / one.distance));
    return { rows, weights, isOpen: isTied || (isCosine && (inside[0]?.distance ?? 0) < leastCosine) };
  };
}

function neighborClassifier(estimator: Estimator): Predictor {
  const find = nearestOf(estimator);
  const y = estimator.dense('_y');
  const outputs = y.dims.length > 1 ? y.dims[1]! : 1;
  const isUniform = estimator.text('weights') === 'uniform';
  const classes = (outputs === 1 ? [estimator.raw('classes_')] : estimator.list('classes_')).map((item, i) =>
    plainLabels(labels(item, `classes_[${i}]`)),
  );
  return row => {
    const { rows, weights, isOpen } = find(row);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const answers = classes.map((known, output): WalkedAnswer => {
      const sums = known.map(() => 0);
      rows.forEach((at, i) => {
        const c = y.data[at * outputs + output]!;
        sums[c] = sums[c]! + weights[i]!;
      });
      const answer = largest(
        known,
        sums.map(sum => sum / total),
      );
      // Equal counts are no matter of rounding: the first class has them.
      return { ...answer, ...(isUniform && { gap: 1 }), isOpen };
    });
    return answers.length === 1 ? answers[0]! : { kind: 'several', answers };
  };
}

function neighborRegressor(estimator: Estimator): Predictor {
  const find = nearestOf(estimator);
  const y = estimator.dense('_y');
  const outputs = y.dims.length > 1 ? y.dims[1]! : 1;
  return row => {
    const { rows, weights, isOpen } = find(row);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const values = Array.from(
      { length: outputs },
      (_, output) => rows.reduce((sum, at, i) => sum + weights[i]! * y.data[at * outputs + output]!, 0) / total,
    );
    return { kind: 'values', values, isOpen };
  };
}

function nearestCentroid(estimator: Estimator): Predictor {
  const centroids = estimator.dense('centroids_');
  const features = centroids.dims[1] ?? 0;
  const distance = distanceOf(estimator, features);
  const known = plainLabels(estimator.labels('classes_'));
  return row => {
    const nearness = known.map((_, c) => -distance(row, centroids.data, c * features));
    const { index, gap } = largest(known, nearness);
    return { kind: 'classes', labels: known, index, gap };
  };
}

export const neighborPredictors: Readonly<Record<string, (estimator: Estimator) => Predictor>> = {
  KNeighborsClassifier: neighborClassifier,
  KNeighborsRegressor: neighborRegressor,
  NearestCentroid: nearestCentroid,
};
