import type { Lowering } from './lowering.ts';

/** numpy.interp of one column: the last point at or below x decides the segment; ends are flat. */
export function interpolate(column: string, points: Float64Array, values: Float64Array, to: Lowering): string {
  const { graph } = to;
  const last = points.length - 1;
  if (last < 1) return graph.op('Add', [graph.op('Mul', [column, graph.double(0)]), graph.double(values[0] ?? 0)]);
  const slopes = Float64Array.from({ length: last }, (_, i) =>
    points[i + 1]! > points[i]! ? (values[i + 1]! - values[i]!) / (points[i + 1]! - points[i]!) : 0,
  );
  const reached = graph.cast(graph.op('GreaterOrEqual', [column, graph.double(points)]), 'int64');
  const rank = graph.op('Sub', [
    graph.op('ReduceSum', [reached, graph.ints(1)], { keepdims: 1n }),
    graph.constant('int64', [], [1]),
  ]);
  const segment = graph.op('Max', [
    graph.op('Min', [rank, graph.constant('int64', [], [last - 1])]),
    graph.constant('int64', [], [0]),
  ]);
  const pick = (list: Float64Array): string => graph.op('Gather', [graph.double(list), segment], { axis: 0n });
  const line = graph.op('Add', [
    graph.op('Mul', [pick(slopes), graph.op('Sub', [column, pick(points.subarray(0, last))])]),
    pick(values.subarray(0, last)),
  ]);
  const low = graph.op('Where', [graph.op('Less', [column, graph.double(points[0]!)]), graph.double(values[0]!), line]);
  return graph.op('Where', [
    graph.op('GreaterOrEqual', [column, graph.double(points[last]!)]),
    graph.double(values[last]!),
    low,
  ]);
}
