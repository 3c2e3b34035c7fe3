import type { TensorSpec } from '@holdfast/api';
import { expect, test } from 'vitest';
import { withMeaning } from '../registry/index.ts';
import { isTabular, rowsToTensors, tensorsToColumns } from './tabular-rows.ts';

function spec(name: string, datatype: TensorSpec['datatype'], shape: number[]): TensorSpec {
  return { name, datatype, shape, optional: false };
}

const signature = withMeaning({
  inputs: [spec('x', 'FP32', [-1, 2]), spec('city', 'BYTES', [-1, 1]), spec('n', 'INT64', [-1])],
  outputs: [spec('label', 'INT64', [-1]), spec('p', 'FP32', [-1, 2])],
});

test('a table becomes tensors row by row, and only the rows asked for', () => {
  const columns = new Map<string, number[] | (string | null)[]>([
    ['x[0]', [1, 2, 3]],
    ['x[1]', [10, Number.NaN, 30]],
    ['city', ['a', 'b', null]],
    ['n', [5, 6, Number.NaN]],
  ]);
  expect(rowsToTensors(signature, columns, 1, 3)).toEqual([
    { name: 'x', datatype: 'FP32', shape: [2, 2], data: Float32Array.of(2, Number.NaN, 3, 30) },
    { name: 'city', datatype: 'BYTES', shape: [2, 1], data: ['b', ''] },
    { name: 'n', datatype: 'INT64', shape: [2], data: BigInt64Array.of(6n, 0n) },
  ]);
});

test('an answer becomes columns: classes as text, scores as numbers', () => {
  const columns = tensorsToColumns(signature, [
    { name: 'label', datatype: 'INT64', shape: [2], data: BigInt64Array.of(0n, 1n) },
    { name: 'p', datatype: 'FP32', shape: [2, 2], data: Float32Array.of(0.75, 0.25, 0.5, 0.5) },
  ]);
  expect([...columns]).toEqual([
    ['label', ['0', '1']],
    ['p[0]', Float64Array.of(0.75, 0.5)],
    ['p[1]', Float64Array.of(0.25, 0.5)],
  ]);
});

test('an image model cannot be fed from a table', () => {
  expect(isTabular(signature)).toBe(true);
  expect(
    isTabular(withMeaning({ inputs: [spec('i', 'FP32', [-1, 3, 8, 8])], outputs: [spec('p', 'FP32', [-1])] })),
  ).toBe(false);
});
