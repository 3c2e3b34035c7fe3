import { NumpyArray, PyList, type PyValue } from '../pickle/python-values.ts';
import { asEstimator, dense, type Estimator, fieldColumn, plainLabels } from '../sklearn/records.ts';
import { largest, logistic, softmax } from './shares.ts';
import { transformerOf } from './walk-composition.ts';
import { NotWalkable, type Row, type WritePredictor } from './walked-answer.ts';

/** A histogram-based tree: float64 thresholds, and bitsets of raw categories. */
function histogramTree(value: PyValue, isKnown: (feature: number, category: number) => boolean): (row: Row) => number {
  const predictor = asEstimator(value, 'predictor');
  const nodes = predictor.raw('nodes');
  if (!(nodes instanceof NumpyArray)) throw new NotWalkable('a tree without nodes');
  const column = (name: string): Float64Array => fieldColumn(nodes, name) ?? new Float64Array(nodes.length);
  const threshold = fieldColumn(nodes, 'num_threshold') ?? column('threshold');
  const [isLeaf, feature, left, right, missing, isCategorical, bitset, leaf] = [
    'is_leaf',
    'feature_idx',
    'left',
    'right',
    'missing_go_to_left',
    'is_categorical',
    'bitset_idx',
    'value',
  ].map(column) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const sets = predictor.has('raw_left_cat_bitsets')
    ? predictor.dense('raw_left_cat_bitsets').data
    : new Float64Array();
  return row => {
    let node = 0;
    while (isLeaf[node] !== 1) {
      const x = Number(row[feature[node]!]);
      let isLeft = x <= threshold[node]!;
      if (Number.isNaN(x)) isLeft = missing[node] === 1;
      else if (isCategorical[node] === 1) {
        const word = sets[bitset[node]! * 8 + Math.floor(x / 32)] ?? 0;
        isLeft = isKnown(feature[node]!, x) ? Math.floor(word / 2 ** (x % 32)) % 2 === 1 : missing[node] === 1;
      }
      node = (isLeft ? left : right)[node]!;
    }
    return leaf[node]!;
  };
}

function histogramScores(estimator: Estimator): (row: Row) => number[] {
  const before = estimator.has('_preprocessor')
    ? transformerOf(estimator.child('_preprocessor'))
    : (row: Row): Row => row;
  const mapper = estimator.has('_bin_mapper') ? estimator.child('_bin_mapper') : undefined;
  const bins = mapper?.has('bin_thresholds_') ? mapper.list('bin_thresholds_') : [];
  const known = bins.map(item => new Set(dense(item, 'bin_thresholds_').data));
  const baseline = estimator.dense('_baseline_prediction').data;
  const rounds = estimator.list('_predictors').map(round => {
    if (!(round instanceof PyList)) throw new NotWalkable('a boosting round that is no list');
    return round.items.map(item => histogramTree(item, (feature, category) => known[feature]?.has(category) ?? true));
  });
  return row => {
    const seen = before(row);
    const scores = [...baseline];
    for (const round of rounds)
      round.forEach((tree, column) => {
        scores[column] = scores[column]! + tree(seen);
      });
    return scores;
  };
}

const histogramClassifier: WritePredictor = estimator => {
  const scores = histogramScores(estimator);
  const classes = plainLabels(estimator.labels('classes_'));
  return row => {
    const found = scores(row);
    const shares = found.length === 1 ? [1 - logistic(found[0]!), logistic(found[0]!)] : softmax(found);
    return { ...largest(classes, shares), scores: found };
  };
};

const histogramRegressor: WritePredictor = estimator => {
  const scores = histogramScores(estimator);
  const isLog = /poisson|gamma/.test(estimator.text('loss') ?? '');
  return row => ({ kind: 'values', values: scores(row).map(score => (isLog ? Math.exp(score) : score)) });
};

export const histogramPredictors: Readonly<Record<string, WritePredictor>> = {
  HistGradientBoostingClassifier: histogramClassifier,
  HistGradientBoostingRegressor: histogramRegressor,
};
