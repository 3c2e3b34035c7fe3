import { NumpyArray } from '../pickle/python-values.ts';
import { checkTree } from '../trees/check-tree.ts';
import { type DecisionTree, emitTreeEnsemble } from '../trees/tree-ensemble.ts';
import { argMax, byProbability, indexAbove, sigmoid, withComplement } from './class-answers.ts';
import {
  type Answer,
  type Frame,
  frameWidth,
  type Lowering,
  matrix,
  matrixFrame,
  requireWidth,
  type SklearnClass,
} from './lowering.ts';
import { asEstimator, type Dense, dense, type Estimator, fieldColumn, labels } from './records.ts';

/** The structure of a fitted sklearn Tree and its value table of shape [nodes, outputs, classes]. */
interface SklearnTree {
  readonly shape: Omit<DecisionTree, 'value' | 'target'>;
  readonly values: Dense;
  readonly features: number;
  /** Training samples that reached each node. */
  readonly samples: Float64Array;
}

/** Reads the `tree_` attribute of a decision tree. */
function readTree(estimator: Estimator): SklearnTree {
  const tree = estimator.child('tree_');
  const nodes = tree.raw('nodes');
  if (!(nodes instanceof NumpyArray)) throw tree.refuse('has no node table');
  const column = (name: string): Float64Array => fieldColumn(nodes, name) ?? tree.refuse(`has no column ${name}`);
  const features = dense(tree.record.args[0], `${tree.path}.n_features`).data[0] ?? 0;
  const left = Int32Array.from(column('left_child'));
  const missing = fieldColumn(nodes, 'missing_go_to_left');
  const shape = {
    feature: Int32Array.from(column('feature')),
    threshold: column('threshold'),
    left,
    right: Int32Array.from(column('right_child')),
    missingLeft: missing === undefined ? new Uint8Array(left.length) : Uint8Array.from(missing),
    mode: 'leq' as const,
  };
  checkTree({ ...shape, value: new Float64Array(left.length), target: 0 }, features, tree.path);
  const values = tree.dense('values');
  if (values.dims[0] !== left.length) tree.refuse('has a value table of another length than its nodes');
  return { shape, values, features, samples: column('n_node_samples') };
}

/** Trees decide on float32 values compared with float64 thresholds. */
function asTreeInput(x: string, to: Lowering): string {
  return to.graph.cast(to.graph.cast(x, 'float'), 'double');
}

/** Class shares of each leaf, in the rows of all nodes; versions before 1.3 store weighted counts. */
function classShares({ values, shape }: SklearnTree, output: number, classes: number, to: Lowering): Float64Array {
  const [nodes = 0, outputs = 1, width = 1] = values.dims;
  const shares = new Float64Array(nodes * classes);
  for (let node = 0; node < nodes; node++) {
    if (shape.left[node]! >= 0) continue;
    const at = (node * outputs + output) * width;
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += values.data[at + c]!;
    const divisor = to.version >= 1003 || sum === 0 ? 1 : sum;
    for (let c = 0; c < classes; c++) shares[node * classes + c] = values.data[at + c]! / divisor;
  }
  return shares;
}

function column(table: Float64Array, width: number, index: number): Float64Array {
  const values = new Float64Array(table.length / width);
  for (let i = 0; i < values.length; i++) values[i] = table[i * width + index]!;
  return values;
}

/**
 * Mean class probabilities of trees, double [batch, classes]. Two classes need one sum; more are looked up in a table
 * of leaf distributions, so that each tree is walked once.
 */
function meanProbabilities(
  trees: readonly SklearnTree[],
  x: string,
  output: number,
  classes: number,
  to: Lowering,
): string {
  const { graph } = to;
  const count = graph.double(trees.length);
  const tables = trees.map(tree => classShares(tree, output, classes, to));
  if (classes === 1)
    return graph.op('Div', [
      emitTreeEnsemble(
        graph,
        x,
        trees.map((tree, i) => ({ ...tree.shape, value: tables[i]!, target: 0 })),
        1,
      ),
      count,
    ]);
  if (classes === 2) {
    const second = trees.map((tree, i) => ({ ...tree.shape, value: column(tables[i]!, 2, 1), target: 0 }));
    return withComplement(graph, graph.op('Div', [emitTreeEnsemble(graph, x, second, 1), count]));
  }
  return graph.op('Div', [leafTableSum(trees, tables, classes, x, to), count]);
}

/** Each tree writes the number of its leaf; the rows of the leaf table are then summed over the trees. */
function leafTableSum(
  trees: readonly SklearnTree[],
  tables: readonly Float64Array[],
  width: number,
  x: string,
  to: Lowering,
): string {
  const { graph } = to;
  let leafCount = 0;
  for (const { shape } of trees) for (const child of shape.left) if (child < 0) leafCount++;
  const rows = new Float64Array(leafCount * width);
  let leaf = 0;
  const numbered = trees.map((tree, t) => {
    const { left } = tree.shape;
    const table = tables[t]!;
    const value = new Float64Array(left.length);
    for (let node = 0; node < value.length; node++) {
      if (left[node]! >= 0) continue;
      value[node] = leaf;
      for (let c = 0; c < width; c++) rows[leaf * width + c] = table[node * width + c]!;
      leaf++;
    }
    return { ...tree.shape, value, target: t };
  });
  const leaves = graph.cast(emitTreeEnsemble(graph, x, numbered, trees.length), 'int64');
  const table = graph.double(rows, [leafCount, width]);
  return graph.op('ReduceSum', [graph.op('Gather', [table, leaves], { axis: 0n }), graph.ints(1)], { keepdims: 0n });
}

/** The fitted trees of a tree or forest. */
function treesOf(estimator: Estimator): SklearnTree[] {
  return estimator.has('tree_') ? [readTree(estimator)] : estimator.children('estimators_').map(readTree);
}

function treeInput(estimator: Estimator, trees: readonly SklearnTree[], x: Frame, to: Lowering): string {
  requireWidth(x, trees[0]?.features ?? estimator.refuse('has no trees'), estimator);
  return asTreeInput(matrix(x, to, estimator), to);
}

function treeClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const trees = treesOf(estimator);
  const input = treeInput(estimator, trees, x, to);
  const outputs = estimator.number('n_outputs_') ?? 1;
  if (outputs === 1) {
    const classes = estimator.labels('classes_');
    return byProbability(to.graph, classes, meanProbabilities(trees, input, 0, classes.values.length, to));
  }
  const answers = estimator.list('classes_').map((_, output): Answer => {
    const classes = labelsAt(estimator, output);
    return byProbability(to.graph, classes, meanProbabilities(trees, input, output, classes.values.length, to));
  });
  return { kind: 'several', answers };
}

function labelsAt(estimator: Estimator, output: number): ReturnType<Estimator['labels']> {
  return labels(estimator.list('classes_')[output], `${estimator.path}.classes_[${output}]`);
}

function treeRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const trees = treesOf(estimator);
  const input = treeInput(estimator, trees, x, to);
  const columns = estimator.number('n_outputs_') ?? trees[0]!.values.dims[1] ?? 1;
  const sum =
    columns === 1
      ? emitTreeEnsemble(
          graph,
          input,
          trees.map(tree => ({ ...tree.shape, value: tree.values.data, target: 0 })),
          1,
        )
      : leafTableSum(
          trees,
          trees.map(tree => tree.values.data),
          columns,
          input,
          to,
        );
  return {
    kind: 'values',
    value: trees.length === 1 ? sum : graph.op('Div', [sum, graph.double(trees.length)]),
    columns,
  };
}

/** Raw scores of gradient boosting: start value plus learning rate times the trees of each class. */
function boostedScores(estimator: Estimator, x: Frame, to: Lowering, columns: number): string {
  const rate = estimator.number('learning_rate') ?? estimator.refuse('has no learning rate');
  const table = estimator.raw('estimators_');
  const width = table instanceof NumpyArray && table.shape.length === 2 ? table.shape[1]! : 1;
  if (width !== columns) estimator.refuse(`keeps ${width} trees per round for ${columns} scores`);
  const trees = estimator.list('estimators_').map((item, i) => {
    const tree = readTree(asEstimator(item, `${estimator.path}.estimators_[${i}]`));
    return {
      ...tree.shape,
      value: tree.values.data.map(value => value * rate),
      target: i % columns,
      features: tree.features,
    };
  });
  requireWidth(x, trees[0]?.features ?? 0, estimator);
  const input = asTreeInput(matrix(x, to, estimator), to);
  return to.graph.op('Add', [
    emitTreeEnsemble(to.graph, input, trees, columns),
    startScores(estimator, columns, to, x),
  ]);
}

/** Raw prediction of the `init_` estimator: a constant from class priors or a quantile, zero, or a fitted model. */
function startScores(estimator: Estimator, columns: number, to: Lowering, x: Frame): string {
  const { graph } = to;
  const init = estimator.raw('init_') ?? estimator.raw('init');
  if (init === 'zero') return graph.double(new Float64Array(columns));
  const start = asEstimator(init, `${estimator.path}.init_`);
  const isClassifier = estimator.has('classes_');
  if (start.className === 'DummyRegressor') return graph.double(start.dense('constant_').data);
  if (start.has('prior')) return priorEstimator(start, columns, graph);
  if (start.className === 'DummyClassifier') {
    const eps = 2 ** -23;
    const prior = start.dense('class_prior_').data.map(p => Math.min(Math.max(p, eps), 1 - eps));
    const isExponential = estimator.text('loss') === 'exponential';
    if (columns === 1) return graph.double([(isExponential ? 0.5 : 1) * Math.log(prior[1]! / (1 - prior[1]!))]);
    // Up to version 1.3 the start is the plain logarithm, later it is centred over the classes.
    const logs = prior.map(Math.log);
    const mean = logs.reduce((sum, value) => sum + value, 0) / columns;
    return graph.double(to.version >= 1004 ? logs.map(value => value - mean) : logs);
  }
  if (isClassifier)
    estimator.refuse(`starts from a fitted ${start.className}, which is not supported for classification`);
  // The start model gets the input as the trees do, rounded to float32.
  const rounded = matrixFrame(asTreeInput(matrix(x, to, estimator), to), frameWidth(x));
  const answer = to.predict(start, rounded);
  if (answer.kind !== 'values') estimator.refuse(`starts from ${start.className}, which predicts no numbers`);
  return answer.value;
}

/** The start objects of versions before 0.21. */
function priorEstimator(start: Estimator, columns: number, graph: Lowering['graph']): string {
  const prior = start.dense('prior').data;
  return graph.double(
    columns === 1 ? prior : start.className === 'PriorProbabilityEstimator' ? prior.map(Math.log) : prior,
  );
}

function boostingClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const classes = estimator.labels('classes_');
  const columns = classes.values.length === 2 ? 1 : classes.values.length;
  const scores = boostedScores(estimator, x, to, columns);
  const isExponential = estimator.text('loss') === 'exponential';
  const probabilities =
    columns > 1
      ? graph.op('Softmax', [scores], { axis: 1n })
      : withComplement(graph, sigmoid(graph, isExponential ? graph.op('Mul', [scores, graph.double(2)]) : scores));
  const index = columns === 1 ? indexAbove(graph, scores, 0) : argMax(graph, scores);
  return { kind: 'classes', classes, index, probabilities, scores: { value: scores, columns } };
}

function boostingRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  return { kind: 'values', value: boostedScores(estimator, x, to, 1), columns: 1 };
}

/** Mean path length in trees grown at random, turned into the score of an isolation forest. */
function isolationForest(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const subsets = estimator
    .list('estimators_features_')
    .map(item => [...dense(item, `${estimator.path}.estimators_features_`).data]);
  const trees = estimator.children('estimators_').map((member, i): DecisionTree => {
    const tree = readTree(member);
    const features = subsets[i] ?? [];
    const samples = tree.samples;
    const value = new Float64Array(samples.length);
    const depth = nodeDepths(tree.shape);
    for (let node = 0; node < value.length; node++) value[node] = depth[node]! + averagePathLength(samples[node]!);
    return {
      ...tree.shape,
      feature: tree.shape.feature.map(feature => (feature >= 0 ? (features[feature] ?? feature) : feature)),
      value,
      target: 0,
    };
  });
  for (const tree of trees) checkTree(tree, frameWidth(x), estimator.path);
  const input = asTreeInput(matrix(x, to, estimator), to);
  const samples =
    estimator.number('_max_samples') ?? estimator.number('max_samples_') ?? estimator.refuse('has no sample size');
  const scale = trees.length * averagePathLength(samples);
  const depths = emitTreeEnsemble(graph, input, trees, 1);
  const anomaly = graph.op('Pow', [graph.double(2), graph.op('Div', [graph.op('Neg', [depths]), graph.double(scale)])]);
  const score = graph.op('Sub', [graph.op('Neg', [anomaly]), graph.double(estimator.number('offset_') ?? -0.5)]);
  const flat = graph.op('Reshape', [score, graph.ints(-1)]);
  const label = graph.op('Where', [
    graph.op('Less', [flat, graph.double(0)]),
    graph.constant('int64', [], [-1]),
    graph.constant('int64', [], [1]),
  ]);
  return { kind: 'outliers', label, score: flat };
}

function nodeDepths(tree: Pick<DecisionTree, 'left' | 'right'>): Float64Array {
  const depth = new Float64Array(tree.left.length);
  const stack = [0];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    const left = tree.left[node]!;
    if (left < 0) continue;
    for (const child of [left, tree.right[node]!]) {
      depth[child] = depth[node]! + 1;
      stack.push(child);
    }
  }
  return depth;
}

/** Expected path length of an unsuccessful search in a binary search tree of n samples (Liu et al. 2008, equation 1). */
function averagePathLength(samples: number): number {
  if (samples <= 1) return 0;
  if (samples <= 2) return 1;
  return 2 * (Math.log(samples - 1) + 0.5772156649015329) - (2 * (samples - 1)) / samples;
}

const family = 'trees and ensembles of trees';
const classifier: SklearnClass = { family, predict: treeClassifier };
const regressor: SklearnClass = { family, predict: treeRegressor };

/** Decision trees and the ensembles built from them. */
export const treeClasses: Readonly<Record<string, SklearnClass>> = {
  DecisionTreeClassifier: classifier,
  ExtraTreeClassifier: classifier,
  RandomForestClassifier: classifier,
  ExtraTreesClassifier: classifier,
  DecisionTreeRegressor: regressor,
  ExtraTreeRegressor: regressor,
  RandomForestRegressor: regressor,
  ExtraTreesRegressor: regressor,
  GradientBoostingClassifier: { family, predict: boostingClassifier },
  GradientBoostingRegressor: { family, predict: boostingRegressor },
  IsolationForest: { family, predict: isolationForest },
};
