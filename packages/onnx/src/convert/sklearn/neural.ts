import { byProbability, indexAbove, sigmoid, withComplement } from './class-answers.ts';
import { type Answer, type Frame, type Lowering, matrix, requireWidth, type SklearnClass } from './lowering.ts';
import { dense, type Estimator } from './records.ts';

const family = 'neural networks';

function activated(value: string, name: string, estimator: Estimator, to: Lowering): string {
  switch (name) {
    case 'identity':
      return value;
    case 'relu':
      return to.graph.op('Max', [value, to.graph.double(0)]);
    case 'logistic':
      return sigmoid(to.graph, value);
    case 'tanh':
      return to.graph.op('Tanh', [value]);
    case 'softmax':
      return to.graph.op('Softmax', [value], { axis: 1n });
    default:
      return estimator.refuse(`uses the activation "${name}"`);
  }
}

function layers(estimator: Estimator, x: Frame, to: Lowering): { value: string; columns: number } {
  const { graph } = to;
  const weights = estimator.list('coefs_').map((item, i) => dense(item, `${estimator.path}.coefs_[${i}]`));
  const biases = estimator.list('intercepts_').map((item, i) => dense(item, `${estimator.path}.intercepts_[${i}]`));
  requireWidth(x, weights[0]?.dims[0] ?? 0, estimator);
  let value = matrix(x, to, estimator);
  weights.forEach((weight, i) => {
    const isLast = i === weights.length - 1;
    const name = (isLast ? estimator.text('out_activation_') : estimator.text('activation')) ?? 'identity';
    value = graph.op('Add', [
      graph.op('Gemm', [value, graph.double(weight.data, weight.dims)]),
      graph.double(biases[i]?.data ?? []),
    ]);
    value = activated(value, name, estimator, to);
  });
  return { value, columns: weights.at(-1)?.dims[1] ?? 1 };
}

function classifier(estimator: Estimator, x: Frame, to: Lowering): Answer {
  const classes = estimator.labels('classes_');
  const { value, columns } = layers(estimator, x, to);
  if (columns === 1)
    return {
      kind: 'classes',
      classes,
      index: indexAbove(to.graph, value, 0.5),
      probabilities: withComplement(to.graph, value),
    };
  if (estimator.text('out_activation_') !== 'softmax')
    estimator.refuse('predicts several labels at once, which is not supported');
  return byProbability(to.graph, classes, value);
}

function regressor(estimator: Estimator, x: Frame, to: Lowering): Answer {
  return { kind: 'values', ...layers(estimator, x, to) };
}

export const neuralClasses: Readonly<Record<string, SklearnClass>> = {
  MLPClassifier: { family, predict: classifier },
  MLPRegressor: { family, predict: regressor },
};
