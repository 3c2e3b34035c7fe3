import type { Lowering } from './lowering.ts';
import type { Dense, Estimator } from './records.ts';

/** Y^T as a constant of shape [features, rows]. */
export function transposedConstant(table: Dense, to: Lowering): string {
  const [rows = 0, columns = 0] = table.dims;
  const data = Float64Array.from(
    { length: rows * columns },
    (_, i) => table.data[(i % rows) * columns + Math.floor(i / rows)]!,
  );
  return to.graph.double(data, [columns, rows]);
}

/** Squared Euclidean distances [batch, rows] as |x|^2 - 2 x.y + |y|^2, never below zero. */
export function squaredDistances(x: string, table: Dense, to: Lowering): string {
  const { graph } = to;
  const [rows = 0, columns = 0] = table.dims;
  const norms = Float64Array.from({ length: rows }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < columns; j++) sum += table.data[i * columns + j]! ** 2;
    return sum;
  });
  const own = graph.op('ReduceSumSquare', [x, graph.ints(1)], { keepdims: 1n });
  const cross = graph.op('Mul', [graph.double(2), graph.op('Gemm', [x, transposedConstant(table, to)])]);
  return graph.op('Max', [
    graph.op('Add', [graph.op('Sub', [own, cross]), graph.double(norms, [1, rows])]),
    graph.double(0),
  ]);
}

/** Kernel values between the rows of x and a table: linear, poly, rbf, sigmoid. */
export function kernelMatrix(
  estimator: Estimator,
  kernel: string,
  x: string,
  table: Dense,
  gamma: number,
  to: Lowering,
): string {
  const { graph } = to;
  if (kernel === 'rbf')
    return graph.op('Exp', [graph.op('Mul', [graph.double(-gamma), squaredDistances(x, table, to)])]);
  const product = graph.op('Gemm', [x, transposedConstant(table, to)]);
  if (kernel === 'linear') return product;
  const inner = graph.op('Add', [
    graph.op('Mul', [graph.double(gamma), product]),
    graph.double(estimator.number('coef0') ?? 0),
  ]);
  if (kernel === 'poly' || kernel === 'polynomial')
    return graph.op('Pow', [inner, graph.double(estimator.number('degree') ?? 3)]);
  if (kernel === 'sigmoid') return graph.op('Tanh', [inner]);
  return estimator.refuse(`uses the kernel "${kernel}"`);
}
