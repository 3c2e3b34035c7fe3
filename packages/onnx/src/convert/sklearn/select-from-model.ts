import { NumpyArray } from '../pickle/python-values.ts';
import { type Frame, frameWidth, type Lowering, type SklearnClass, selectColumns } from './lowering.ts';
import { asEstimator, type Estimator, fieldColumn } from './records.ts';

/** SelectFromModel applies the importances of its fitted model and a threshold. */
function selectFromModel(estimator: Estimator, x: Frame, to: Lowering): Frame {
  const model = estimator.has('estimator_') ? estimator.child('estimator_') : estimator.child('estimator');
  const getter = estimator.raw('importance_getter') ?? 'auto';
  if (getter !== 'auto' && getter !== 'coef_' && getter !== 'feature_importances_')
    estimator.refuse('takes importances by a function or attribute of its own');
  const width = frameWidth(x);
  const importance = importances(model, estimator, width);
  const limit = thresholdOf(estimator, model, importance);
  const most = estimator.number('max_features_') ?? estimator.number('max_features');
  const order = importance.map((value, i) => ({ value, i })).toSorted((a, b) => b.value - a.value || a.i - b.i);
  const allowed = new Set(order.slice(0, most ?? width).map(item => item.i));
  const keep = Array.from({ length: width }, (_, i) => i).filter(i => allowed.has(i) && importance[i]! >= limit);
  return selectColumns(x, keep, to);
}

function importances(model: Estimator, estimator: Estimator, width: number): number[] {
  const found = model.has('coef_') ? coefficientNorms(model, estimator) : treeImportances(model, estimator, width);
  if (found.length !== width) estimator.refuse(`weighs ${found.length} columns but gets ${width}`);
  return found;
}

/** Norm of each column of the coefficients over the outputs. */
function coefficientNorms(model: Estimator, estimator: Estimator): number[] {
  if (model.className.startsWith('PLS')) estimator.refuse(`relies on the importances of ${model.className}`);
  const { data, dims } = model.dense('coef_');
  const width = dims.at(-1) ?? 0;
  const rows = dims.length > 1 ? dims[0]! : 1;
  const order = estimator.number('norm_order') ?? 1;
  if (!(order > 0)) estimator.refuse(`uses the norm of order ${order}`);
  return Array.from({ length: width }, (_, j) => {
    const sizes = Array.from({ length: rows }, (_row, i) => Math.abs(data[i * width + j]!));
    if (rows === 1) return sizes[0]!;
    if (order === Number.POSITIVE_INFINITY) return Math.max(...sizes);
    return sizes.reduce((norm, size) => norm + size ** order, 0) ** (1 / order);
  });
}

/** How much the splits on each column reduce the impurity, averaged over the trees, adding up to 1. */
function treeImportances(model: Estimator, estimator: Estimator, width: number): number[] {
  const isBoosted = model.className.startsWith('GradientBoosting');
  if (!isBoosted && !/^(DecisionTree|ExtraTree|ExtraTrees|RandomForest)(Classifier|Regressor)$/.test(model.className))
    return estimator.refuse(
      `relies on the importances of ${model.className}, which its file does not keep; replace it by a fitted mask (for example RFE)`,
    );
  const trees = model.has('tree_')
    ? [model]
    : model.list('estimators_').map((item, i) => asEstimator(item, `${model.path}.estimators_[${i}]`));
  const total = new Array<number>(width).fill(0);
  for (const tree of trees) {
    const each = impurityFalls(tree, width);
    const sum = each.reduce((whole, fall) => whole + fall, 0);
    const scale = isBoosted || sum === 0 ? 1 : 1 / sum;
    each.forEach((fall, i) => {
      total[i] = total[i]! + fall * scale;
    });
  }
  const sum = total.reduce((whole, share) => whole + share, 0);
  return sum === 0 ? total : total.map(share => share / sum);
}

function impurityFalls(estimator: Estimator, width: number): number[] {
  const tree = estimator.child('tree_');
  const nodes = tree.raw('nodes');
  if (!(nodes instanceof NumpyArray)) return tree.refuse('has no node table');
  const column = (name: string): Float64Array => fieldColumn(nodes, name) ?? tree.refuse(`has no column ${name}`);
  const [left, right, feature] = [column('left_child'), column('right_child'), column('feature')];
  const [weight, impurity] = [column('weighted_n_node_samples'), column('impurity')];
  const falls = new Array<number>(width).fill(0);
  for (let node = 0; node < nodes.length; node++) {
    const [a, b, split] = [left[node]!, right[node]!, feature[node]!];
    if (a < 0) continue;
    if (!(a < nodes.length && b >= 0 && b < nodes.length && split >= 0 && split < width))
      tree.refuse('has a node that points outside the tree');
    const fall = weight[node]! * impurity[node]! - weight[a]! * impurity[a]! - weight[b]! * impurity[b]!;
    falls[split] = falls[split]! + fall / weight[0]!;
  }
  return falls;
}

function thresholdOf(estimator: Estimator, model: Estimator, importance: readonly number[]): number {
  const raw = estimator.raw('threshold');
  const text = typeof raw === 'string' ? raw.trim() : undefined;
  const mean = importance.reduce((sum, value) => sum + value, 0) / importance.length;
  if (text === undefined) return estimator.number('threshold') ?? (isSparse(model) ? 1e-5 : mean);
  const match = /^(?:([\d.eE+-]+)\s*\*\s*)?(mean|median)$/.exec(text);
  if (match === null) return estimator.refuse(`has the threshold "${text}"`);
  const sorted = importance.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
  return Number(match[1] ?? 1) * (match[2] === 'mean' ? mean : median);
}

/** Models that were fitted with an L1 penalty alone keep everything above zero unless told otherwise. */
function isSparse(model: Estimator): boolean {
  if (/Lasso/.test(model.className) || model.text('penalty') === 'l1') return true;
  const isOne = (name: string): boolean => Math.abs((model.number(name) ?? 0) - 1) <= 1.001e-5;
  return /ElasticNet/.test(model.className) && (isOne('l1_ratio_') || isOne('l1_ratio'));
}

export const modelSelectionClasses: Readonly<Record<string, SklearnClass>> = {
  SelectFromModel: { family: 'decomposition and feature selection', transform: selectFromModel },
};
