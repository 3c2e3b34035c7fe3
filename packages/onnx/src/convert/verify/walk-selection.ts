import type { Estimator } from '../sklearn/records.ts';
import { treeOf, treesOf, type WalkedTree } from './walk-tree.ts';
import { NotWalkable, type Row } from './walked-answer.ts';

type Keeps = (column: number) => boolean;

/** The columns that a selection keeps. */
const selecting =
  (keeper: (estimator: Estimator) => Keeps) =>
  (estimator: Estimator): ((row: Row) => Row) => {
    const isKept = keeper(estimator);
    return row => row.filter((_, i) => isKept(i));
  };

function bySupport(estimator: Estimator): Keeps {
  const mask = estimator.dense('support_').data;
  return column => mask[column] === 1;
}

function byVariance(estimator: Estimator): Keeps {
  const threshold = estimator.number('threshold') ?? 0;
  const variances = estimator.dense('variances_').data;
  return column => variances[column]! > threshold;
}

function byProbability(estimator: Estimator): Keeps {
  const p = estimator.dense('pvalues_').data;
  const alpha = (estimator.number('alpha') ?? 0.05) / (estimator.className === 'SelectFwe' ? p.length : 1);
  return column => p[column]! < alpha;
}

function byScore(estimator: Estimator): Keeps {
  const { className } = estimator;
  const scores = estimator.dense('scores_').data;
  if (new Set(scores).size !== scores.length || scores.some(Number.isNaN))
    throw new NotWalkable(`${className} with equal scores`);
  const count =
    className === 'SelectKBest'
      ? (estimator.number('k') ?? scores.length)
      : Math.floor((scores.length * (estimator.number('percentile') ?? 10)) / 100);
  const best = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, count);
  return column => best.includes(column);
}

/** Columns whose importance in the fitted model reaches the threshold, at most as many as allowed. */
function byModel(estimator: Estimator): Keeps {
  const model = estimator.child(estimator.has('estimator_') ? 'estimator_' : 'estimator');
  const importance = importanceIn(model, estimator.number('norm_order') ?? 1);
  const threshold = thresholdOf(estimator, model, importance);
  // Which side of the threshold a column is on must not be a matter of rounding.
  const isClose = (value: number): boolean => Math.abs(value - threshold) < 1e-9 * Math.abs(threshold);
  if (importance.some(value => isClose(value) && value !== threshold))
    throw new NotWalkable('SelectFromModel with an importance at its threshold');
  const most = estimator.number('max_features_') ?? estimator.number('max_features') ?? importance.length;
  const rank = (column: number): number =>
    importance.filter((value, i) => value > importance[column]! || (value === importance[column]! && i < column))
      .length;
  return column => importance[column]! >= threshold && rank(column) < most;
}

/** The p-norm of a column's coefficients over the outputs, or how much its splits reduced the impurity. */
function importanceIn(model: Estimator, order: number): number[] {
  if (!model.has('coef_')) return shareOfReduction(model);
  const { data, dims } = model.dense('coef_');
  const width = dims.at(-1) ?? 0;
  return Array.from({ length: width }, (_, column) => {
    const sizes = Array.from({ length: data.length / width }, (_row, o) => Math.abs(data[o * width + column]!));
    if (dims.length === 1) return sizes[0]!;
    if (order === Number.POSITIVE_INFINITY) return Math.max(...sizes);
    return sizes.reduce((sum, size) => sum + size ** order, 0) ** (1 / order);
  });
}

/** Mean decrease in impurity over the trees that split at all, as shares of their sum. */
function shareOfReduction(model: Estimator): number[] {
  const isBoosted = model.className.startsWith('GradientBoosting');
  if (!isBoosted && !/^(DecisionTree|ExtraTree|RandomForest|ExtraTrees)/.test(model.className))
    throw new NotWalkable(`SelectFromModel of ${model.className}`);
  const trees = isBoosted ? model.children('estimators_').map(treeOf) : treesOf(model);
  const width = model.number('n_features_in_') ?? model.number('n_features_') ?? 0;
  const total = new Array<number>(width).fill(0);
  for (const tree of trees) {
    const reduced = reductions(tree, width);
    const sum = reduced.reduce((whole, part) => whole + part, 0);
    const unit = isBoosted || sum === 0 ? 1 : sum;
    reduced.forEach((part, column) => {
      total[column] = total[column]! + part / unit;
    });
  }
  const sum = total.reduce((whole, part) => whole + part, 0);
  return sum === 0 ? total : total.map(part => part / sum);
}

function reductions(tree: WalkedTree, width: number): number[] {
  const reduced = new Array<number>(width).fill(0);
  const mixed = (node: number): number => tree.weights[node]! * tree.impurity[node]!;
  for (let node = 0; node < tree.left.length; node++) {
    if (tree.left[node]! < 0) continue;
    const column = tree.feature[node]!;
    const fall = mixed(node) - mixed(tree.left[node]!) - mixed(tree.right[node]!);
    reduced[column] = reduced[column]! + fall / tree.weights[0]!;
  }
  return reduced;
}

function thresholdOf(estimator: Estimator, model: Estimator, importance: readonly number[]): number {
  const number = estimator.number('threshold');
  if (number !== undefined) return number;
  const wanted = estimator.text('threshold') ?? (isSparse(model) ? '' : 'mean');
  if (wanted === '') return 1e-5;
  const [name = '', factor = '1'] = wanted.split('*').reverse();
  const sorted = [...importance].sort((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1]!, sorted[sorted.length >> 1]!];
  const mean = importance.reduce((sum, value) => sum + value, 0) / importance.length;
  return Number(factor) * (name.trim() === 'median' ? (low + high) / 2 : mean);
}

/** Whether a penalty on absolute coefficients made those that do not count zero. */
function isSparse(model: Estimator): boolean {
  if (model.text('penalty') === 'l1' || model.className.includes('Lasso')) return true;
  const isAllAbsolute = ['l1_ratio_', 'l1_ratio'].some(name => Math.abs((model.number(name) ?? 0) - 1) <= 1e-5);
  return model.className.includes('ElasticNet') && isAllAbsolute;
}

export const selectionTransforms: Readonly<Record<string, (estimator: Estimator) => (row: Row) => Row>> = {
  VarianceThreshold: selecting(byVariance),
  SelectKBest: selecting(byScore),
  SelectPercentile: selecting(byScore),
  SelectFpr: selecting(byProbability),
  SelectFwe: selecting(byProbability),
  RFE: selecting(bySupport),
  RFECV: selecting(bySupport),
  SequentialFeatureSelector: selecting(bySupport),
  SelectFromModel: selecting(byModel),
};
