import type { GraphBuilder } from '../graph-builder.ts';
import type { ClassAnswer } from './lowering.ts';
import type { Labels } from './records.ts';

/** Index of the largest column, the first one among equals: int64 [batch]. */
export function argMax(graph: GraphBuilder, matrix: string): string {
  return graph.op('ArgMax', [matrix], { axis: 1n, keepdims: 0n });
}

/** Class 1 where the single score is above the boundary: int64 [batch]. */
export function indexAbove(graph: GraphBuilder, score: string, boundary: number): string {
  const flat = graph.op('Reshape', [score, graph.ints(-1)]);
  return graph.cast(graph.op('Greater', [flat, graph.double(boundary)]), 'int64');
}

/** Column pair (1 - p, p) of a one-column probability. */
export function withComplement(graph: GraphBuilder, p: string): string {
  return graph.op('Concat', [graph.op('Sub', [graph.double(1), p]), p], { axis: 1n });
}

/** Rows divided by their sums; a row of zeros stays as `zeroRow` says. */
export function normalizedRows(graph: GraphBuilder, matrix: string): string {
  return graph.op('Div', [matrix, graph.op('ReduceSum', [matrix, graph.ints(1)], { keepdims: 1n })]);
}

/** The answer of a classifier whose decision is the most probable class. */
export function byProbability(graph: GraphBuilder, classes: Labels, probabilities: string): ClassAnswer {
  return { kind: 'classes', classes, index: argMax(graph, probabilities), probabilities };
}

/**
 * 1 / (1 + exp(-x)) in double, exact in both tails. The runtime's own `Sigmoid` is 1 - 1 / (1 + exp(x)) below zero, which
 * is 0 from about -37 on; where probabilities are divided by their sum, that is the difference between an answer and NaN.
 */
export function sigmoid(graph: GraphBuilder, x: string): string {
  const one = graph.double(1);
  return graph.op('Div', [one, graph.op('Add', [one, graph.op('Exp', [graph.op('Neg', [x])])])]);
}

/** Sigmoid per class, divided by the row sum, as one-versus-rest classifiers report probabilities. */
export function oneVersusRest(graph: GraphBuilder, scores: string): string {
  return normalizedRows(graph, sigmoid(graph, scores));
}

/** Class labels of the predicted positions, in the labels' own type. */
export function emitLabels(
  graph: GraphBuilder,
  classes: Labels,
  index: string,
): { value: string; type: 'string' | 'int64' | 'double' | 'bool' } {
  const isIdentity = classes.type === 'int64' && classes.values.every((label, i) => label === BigInt(i));
  if (isIdentity) return { value: index, type: 'int64' };
  return {
    value: graph.op('Gather', [graph.constant(classes.type, [classes.values.length], classes.values), index], {
      axis: 0n,
    }),
    type: classes.type,
  };
}
