import { NumpyArray, PyList, type PyValue } from '../pickle/python-values.ts';
import { checkTree } from '../trees/check-tree.ts';
import { type DecisionTree, emitTreeEnsemble } from '../trees/tree-ensemble.ts';
import { argMax, indexAbove, sigmoid, withComplement } from './class-answers.ts';
import { type Answer, type Frame, frameWidth, type Lowering, matrix, type SklearnClass } from './lowering.ts';
import { asEstimator, dense, type Estimator, fieldColumn } from './records.ts';

/** Reads one histogram-based tree: float64 thresholds, a side for missing values, bitsets for categories. */
function readPredictor(
  value: PyValue,
  target: number,
  known: readonly (readonly number[])[],
  path: string,
): DecisionTree {
  const predictor = asEstimator(value, path);
  const nodes = predictor.raw('nodes');
  if (!(nodes instanceof NumpyArray)) throw predictor.refuse('has no node table');
  const column = (name: string): Float64Array | undefined => fieldColumn(nodes, name);
  const needed = (...names: string[]): Float64Array =>
    names.map(column).find(found => found !== undefined) ?? predictor.refuse(`has no column ${names[0]}`);
  const isLeaf = needed('is_leaf');
  const isCategorical = column('is_categorical');
  const bitsets = predictor.has('raw_left_cat_bitsets')
    ? dense(predictor.raw('raw_left_cat_bitsets'), path)
    : undefined;
  const bitsetIndex = column('bitset_idx');
  const members = new Map<number, number[]>();
  isCategorical?.forEach((flag, node) => {
    if (flag === 0 || isLeaf[node] === 1) return;
    if (bitsets === undefined || bitsetIndex === undefined)
      throw predictor.refuse('splits on categories but keeps no sets of them');
    members.set(node, bitsetMembers(bitsets.data, bitsetIndex[node]! * 8));
  });
  const feature = Int32Array.from(needed('feature_idx'));
  const missingLeft = Uint8Array.from(needed('missing_go_to_left'));
  const asChild = (name: string): Int32Array =>
    Int32Array.from(needed(name), (child, node) => (isLeaf[node] === 1 ? -1 : child));
  const left = asChild('left');
  const right = asChild('right');
  // An unknown category goes where a missing value goes. Where that is left, the test is turned around: the known
  // categories of the right side go right, everything else goes left.
  for (const [node, set] of members) {
    if (missingLeft[node] === 0) continue;
    members.set(
      node,
      (known[feature[node]!] ?? []).filter(category => !set.includes(category)),
    );
    [left[node], right[node]] = [right[node]!, left[node]!];
    missingLeft[node] = 0;
  }
  const tree: DecisionTree = {
    feature,
    threshold: needed('num_threshold', 'threshold'),
    left,
    right,
    missingLeft,
    ...(members.size > 0 ? { members } : {}),
    mode: 'leq',
    value: needed('value'),
    target,
  };
  return checkTree(tree, known.length, path);
}

/** Set bits of 8 words of 32 bits: the categories that go left. */
function bitsetMembers(words: Float64Array, at: number): number[] {
  const members: number[] = [];
  for (let word = 0; word < 8; word++)
    for (let bit = 0; bit < 32; bit++) if ((words[at + word]! / 2 ** bit) & 1) members.push(word * 32 + bit);
  return members;
}

/** Categories seen at fit time per column, empty for numeric columns. */
function knownCategories(estimator: Estimator, features: number): number[][] {
  const mapper = estimator.has('_bin_mapper') ? estimator.child('_bin_mapper') : undefined;
  const flags = mapper?.has('is_categorical_') ? mapper.dense('is_categorical_').data : new Float64Array(features);
  if (flags.every(flag => flag === 0)) return Array.from({ length: features }, () => []);
  const bins = mapper?.list('bin_thresholds_') ?? [];
  return Array.from(flags, (flag, i) => (flag === 0 ? [] : [...dense(bins[i], `${estimator.path}._bin_mapper`).data]));
}

/** A code of a category counts without its fraction; below zero it is as unknown as its floor. */
function wholeCategories(value: string, known: readonly (readonly number[])[], to: Lowering): string {
  if (known.every(categories => categories.length === 0)) return value;
  const { graph } = to;
  const isCategory = graph.constant(
    'bool',
    [1, known.length],
    known.map(categories => categories.length > 0),
  );
  return graph.op('Where', [isCategory, graph.op('Floor', [value]), value]);
}

function scoresOf(estimator: Estimator, x: Frame, to: Lowering): { value: string; columns: number } {
  let frame = x;
  if (estimator.has('_preprocessor')) frame = to.transform(estimator.child('_preprocessor'), x);
  const known = knownCategories(estimator, frameWidth(frame));
  const rounds = estimator.list('_predictors');
  const trees = rounds.flatMap((round, r) => {
    if (!(round instanceof PyList)) estimator.refuse('has a boosting round that is not a list of trees');
    return round.items.map((item, target) =>
      readPredictor(item, target, known, `${estimator.path}._predictors[${r}][${target}]`),
    );
  });
  const columns = estimator.number('n_trees_per_iteration_') ?? 1;
  const baseline = estimator.dense('_baseline_prediction').data;
  const input = wholeCategories(matrix(frame, to, estimator), known, to);
  const sum = emitTreeEnsemble(to.graph, input, trees, columns);
  return { value: to.graph.op('Add', [sum, to.graph.double(baseline, [baseline.length])]), columns };
}

function classifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const classes = estimator.labels('classes_');
  const scores = scoresOf(estimator, x, to);
  const probabilities =
    scores.columns === 1
      ? withComplement(graph, sigmoid(graph, scores.value))
      : graph.op('Softmax', [scores.value], { axis: 1n });
  const index = scores.columns === 1 ? indexAbove(graph, scores.value, 0) : argMax(graph, scores.value);
  return { kind: 'classes', classes, index, probabilities, scores };
}

function regressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const scores = scoresOf(estimator, x, to);
  const loss = estimator.text('loss');
  const isLog = loss === 'poisson' || loss === 'gamma';
  return { kind: 'values', value: isLog ? to.graph.op('Exp', [scores.value]) : scores.value, columns: 1 };
}

const family = 'trees and ensembles of trees';

/** Gradient boosting over binned features. */
export const histBoostingClasses: Readonly<Record<string, SklearnClass>> = {
  HistGradientBoostingClassifier: { family, predict: classifier },
  HistGradientBoostingRegressor: { family, predict: regressor },
};
