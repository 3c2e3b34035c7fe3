import { type Dense, dense, type Estimator, plainLabels } from '../sklearn/records.ts';
import { largest, logistic, softmax } from './shares.ts';
import { NotWalkable, type Row, type WritePredictor } from './walked-answer.ts';

const activations: Readonly<Record<string, (layer: number[]) => number[]>> = {
  identity: layer => layer,
  relu: layer => layer.map(x => Math.max(0, x)),
  logistic: layer => layer.map(logistic),
  tanh: layer => layer.map(Math.tanh),
  softmax,
};

function perceptron(estimator: Estimator): (row: Row) => number[] {
  const read = (name: string): Dense[] => estimator.list(name).map((item, i) => dense(item, `${name}[${i}]`));
  const weights = read('coefs_');
  const biases = read('intercepts_');
  const hidden = activations[estimator.text('activation') ?? 'identity'];
  const output = activations[estimator.text('out_activation_') ?? 'identity'];
  if (hidden === undefined || output === undefined) throw new NotWalkable('an unknown activation');
  return row =>
    weights.reduce<number[]>((layer, weight, l) => {
      const width = weight.dims[1]!;
      const next = Array.from({ length: width }, (_, j) =>
        layer.reduce((sum, x, i) => sum + x * weight.data[i * width + j]!, biases[l]!.data[j]!),
      );
      return (l === weights.length - 1 ? output : hidden)(next);
    }, row.map(Number));
}

const mlpClassifier: WritePredictor = estimator => {
  const run = perceptron(estimator);
  const classes = plainLabels(estimator.labels('classes_'));
  return row => {
    const out = run(row);
    return largest(classes, out.length === 1 ? [1 - out[0]!, out[0]!] : out);
  };
};

const mlpRegressor: WritePredictor = estimator => {
  const run = perceptron(estimator);
  return row => ({ kind: 'values', values: run(row) });
};

export const networkPredictors: Readonly<Record<string, WritePredictor>> = {
  MLPClassifier: mlpClassifier,
  MLPRegressor: mlpRegressor,
};
