import type { GraphProto } from '../../model/proto.ts';
import { GraphBuilder } from '../graph-builder.ts';
import type { PyValue } from '../pickle/python-values.ts';
import { argMax, byProbability } from './class-answers.ts';
import { squaredDistances, transposedConstant } from './kernels.ts';
import { type Answer, type Frame, type Lowering, matrix, requireWidth, type SklearnClass } from './lowering.ts';
import { type Dense, type Estimator, labels } from './records.ts';

const family = 'neighbours and clusters';

/**
 * Distances [batch, rows] to a table, summed feature by feature as a tree search does, so that an exact match has
 * distance exactly zero.
 */
function distances(estimator: Estimator, x: string, table: Dense, to: Lowering): string {
  const { graph } = to;
  const metric = estimator.text('effective_metric_') ?? estimator.text('metric') ?? 'minkowski';
  const p =
    metric === 'minkowski'
      ? (estimator.number('p') ?? 2)
      : metric === 'euclidean' || metric === 'l2'
        ? 2
        : metric === 'manhattan' || metric === 'cityblock' || metric === 'l1'
          ? 1
          : metric === 'chebyshev'
            ? Number.POSITIVE_INFINITY
            : undefined;
  if (metric === 'cosine') return cosineDistances(x, table, to);
  if (p === undefined) estimator.refuse(`uses the metric "${metric}"`);
  const features = table.dims[1] ?? 0;
  const rows = table.dims[0] ?? 0;
  const batch = graph.op('Shape', [x], { start: 0n, end: 1n });
  const start = graph.op('Expand', [
    graph.double(0, [1, 1]),
    graph.op('Concat', [batch, graph.ints(rows)], { axis: 0n }),
  ]);
  const total = graph.op('Loop', [graph.constant('int64', [], [features]), graph.constant('bool', [], [true]), start], {
    body: addFeature(x, transposedConstant(table, to), p, rows),
  });
  if (p === 2) return graph.op('Sqrt', [total]);
  return p === 1 || p === Number.POSITIVE_INFINITY ? total : graph.op('Pow', [total, graph.double(1 / p)]);
}

function addFeature(x: string, table: string, p: number, rows: number): GraphProto {
  const body = new GraphBuilder('feature');
  const index = body.input('feature_index', 'int64', []);
  const more = body.input('feature_more', 'bool', []);
  const sum = body.input('feature_sum', 'double', [null, rows]);
  const at = body.op('Unsqueeze', [index, body.ints(0)]);
  const difference = body.op('Abs', [
    body.op('Sub', [body.op('Gather', [x, at], { axis: 1n }), body.op('Gather', [table, at], { axis: 0n })]),
  ]);
  const term =
    p === 1 || p === Number.POSITIVE_INFINITY
      ? difference
      : p === 2
        ? body.op('Mul', [difference, difference])
        : body.op('Pow', [difference, body.double(p)]);
  body.output(more, 'feature_continue', 'bool', []);
  body.output(body.op(p === Number.POSITIVE_INFINITY ? 'Max' : 'Add', [sum, term]), 'feature_total', 'double', [
    null,
    rows,
  ]);
  return body.finish([], '').graph;
}

function cosineDistances(x: string, table: Dense, to: Lowering): string {
  const { graph } = to;
  const [rows = 0, columns = 0] = table.dims;
  const unit = new Float64Array(table.data.length);
  for (let i = 0; i < rows; i++) {
    const row = table.data.subarray(i * columns, (i + 1) * columns);
    const norm = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)) || 1;
    for (let j = 0; j < columns; j++) unit[i * columns + j] = row[j]! / norm;
  }
  const norm = graph.op('Sqrt', [graph.op('ReduceSumSquare', [x, graph.ints(1)], { keepdims: 1n })]);
  const safe = graph.op('Where', [graph.op('Equal', [norm, graph.double(0)]), graph.double(1), norm]);
  const similarity = graph.op('Gemm', [
    graph.op('Div', [x, safe]),
    transposedConstant({ dims: table.dims, data: unit }, to),
  ]);
  return graph.op('Clip', [graph.op('Sub', [graph.double(1), similarity]), graph.double(0), graph.double(2)]);
}

/** Positions of the nearest rows and their weights, each [batch, k]. */
function nearest(estimator: Estimator, x: Frame, to: Lowering): { index: string; weight: string | undefined } {
  const { graph } = to;
  const table = estimator.dense('_fit_X');
  requireWidth(x, table.dims[1] ?? 0, estimator);
  const neighbors = estimator.number('n_neighbors') ?? 5;
  const all = distances(estimator, matrix(x, to, estimator), table, to);
  const [distance = '', index = ''] = graph.opMany('TopK', [all, graph.ints(neighbors)], 2, {
    axis: 1n,
    largest: 0n,
    sorted: 1n,
  });
  to.notes.push(
    `${estimator.path}: among training rows at exactly the same distance the first is taken; scikit-learn takes any.`,
  );
  const weights = estimator.text('weights');
  if (weights === 'uniform') return { index, weight: undefined };
  if (weights !== 'distance') estimator.refuse('weighs neighbours with a function of its own');
  // A row with an exact match counts only its exact matches.
  const isExact = graph.op('Equal', [distance, graph.double(0)]);
  const exact = graph.cast(isExact, 'double');
  const hasExact = graph.op('Greater', [
    graph.op('ReduceMax', [exact, graph.ints(1)], { keepdims: 1n }),
    graph.double(0),
  ]);
  const inverse = graph.op('Div', [graph.double(1), graph.op('Where', [isExact, graph.double(1), distance])]);
  return { index, weight: graph.op('Where', [hasExact, exact, inverse]) };
}

function neighborClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const raw = estimator.raw('classes_');
  const { index, weight } = nearest(estimator, x, to);
  const y = estimator.dense('_y');
  const outputs = y.dims.length > 1 ? y.dims[1]! : 1;
  const answer = (output: number, value: PyValue | undefined): Answer => {
    const classes = labels(value, `${estimator.path}.classes_`);
    const count = classes.values.length;
    const oneHot = new Float64Array(y.dims[0]! * count);
    for (let row = 0; row < y.dims[0]!; row++) oneHot[row * count + y.data[row * outputs + output]!] = 1;
    const found = graph.op('Gather', [graph.double(oneHot, [y.dims[0]!, count]), index], { axis: 0n });
    const weighted =
      weight === undefined ? found : graph.op('Mul', [found, graph.op('Unsqueeze', [weight, graph.ints(2)])]);
    const sums = graph.op('ReduceSum', [weighted, graph.ints(1)], { keepdims: 0n });
    const total = graph.op('ReduceSum', [sums, graph.ints(1)], { keepdims: 1n });
    return { kind: 'classes', classes, index: argMax(graph, sums), probabilities: graph.op('Div', [sums, total]) };
  };
  if (outputs === 1) return answer(0, raw);
  return { kind: 'several', answers: estimator.list('classes_').map((item, output) => answer(output, item)) };
}

function neighborRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const { index, weight } = nearest(estimator, x, to);
  const y = estimator.dense('_y');
  const columns = y.dims.length > 1 ? y.dims[1]! : 1;
  const found = graph.op('Gather', [graph.double(y.data, [y.dims[0]!, columns]), index], { axis: 0n });
  if (weight === undefined)
    return { kind: 'values', value: graph.op('ReduceMean', [found, graph.ints(1)], { keepdims: 0n }), columns };
  const sum = graph.op(
    'ReduceSum',
    [graph.op('Mul', [found, graph.op('Unsqueeze', [weight, graph.ints(2)])]), graph.ints(1)],
    { keepdims: 0n },
  );
  return {
    kind: 'values',
    value: graph.op('Div', [sum, graph.op('ReduceSum', [weight, graph.ints(1)], { keepdims: 1n })]),
    columns,
  };
}

function nearestCentroid(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const centroids = estimator.dense('centroids_');
  requireWidth(x, centroids.dims[1] ?? 0, estimator);
  if (estimator.has('class_prior_') && estimator.text('priors') !== 'uniform')
    estimator.refuse('weighs its classes by empirical priors');
  const all = distances(estimator, matrix(x, to, estimator), centroids, to);
  return {
    kind: 'classes',
    classes: estimator.labels('classes_'),
    index: to.graph.op('ArgMin', [all], { axis: 1n, keepdims: 0n }),
  };
}

function centers(estimator: Estimator, x: Frame, to: Lowering): string {
  const table = estimator.dense('cluster_centers_');
  requireWidth(x, table.dims[1] ?? 0, estimator);
  return to.graph.op('Sqrt', [squaredDistances(matrix(x, to, estimator), table, to)]);
}

function kMeans(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const value = centers(estimator, x, to);
  const columns = estimator.dense('cluster_centers_').dims[0] ?? 0;
  return {
    kind: 'clusters',
    index: to.graph.op('ArgMin', [value], { axis: 1n, keepdims: 0n }),
    distances: { value, columns },
  };
}

function kMeansDistances(estimator: Estimator, x: Frame, to: Lowering): Frame {
  return {
    blocks: [
      { type: 'double', value: centers(estimator, x, to), columns: estimator.dense('cluster_centers_').dims[0] ?? 0 },
    ],
  };
}

/** Component shares of a mixture of Gaussians, from the Cholesky factors of the precisions. */
function gaussianMixture(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const means = estimator.dense('means_');
  const [components = 0, features = 0] = means.dims;
  requireWidth(x, features, estimator);
  const factors = estimator.dense('precisions_cholesky_');
  const kind = estimator.text('covariance_type') ?? 'full';
  const weights = estimator.dense('weights_').data;
  const input = matrix(x, to, estimator);
  const columns = Array.from({ length: components }, (_, c) => {
    const factor = choleskyOf(factors, kind, c, features);
    let logDeterminant = 0;
    for (let f = 0; f < features; f++) logDeterminant += Math.log(factor[f * features + f]!);
    const centered = graph.op('Sub', [input, graph.double(means.data.subarray(c * features, (c + 1) * features))]);
    const squared = graph.op(
      'ReduceSumSquare',
      [graph.op('Gemm', [centered, graph.double(factor, [features, features])]), graph.ints(1)],
      { keepdims: 1n },
    );
    const constant = logDeterminant - 0.5 * features * Math.log(2 * Math.PI) + Math.log(weights[c]!);
    return graph.op('Add', [graph.op('Mul', [graph.double(-0.5), squared]), graph.double(constant)]);
  });
  const shares = graph.op('Softmax', [graph.op('Concat', columns, { axis: 1n })], { axis: 1n });
  const classes = { type: 'int64' as const, values: Array.from({ length: components }, (_, c) => BigInt(c)) };
  return byProbability(graph, classes, shares);
}

function choleskyOf(factors: Dense, kind: string, component: number, features: number): Float64Array {
  if (kind === 'full')
    return factors.data.subarray(component * features * features, (component + 1) * features * features);
  if (kind === 'tied') return factors.data;
  const factor = new Float64Array(features * features);
  for (let f = 0; f < features; f++)
    factor[f * features + f] = kind === 'diag' ? factors.data[component * features + f]! : factors.data[component]!;
  return factor;
}

export const neighborClasses: Readonly<Record<string, SklearnClass>> = {
  KNeighborsClassifier: { family, predict: neighborClassifier },
  KNeighborsRegressor: { family, predict: neighborRegressor },
  NearestCentroid: { family, predict: nearestCentroid },
  KMeans: { family, predict: kMeans, transform: kMeansDistances },
  MiniBatchKMeans: { family, predict: kMeans, transform: kMeansDistances },
  GaussianMixture: { family, predict: gaussianMixture },
};
