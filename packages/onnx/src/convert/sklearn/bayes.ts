import { byProbability } from './class-answers.ts';
import {
  type Answer,
  type Frame,
  frameWidth,
  type Lowering,
  matrix,
  requireWidth,
  type SklearnClass,
} from './lowering.ts';
import type { Dense, Estimator } from './records.ts';

const family = 'naive Bayes';

/** Class shares from joint log likelihoods of shape [batch, classes]. */
function fromLogLikelihood(estimator: Estimator, scores: string, to: Lowering): Answer {
  return byProbability(to.graph, estimator.labels('classes_'), to.graph.op('Softmax', [scores], { axis: 1n }));
}

function transposed(table: Dense): Float64Array {
  const [rows = 0, columns = 0] = table.dims;
  return Float64Array.from(
    { length: rows * columns },
    (_, i) => table.data[(i % rows) * columns + Math.floor(i / rows)]!,
  );
}

/** Independent normal densities per feature. */
function gaussian(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const means = estimator.dense('theta_');
  const variances = estimator.dense(estimator.has('var_') ? 'var_' : 'sigma_');
  const [classes = 0, features = 0] = means.dims;
  requireWidth(x, features, estimator);
  const prior = estimator.dense('class_prior_').data;
  const start = Float64Array.from({ length: classes }, (_, c) => {
    let sum = 0;
    for (let f = 0; f < features; f++) sum += Math.log(2 * Math.PI * variances.data[c * features + f]!);
    return Math.log(prior[c]!) - 0.5 * sum;
  });
  const rows = graph.op('Unsqueeze', [matrix(x, to, estimator), graph.ints(1)]);
  const difference = graph.op('Sub', [rows, graph.double(means.data, [1, classes, features])]);
  const squares = graph.op('Div', [
    graph.op('Mul', [difference, difference]),
    graph.double(variances.data, [1, classes, features]),
  ]);
  const sum = graph.op('ReduceSum', [squares, graph.ints(2)], { keepdims: 0n });
  return fromLogLikelihood(
    estimator,
    graph.op('Sub', [graph.double(start), graph.op('Mul', [graph.double(0.5), sum])]),
    to,
  );
}

function weighted(estimator: Estimator, x: Frame, to: Lowering, weights: Dense, offset: Float64Array): Answer {
  const [classes = 0, features = 0] = weights.dims;
  requireWidth(x, features, estimator);
  const product = to.graph.op('Gemm', [
    matrix(x, to, estimator),
    to.graph.double(transposed(weights), [features, classes]),
  ]);
  return fromLogLikelihood(estimator, to.graph.op('Add', [product, to.graph.double(offset)]), to);
}

function multinomial(estimator: Estimator, x: Frame, to: Lowering): Answer {
  return weighted(estimator, x, to, estimator.dense('feature_log_prob_'), estimator.dense('class_log_prior_').data);
}

function complement(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const weights = estimator.dense('feature_log_prob_');
  const classes = estimator.labels('classes_').values.length;
  const prior = classes === 1 ? estimator.dense('class_log_prior_').data : new Float64Array(classes);
  return weighted(estimator, x, to, weights, prior);
}

function bernoulli(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const { graph } = to;
  const present = estimator.dense('feature_log_prob_');
  const [classes = 0, features = 0] = present.dims;
  const absent = present.data.map(value => Math.log(1 - Math.exp(value)));
  const weights = { dims: present.dims, data: present.data.map((value, i) => value - absent[i]!) };
  const prior = estimator.dense('class_log_prior_').data;
  const offset = Float64Array.from({ length: classes }, (_, c) => {
    let sum = prior[c]!;
    for (let f = 0; f < features; f++) sum += absent[c * features + f]!;
    return sum;
  });
  const threshold = estimator.number('binarize');
  if (threshold === undefined) return weighted(estimator, x, to, weights, offset);
  const flags = graph.cast(graph.op('Greater', [matrix(x, to, estimator), graph.double(threshold)]), 'double');
  return weighted(
    estimator,
    { blocks: [{ type: 'double', value: flags, columns: frameWidth(x) }] },
    to,
    weights,
    offset,
  );
}

export const bayesClasses: Readonly<Record<string, SklearnClass>> = {
  GaussianNB: { family, predict: gaussian },
  MultinomialNB: { family, predict: multinomial },
  ComplementNB: { family, predict: complement },
  BernoulliNB: { family, predict: bernoulli },
};
