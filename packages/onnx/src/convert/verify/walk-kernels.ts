import type { Dense, Estimator } from '../sklearn/records.ts';
import { NotWalkable, type Row } from './walked-answer.ts';

/** A sum and the size of the terms it was made of: rounding is relative to the terms, not to what is left of them. */
export interface RoundedSum {
  readonly value: number;
  readonly terms: number;
}

/** Whether the terms of a sum are so much larger than the sum that its rounding can reach the bar of a comparison. */
export function cancels({ value, terms }: RoundedSum): boolean {
  return !(terms < 2e4 * Math.max(1, Math.abs(value)));
}

/** A kernel between one row and a row of a table, with how much rounding of its sums can move it. */
export type Kernel = (row: Row, table: Float64Array, from: number) => RoundedSum;

/**
 * Kernels by the documentation of scikit-learn: linear x.y, poly (gamma x.y + coef0)^degree, rbf exp(-gamma |x - y|^2),
 * sigmoid tanh(gamma x.y + coef0).
 * @throws NotWalkable for another kernel
 */
export function kernelOf(estimator: Estimator, features: number, gamma: number): Kernel {
  const kernel = estimator.text('kernel');
  const coef0 = estimator.number('coef0') ?? 0;
  const degree = estimator.number('degree') ?? 3;
  const product = (row: Row, table: Float64Array, from: number): RoundedSum => {
    let value = 0;
    let terms = 0;
    for (let i = 0; i < features; i++) {
      const term = Number(row[i]) * table[from + i]!;
      value += term;
      terms += Math.abs(term);
    }
    return { value, terms };
  };
  switch (kernel) {
    case 'linear':
      return product;
    case 'poly':
    case 'polynomial':
      return (row, table, from) => {
        const { value, terms } = product(row, table, from);
        const base = gamma * value + coef0;
        return {
          value: base ** degree,
          terms: degree * Math.abs(base) ** (degree - 1) * (Math.abs(gamma) * terms + Math.abs(coef0)),
        };
      };
    case 'sigmoid':
      return (row, table, from) => {
        const { value, terms } = product(row, table, from);
        return { value: Math.tanh(gamma * value + coef0), terms: Math.abs(gamma) * terms + Math.abs(coef0) + 1 };
      };
    case 'rbf':
      return (row, table, from) => {
        let distance = 0;
        let size = 0;
        for (let i = 0; i < features; i++) {
          const x = Number(row[i]);
          const y = table[from + i]!;
          distance += (x - y) * (x - y);
          size += x * x + y * y;
        }
        const value = Math.exp(-gamma * distance);
        return { value, terms: value * (1 + gamma * size) };
      };
    default:
      throw new NotWalkable(`${estimator.className} with the kernel ${String(kernel)}`);
  }
}

/** Kernel values of a row with every row of a table. */
export function kernelRow(kernel: Kernel, row: Row, table: Dense): RoundedSum[] {
  const [rows = 0, features = 0] = table.dims;
  return Array.from({ length: rows }, (_, i) => kernel(row, table.data, i * features));
}

/** The weighted sum of kernel values over some rows of the table. */
export function weighted(
  values: readonly RoundedSum[],
  weight: (row: number) => number,
  from = 0,
  to = values.length,
): RoundedSum {
  let value = 0;
  let terms = 0;
  for (let i = from; i < to; i++) {
    value += weight(i) * values[i]!.value;
    terms += Math.abs(weight(i)) * values[i]!.terms;
  }
  return { value, terms };
}
