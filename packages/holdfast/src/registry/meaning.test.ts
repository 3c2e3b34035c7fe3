import type { Datatype, TensorSpec } from '@holdfast/api';
import { expect, test } from 'vitest';
import { withMeaning } from './meaning.ts';

function tensor(name: string, datatype: Datatype, shape: number[]): TensorSpec {
  return { name, datatype, shape, optional: false };
}

test('scalars per row are one column each, a row of k elements is k columns', () => {
  const signature = withMeaning({
    inputs: [tensor('age', 'FP32', [-1, 1]), tensor('city', 'BYTES', [-1]), tensor('x', 'FP32', [-1, 2])],
    outputs: [tensor('y', 'FP32', [-1, 1])],
  });
  expect(signature.columns.map(column => [column.name, column.role, column.kind])).toEqual([
    ['age', 'input', 'numeric'],
    ['city', 'input', 'categorical'],
    ['x[0]', 'input', 'numeric'],
    ['x[1]', 'input', 'numeric'],
    ['y', 'output', 'numeric'],
  ]);
  expect(signature.task).toEqual({ kind: 'regression', value: 'y' });
});

test('feature names of the file name the columns of a wide input', () => {
  const signature = withMeaning(
    { inputs: [tensor('X', 'FP64', [-1, 2])], outputs: [tensor('y', 'FP64', [-1])] },
    { featureNames: ['sepal', 'petal'] },
  );
  expect(signature.columns.map(column => column.name)).toEqual(['sepal', 'petal', 'y']);
});

test('a label and two probabilities are a binary task scored by the second probability', () => {
  const signature = withMeaning({
    inputs: [tensor('X', 'FP32', [-1, 3])],
    outputs: [tensor('label', 'INT64', [-1]), tensor('probabilities', 'FP32', [-1, 2])],
  });
  expect(signature.task).toEqual({
    kind: 'binary',
    score: 'probabilities[1]',
    label: 'label',
    positiveClass: '1',
    threshold: 0.5,
  });
});

test('many probabilities with a label are multi-class', () => {
  const signature = withMeaning({
    inputs: [tensor('X', 'FP32', [-1, 3])],
    outputs: [tensor('label', 'INT64', [-1]), tensor('probabilities', 'FP32', [-1, 3])],
  });
  expect(signature.task).toMatchObject({ kind: 'multiclass', label: 'label', classes: ['0', '1', '2'] });
});

test('what the user says about the task wins over the guess', () => {
  const graph = { inputs: [tensor('X', 'FP32', [-1, 3])], outputs: [tensor('p', 'FP32', [-1, 1])] };
  expect(withMeaning(graph, { task: { kind: 'binary', positiveClass: 'late' } }).task).toMatchObject({
    kind: 'binary',
    score: 'p',
    positiveClass: 'late',
  });
  expect(withMeaning(graph, { task: { kind: 'none' } }).task).toEqual({ kind: 'none' });
});

test('an image is an input without columns', () => {
  const signature = withMeaning({
    inputs: [tensor('image', 'FP32', [-1, 3, 224, 224])],
    outputs: [tensor('softmax', 'FP32', [-1, 1000])],
  });
  expect(signature.columns.filter(column => column.role === 'input')).toEqual([]);
  expect(signature.task.kind).toBe('multiclass');
});

test('an input and an output of the same name stay apart', () => {
  const signature = withMeaning({ inputs: [tensor('x', 'FP32', [-1])], outputs: [tensor('x', 'FP32', [-1])] });
  expect(signature.columns.map(column => column.name)).toEqual(['x', 'x_2']);
});
