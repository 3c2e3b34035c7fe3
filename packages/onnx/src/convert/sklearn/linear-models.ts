import { argMax, byProbability, indexAbove, oneVersusRest, sigmoid, withComplement } from './class-answers.ts';
import type { Answer, Frame, Lowering, SklearnClass } from './lowering.ts';
import { matrix, requireWidth } from './lowering.ts';
import { type Dense, dense, type Estimator, type Labels } from './records.ts';

/** X W^T + b of shape [batch, outputs], everything in double. */
function linearScores(
  x: string,
  coefficients: Dense,
  intercept: Float64Array,
  to: Lowering,
): { value: string; columns: number } {
  const outputs = coefficients.dims.length > 1 ? coefficients.dims[0]! : 1;
  const features = coefficients.data.length / outputs;
  const transposed = new Float64Array(coefficients.data.length);
  for (let i = 0; i < outputs; i++)
    for (let j = 0; j < features; j++) transposed[j * outputs + i] = coefficients.data[i * features + j]!;
  const product = to.graph.op('Gemm', [x, to.graph.double(transposed, [features, outputs])]);
  if (intercept.every(value => value === 0)) return { value: product, columns: outputs };
  return { value: to.graph.op('Add', [product, to.graph.double(intercept, [intercept.length])]), columns: outputs };
}

function scoresOf(estimator: Estimator, x: Frame, to: Lowering): { value: string; columns: number } {
  const coefficients = estimator.dense('coef_');
  requireWidth(x, coefficients.dims.at(-1) ?? 1, estimator);
  return linearScores(matrix(x, to, estimator), coefficients, estimator.dense('intercept_').data, to);
}

/** Labels of the classes; until 1.2 ridge classifiers keep them in their binarizer only. */
function classesOf(estimator: Estimator): Labels {
  const isHeldApart = !estimator.has('classes_') && estimator.has('_label_binarizer');
  return (isHeldApart ? estimator.child('_label_binarizer') : estimator).labels('classes_');
}

function decision(estimator: Estimator, x: Frame, to: Lowering): Answer {
  if (
    estimator.has('_label_binarizer') &&
    (estimator.child('_label_binarizer').text('y_type_') ?? '').startsWith('multilabel')
  ) {
    estimator.refuse('predicts several labels at once, which is not supported');
  }
  const classes = classesOf(estimator);
  const scores = scoresOf(estimator, x, to);
  const index = scores.columns === 1 ? indexAbove(to.graph, scores.value, 0) : argMax(to.graph, scores.value);
  return { kind: 'classes', classes, index, scores };
}

/** Binary scores are one column; softmax over them means softmax of (-s, s). */
function softmaxScores(scores: { value: string; columns: number }, to: Lowering): string {
  const { graph } = to;
  const wide =
    scores.columns === 1
      ? graph.op('Concat', [graph.op('Neg', [scores.value]), scores.value], { axis: 1n })
      : scores.value;
  return graph.op('Softmax', [wide], { axis: 1n });
}

function logisticRegression(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const answer = decision(estimator, x, to);
  if (answer.kind !== 'classes' || answer.scores === undefined) return answer;
  const { classes, scores, index } = answer;
  const mode = estimator.text('multi_class');
  const isLiblinear = estimator.text('solver') === 'liblinear' || estimator.text('solver') === 'warn';
  const isMultinomial =
    mode === 'multinomial' || (mode !== 'ovr' && mode !== 'warn' && classes.values.length > 2 && !isLiblinear);
  const probabilities = isMultinomial
    ? softmaxScores(scores, to)
    : scores.columns === 1
      ? withComplement(to.graph, sigmoid(to.graph, scores.value))
      : oneVersusRest(to.graph, scores.value);
  return { kind: 'classes', classes, index, probabilities, scores };
}

function sgdClassifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const answer = decision(estimator, x, to);
  if (answer.kind !== 'classes' || answer.scores === undefined) return answer;
  const { scores } = answer;
  const loss = estimator.text('loss');
  const { graph } = to;
  if (loss === 'log_loss' || loss === 'log') {
    return {
      ...answer,
      probabilities:
        scores.columns === 1 ? withComplement(graph, sigmoid(graph, scores.value)) : oneVersusRest(graph, scores.value),
    };
  }
  if (loss !== 'modified_huber') return answer;
  const clipped = graph.op('Clip', [scores.value, graph.double(-1), graph.double(1)]);
  const p = graph.op('Div', [graph.op('Add', [clipped, graph.double(1)]), graph.double(2)]);
  if (scores.columns === 1) return { ...answer, probabilities: withComplement(graph, p) };
  // Rows where every class has probability 0 are reported as uniform.
  const sum = graph.op('ReduceSum', [p, graph.ints(1)], { keepdims: 1n });
  const isZero = graph.op('Equal', [sum, graph.double(0)]);
  const safe = graph.op('Where', [isZero, graph.double(1), sum]);
  const share = graph.op('Where', [isZero, graph.double(1 / scores.columns), graph.op('Div', [p, safe])]);
  return { ...answer, probabilities: share };
}

function linearRegressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  return { kind: 'values', ...scoresOf(estimator, x, to) };
}

/** Generalised linear models predict through the inverse of their link. */
function generalizedLinear(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const scores = scoresOf(estimator, x, to);
  const link = estimator.text('link') ?? 'auto';
  const power = estimator.className === 'TweedieRegressor' ? (estimator.number('power') ?? 0) : 1;
  const isLog = link === 'log' || (link === 'auto' && power > 0);
  return { kind: 'values', value: isLog ? to.graph.op('Exp', [scores.value]) : scores.value, columns: scores.columns };
}

function ransac(estimator: Estimator, x: Frame, to: Lowering): Answer {
  return to.predict(estimator.child('estimator_'), x);
}

/** Partial least squares: X is centred (and scaled) before the coefficients apply, depending on the version. */
function partialLeastSquares(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const mean = estimator.dense('_x_mean').data;
  if (!estimator.has('intercept_'))
    estimator.refuse('was fitted before version 1.1, whose coefficients have another meaning');
  const intercept = estimator.dense('intercept_').data;
  const centered = graph.op('Sub', [matrix(x, to, estimator), graph.double(mean)]);
  // Until 1.2 the coefficients are those of scaled columns, targets x features under their private name.
  if (estimator.has('_coef_')) {
    const scaled = graph.op('Div', [centered, graph.double(estimator.dense('_x_std').data)]);
    return { kind: 'values', ...linearScores(scaled, estimator.dense('_coef_'), intercept, to) };
  }
  const coefficients = estimator.dense('coef_');
  if (coefficients.dims.at(-1) !== mean.length || to.version < 1003)
    estimator.refuse('keeps coefficients of an unknown orientation');
  return { kind: 'values', ...linearScores(centered, coefficients, intercept, to) };
}

/** Linear discriminant analysis and kin share the linear decision; probabilities are softmax or sigmoid. */
function linearDiscriminant(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const answer = decision(estimator, x, to);
  if (answer.kind !== 'classes' || answer.scores === undefined) return answer;
  const { scores } = answer;
  const probabilities =
    scores.columns === 1 ? withComplement(to.graph, sigmoid(to.graph, scores.value)) : softmaxScores(scores, to);
  return { ...answer, probabilities };
}

function linearDiscriminantTransform(estimator: Estimator, x: Frame, to: Lowering): Frame {
  if (!estimator.has('scalings_') || !estimator.has('xbar_')) estimator.refuse('has no transform with this solver');
  const { graph } = to;
  const scalings = estimator.dense('scalings_');
  const columns = Math.min(estimator.number('_max_components') ?? scalings.dims[1]!, scalings.dims[1]!);
  const centered = graph.op('Sub', [matrix(x, to, estimator), graph.double(estimator.dense('xbar_').data)]);
  const product = graph.op('Gemm', [centered, graph.double(scalings.data, scalings.dims)]);
  return {
    blocks: [
      {
        type: 'double',
        columns,
        value: graph.op('Slice', [product, graph.ints(0), graph.ints(columns), graph.ints(1)]),
      },
    ],
  };
}

/** exp-normalised log likelihoods of Gaussians with one full covariance per class. */
function quadraticDiscriminant(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const classes = estimator.labels('classes_');
  const means = estimator.dense('means_');
  const priors = estimator.dense('priors_').data;
  const features = means.dims[1]!;
  const rotations = estimator.list('rotations_');
  const scalings = estimator.list('scalings_');
  const input = matrix(x, to, estimator);
  const columns = Array.from(priors, (prior, i) => {
    const scaling = denseItem(scalings[i], estimator);
    const rotation = denseItem(rotations[i], estimator);
    const rank = scaling.data.length;
    const scaled = rotation.data.map((value, at) => value / Math.sqrt(scaling.data[at % rank]!));
    const centered = graph.op('Sub', [input, graph.double(means.data.subarray(i * features, (i + 1) * features))]);
    const whitened = graph.op('Gemm', [centered, graph.double(scaled, [features, rank])]);
    const distance = graph.op('ReduceSumSquare', [whitened, graph.ints(1)], { keepdims: 1n });
    const logDeterminant = scaling.data.reduce((sum, value) => sum + Math.log(value), 0);
    return graph.op('Add', [
      graph.op('Mul', [distance, graph.double(-0.5)]),
      graph.double(-0.5 * logDeterminant + Math.log(prior)),
    ]);
  });
  const scores = graph.op('Concat', columns, { axis: 1n });
  return byProbability(graph, classes, graph.op('Softmax', [scores], { axis: 1n }));
}

function denseItem(value: Parameters<typeof dense>[0], estimator: Estimator): Dense {
  return dense(value, estimator.path);
}

const linear = 'linear models';
const regressor: SklearnClass = { family: linear, predict: linearRegressor };
const classifier: SklearnClass = { family: linear, predict: decision };

/** Classes whose prediction is a linear function of the input, perhaps through a link. */
export const linearClasses: Readonly<Record<string, SklearnClass>> = {
  LinearRegression: regressor,
  Ridge: regressor,
  RidgeCV: regressor,
  Lasso: regressor,
  LassoCV: regressor,
  LassoLars: regressor,
  LassoLarsCV: regressor,
  LassoLarsIC: regressor,
  ElasticNet: regressor,
  ElasticNetCV: regressor,
  Lars: regressor,
  LarsCV: regressor,
  MultiTaskLasso: regressor,
  MultiTaskLassoCV: regressor,
  MultiTaskElasticNet: regressor,
  MultiTaskElasticNetCV: regressor,
  OrthogonalMatchingPursuit: regressor,
  OrthogonalMatchingPursuitCV: regressor,
  BayesianRidge: regressor,
  ARDRegression: regressor,
  HuberRegressor: regressor,
  TheilSenRegressor: regressor,
  SGDRegressor: regressor,
  PassiveAggressiveRegressor: regressor,
  QuantileRegressor: regressor,
  LinearSVR: regressor,
  PoissonRegressor: { family: linear, predict: generalizedLinear },
  GammaRegressor: { family: linear, predict: generalizedLinear },
  TweedieRegressor: { family: linear, predict: generalizedLinear },
  RANSACRegressor: { family: linear, predict: ransac },
  PLSRegression: { family: linear, predict: partialLeastSquares },
  LogisticRegression: { family: linear, predict: logisticRegression },
  LogisticRegressionCV: { family: linear, predict: logisticRegression },
  SGDClassifier: { family: linear, predict: sgdClassifier },
  Perceptron: classifier,
  PassiveAggressiveClassifier: classifier,
  LinearSVC: classifier,
  RidgeClassifier: classifier,
  RidgeClassifierCV: classifier,
  LinearDiscriminantAnalysis: { family: linear, predict: linearDiscriminant, transform: linearDiscriminantTransform },
  QuadraticDiscriminantAnalysis: { family: linear, predict: quadraticDiscriminant },
};
