import { asEstimator, type Estimator, plainLabels } from '../sklearn/records.ts';
import { largest, logistic, softmax } from './shares.ts';
import { leafOf, treeOf } from './walk-tree.ts';
import { asValues, NotWalkable, type Row, type Walking, type WritePredictor } from './walked-answer.ts';

/** Class shares closer to 0 or 1 than this are moved there before their logarithm is taken. */
const leastShare = 2 ** -23;

/** What a row scores before the first tree: priors, a constant, or what a fitted regressor predicts. */
function startOf(estimator: Estimator, columns: number, walk: Walking): (row: Row) => readonly number[] {
  const init = estimator.raw('init_') ?? estimator.raw('init');
  if (init === 'zero') return () => new Array<number>(columns).fill(0);
  const start = asEstimator(init, 'init_');
  if (start.has('prior')) return always(oldStart(start, columns));
  if (start.className === 'DummyRegressor') return always([...start.dense('constant_').data]);
  if (start.className === 'DummyClassifier') return always(priorScores(estimator, start, columns, walk.version));
  if (estimator.has('classes_')) throw new NotWalkable(`gradient boosting that starts from ${start.className}`);
  const predict = walk.predictor(start);
  return row => asValues(predict(row.map(x => Math.fround(Number(x)))));
}

const always =
  (scores: readonly number[]): (() => readonly number[]) =>
  () =>
    scores;

/** The start objects of versions before 0.21 keep log odds, or the shares of the classes where there are more than two. */
function oldStart(start: Estimator, columns: number): number[] {
  const prior = [...start.dense('prior').data];
  return columns > 1 && start.className === 'PriorProbabilityEstimator' ? prior.map(Math.log) : prior;
}

function priorScores(estimator: Estimator, start: Estimator, columns: number, version: number): readonly number[] {
  const prior = [...start.dense('class_prior_').data].map(p => Math.min(1 - leastShare, Math.max(leastShare, p)));
  const odds = Math.log(prior[1]! / (1 - prior[1]!));
  if (columns === 1) return [estimator.text('loss') === 'exponential' ? odds / 2 : odds];
  const logs = prior.map(Math.log);
  const mean = logs.reduce((sum, x) => sum + x, 0) / columns;
  return version >= 1004 ? logs.map(x => x - mean) : logs;
}

function boostedScores(estimator: Estimator, columns: number, walk: Walking): (row: Row) => number[] {
  const rate = estimator.number('learning_rate') ?? 1;
  const start = startOf(estimator, columns, walk);
  const trees = estimator.list('estimators_').map((item, i) => treeOf(asEstimator(item, `estimators_[${i}]`)));
  return row => {
    const scores = [...start(row)];
    trees.forEach((tree, i) => {
      scores[i % columns] = scores[i % columns]! + rate * tree.values.data[leafOf(tree, row)]!;
    });
    return scores;
  };
}

const boostingClassifier: WritePredictor = (estimator, walk) => {
  const classes = plainLabels(estimator.labels('classes_'));
  const columns = classes.length === 2 ? 1 : classes.length;
  const scores = boostedScores(estimator, columns, walk);
  const factor = estimator.text('loss') === 'exponential' ? 2 : 1;
  return row => {
    const found = scores(row);
    const p = logistic(factor * found[0]!);
    return { ...largest(classes, columns === 1 ? [1 - p, p] : softmax(found)), scores: found };
  };
};

const boostingRegressor: WritePredictor = (estimator, walk) => {
  const scores = boostedScores(estimator, 1, walk);
  return row => ({ kind: 'values', values: scores(row) });
};

export const gradientBoostingPredictors: Readonly<Record<string, WritePredictor>> = {
  GradientBoostingClassifier: boostingClassifier,
  GradientBoostingRegressor: boostingRegressor,
};
