import { argMax, indexAbove, sigmoid } from './class-answers.ts';
import { kernelMatrix } from './kernels.ts';
import { type Answer, type Frame, type Lowering, matrix, requireWidth, type SklearnClass } from './lowering.ts';
import { pairwiseCoupling } from './pairwise-coupling.ts';
import { type Dense, dense, type Estimator } from './records.ts';

const family = 'support vector machines';

function kernelOf(estimator: Estimator, x: Frame, to: Lowering): string {
  const vectors = estimator.dense('support_vectors_');
  requireWidth(x, vectors.dims[1] ?? 0, estimator);
  const kernel = estimator.text('kernel') ?? estimator.refuse('uses a kernel function of its own');
  return kernelMatrix(estimator, kernel, matrix(x, to, estimator), vectors, estimator.number('_gamma') ?? 0, to);
}

/** Coefficients and constants as libsvm has them; the public attributes flip the sign of two-class models. */
function nativeCoefficients(estimator: Estimator): { dual: Dense; intercept: Float64Array } {
  return { dual: estimator.dense('_dual_coef_'), intercept: estimator.dense('_intercept_').data };
}

/** libsvm's one-versus-one decision values, [batch, pairs], in the order (0,1), (0,2), ..., (1,2), ... */
function pairDecisions(estimator: Estimator, x: Frame, to: Lowering, classes: number): string {
  const { graph } = to;
  const { dual, intercept } = nativeCoefficients(estimator);
  const counts = [
    ...dense(estimator.raw('_n_support') ?? estimator.raw('n_support_'), `${estimator.path}.n_support_`).data,
  ];
  const vectors = dual.dims[1] ?? 0;
  const starts = counts.map((_, i) => counts.slice(0, i).reduce((sum, count) => sum + count, 0));
  const pairs = classPairs(classes);
  const weights = new Float64Array(vectors * pairs.length);
  pairs.forEach(([i, j], p) => {
    for (let s = starts[i]!; s < starts[i]! + counts[i]!; s++)
      weights[s * pairs.length + p] = dual.data[(j - 1) * vectors + s]!;
    for (let s = starts[j]!; s < starts[j]! + counts[j]!; s++)
      weights[s * pairs.length + p] = dual.data[i * vectors + s]!;
  });
  const product = graph.op('Gemm', [kernelOf(estimator, x, to), graph.double(weights, [vectors, pairs.length])]);
  return graph.op('Add', [product, graph.double(intercept)]);
}

export function classPairs(classes: number): [number, number][] {
  return Array.from({ length: classes }, (_, i) =>
    Array.from({ length: classes - i - 1 }, (_, k): [number, number] => [i, i + 1 + k]),
  ).flat();
}

/** Votes per class [batch, classes]: a pair's decision above zero is a vote for its first class. */
function votes(decisions: string, classes: number, to: Lowering): string {
  const { graph } = to;
  const pairs = classPairs(classes);
  const forFirst = new Float64Array(pairs.length * classes);
  const base = new Float64Array(classes);
  pairs.forEach(([i, j], p) => {
    forFirst[p * classes + i] = 1;
    forFirst[p * classes + j] = -1;
    base[j] = base[j]! + 1;
  });
  const won = graph.cast(graph.op('Greater', [decisions, graph.double(0)]), 'double');
  return graph.op('Add', [
    graph.op('Gemm', [won, graph.double(forFirst, [pairs.length, classes])]),
    graph.double(base),
  ]);
}

/** Votes plus bounded confidences, as scikit-learn turns one-versus-one into one score per class. */
function oneVersusRestScores(decisions: string, classes: number, to: Lowering): string {
  const { graph } = to;
  const pairs = classPairs(classes);
  const spread = new Float64Array(pairs.length * classes);
  pairs.forEach(([i, j], p) => {
    spread[p * classes + i] = 1;
    spread[p * classes + j] = -1;
  });
  const confidence = graph.op('Gemm', [decisions, graph.double(spread, [pairs.length, classes])]);
  const bounded = graph.op('Div', [
    confidence,
    graph.op('Mul', [graph.double(3), graph.op('Add', [graph.op('Abs', [confidence]), graph.double(1)])]),
  ]);
  return graph.op('Add', [votesOfScores(decisions, classes, to), bounded]);
}

/** Votes where a decision of exactly zero counts for the first class too, as in the score formula. */
function votesOfScores(decisions: string, classes: number, to: Lowering): string {
  return votes(
    to.graph.op('Where', [to.graph.op('Equal', [decisions, to.graph.double(0)]), to.graph.double(1), decisions]),
    classes,
    to,
  );
}

function classifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const classes = estimator.labels('classes_');
  const count = classes.values.length;
  const decisions = pairDecisions(estimator, x, to, count);
  const probability = probabilities(estimator, decisions, count, to);
  if (count === 2) {
    const score = graph.op('Neg', [decisions]);
    return {
      kind: 'classes',
      classes,
      index: twoClassIndex(decisions, to),
      scores: { value: score, columns: 1 },
      ...probability,
    };
  }
  if (estimator.text('decision_function_shape') === 'ovo') {
    const index = argMax(graph, votes(decisions, count, to));
    const columns = (count * (count - 1)) / 2;
    return { kind: 'classes', classes, index, scores: { value: decisions, columns }, ...probability };
  }
  const scores = oneVersusRestScores(decisions, count, to);
  const index = argMax(graph, estimator.flag('break_ties', false) ? scores : votes(decisions, count, to));
  return { kind: 'classes', classes, index, scores: { value: scores, columns: count }, ...probability };
}

/** libsvm votes for class 0 when the decision is above zero, else for class 1. */
function twoClassIndex(decisions: string, to: Lowering): string {
  const { graph } = to;
  const flat = graph.op('Reshape', [decisions, graph.ints(-1)]);
  return graph.op('Where', [
    graph.op('Greater', [flat, graph.double(0)]),
    graph.constant('int64', [], [0]),
    graph.constant('int64', [], [1]),
  ]);
}

function probabilities(
  estimator: Estimator,
  decisions: string,
  classes: number,
  to: Lowering,
): { probabilities?: string } {
  const { graph } = to;
  const read = (name: string): Float64Array => {
    const value = estimator.raw(`_${name}`) ?? estimator.raw(`${name}_`);
    return value === undefined || value === null ? new Float64Array() : dense(value, estimator.path).data;
  };
  const a = read('probA');
  const b = read('probB');
  if (!estimator.flag('probability', false) || a.length === 0) return {};
  // sigmoid_predict of libsvm: 1 / (1 + exp(A f + B)), kept away from 0 and 1.
  const inner = graph.op('Add', [graph.op('Mul', [decisions, graph.double(a)]), graph.double(b)]);
  const pair = graph.op('Clip', [sigmoid(graph, graph.op('Neg', [inner])), graph.double(1e-7), graph.double(1 - 1e-7)]);
  return { probabilities: pairwiseCoupling(pair, classes, to) };
}

function regressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const dual = estimator.dense('dual_coef_');
  const product = graph.op('Gemm', [kernelOf(estimator, x, to), graph.double(dual.data, [dual.data.length, 1])]);
  return {
    kind: 'values',
    value: graph.op('Add', [product, graph.double(estimator.dense('intercept_').data)]),
    columns: 1,
  };
}

function oneClass(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const answer = regressor(estimator, x, to);
  if (answer.kind !== 'values') return answer;
  const score = graph.op('Reshape', [answer.value, graph.ints(-1)]);
  const label = graph.op('Sub', [
    graph.op('Mul', [graph.constant('int64', [], [2]), indexAbove(graph, score, 0)]),
    graph.constant('int64', [], [1]),
  ]);
  return { kind: 'outliers', label, score };
}

/** Ridge regression on kernel values. */
function kernelRidge(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const table = estimator.dense('X_fit_');
  const features = table.dims[1] ?? 0;
  requireWidth(x, features, estimator);
  const kernel = estimator.text('kernel') ?? estimator.refuse('uses a kernel function of its own');
  const dual = estimator.dense('dual_coef_');
  const columns = dual.dims.length > 1 ? dual.dims[1]! : 1;
  const values = kernelMatrix(
    estimator,
    kernel,
    matrix(x, to, estimator),
    table,
    estimator.number('gamma') ?? 1 / features,
    to,
  );
  return {
    kind: 'values',
    value: to.graph.op('Gemm', [values, to.graph.double(dual.data, [table.dims[0] ?? 0, columns])]),
    columns,
  };
}

export const vectorClasses: Readonly<Record<string, SklearnClass>> = {
  SVC: { family, predict: classifier },
  NuSVC: { family, predict: classifier },
  SVR: { family, predict: regressor },
  NuSVR: { family, predict: regressor },
  KernelRidge: { family, predict: kernelRidge },
  OneClassSVM: { family, predict: oneClass },
};
