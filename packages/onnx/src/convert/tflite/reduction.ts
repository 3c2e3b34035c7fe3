import type { OperatorCall, TfliteHandler } from './lowering.ts';

function reduceAxes(call: OperatorCall): string {
  return call.int64s(1);
}

const reduction =
  (opType: string): TfliteHandler =>
  call => {
    const keepdims = call.options.bool(0) ? 1n : 0n;
    // No axes means no reduction here, all of them in ONNX.
    call.result(call.graph.op(opType, [call.value(0), reduceAxes(call)], { keepdims, noop_with_empty_axes: 1n }));
  };

const logicalReduction =
  (opType: string): TfliteHandler =>
  call => {
    const { graph } = call;
    const keepdims = call.options.bool(0) ? 1n : 0n;
    const reduced = graph.op(opType, [graph.cast(call.stored(0), 'int32'), reduceAxes(call)], {
      keepdims,
      noop_with_empty_axes: 1n,
    });
    call.storedResult(graph.cast(reduced, 'bool'));
  };

const extreme =
  (opType: string): TfliteHandler =>
  call => {
    const [at = 0] = call.ints(1);
    const index = call.graph.op(opType, [call.value(0)], { axis: BigInt(call.axis(at, call.rank(0))), keepdims: 0n });
    const type = call.to.requireType(call.output());
    call.storedResult(type === 'int64' ? index : call.graph.cast(index, type));
  };

function softmax(call: OperatorCall): void {
  const { graph } = call;
  const beta = call.options.float32(0);
  const x = beta === 1 ? call.value(0) : graph.op('Mul', [call.value(0), call.number(beta)]);
  call.result(graph.op('Softmax', [x], { axis: -1n }));
}

/** Along the last dimension; a norm below 1e-6 counts as 1e-6. */
function l2Normalize(call: OperatorCall): void {
  const { graph } = call;
  const x = call.value(0);
  const norm = graph.op('ReduceL2', [x, graph.ints(-1)], { keepdims: 1n });
  call.result(graph.op('Div', [x, graph.op('Max', [norm, call.number(1e-6)])]), call.activation(0));
}

function topK(call: OperatorCall): void {
  const { graph } = call;
  const count = call.int64s(1);
  const [values, indices] = graph.opMany('TopK', [call.value(0), graph.op('Reshape', [count, graph.ints(1)])], 2, {
    axis: -1n,
  }) as [string, string];
  call.result(values);
  if (call.operator.outputs.length > 1) call.storedResult(graph.cast(indices, call.to.requireType(call.output(1))), 1);
}

function cumulativeSum(call: OperatorCall): void {
  const [at = 0] = call.ints(1);
  call.result(
    call.graph.op('CumSum', [call.value(0), call.graph.constant('int64', [], [call.axis(at, call.rank(0))])], {
      exclusive: call.options.bool(0) ? 1n : 0n,
      reverse: call.options.bool(1) ? 1n : 0n,
    }),
  );
}

/** An index below 0 or beyond the depth switches nothing on, where ONNX would count from the end. */
function oneHot(call: OperatorCall): void {
  const { graph } = call;
  const [depth = 0] = call.ints(1);
  call.checkComputed(depth);
  if (depth < 0) throw call.damaged(`has the depth ${depth}`);
  const rank = call.rank(0) + 1;
  const axis = call.axis(call.options.int32(0), rank);
  const shape = Array.from({ length: rank }, (_, i) => (i === axis ? depth : 1));
  const steps = graph.constant(
    'int64',
    shape,
    Array.from({ length: depth }, (_, i) => i),
  );
  const indices = graph.op('Unsqueeze', [graph.cast(call.stored(0), 'int64'), graph.ints(axis)]);
  const isOn = graph.op('Equal', [indices, steps]);
  if (call.isSameScale(2) && call.isSameScale(3))
    call.storedResult(graph.op('Where', [isOn, call.stored(2), call.stored(3)]));
  else call.result(graph.op('Where', [isOn, call.value(2), call.value(3)]));
}

function where(call: OperatorCall): void {
  const isTrue = call.tensor(0).type === 'BOOL' ? call.stored(0) : call.graph.cast(call.value(0), 'bool');
  call.storedResult(
    call.graph.op('Transpose', [call.graph.op('NonZero', [isTrue])], { perm: BigInt64Array.of(1n, 0n) }),
  );
}

function range(call: OperatorCall): void {
  const scalar = (input: number): string => call.graph.op('Reshape', [call.stored(input), call.graph.ints()]);
  call.storedResult(call.graph.op('Range', [scalar(0), scalar(1), scalar(2)]));
}

/** Updates at the same place add up. */
function scatter(call: OperatorCall): void {
  const { graph } = call;
  const type = call.valueType(call.tensor(1));
  const zeros = graph.op('Expand', [call.number(0, type), call.int64s(2)]);
  call.result(graph.op('ScatterND', [zeros, graph.cast(call.stored(0), 'int64'), call.value(1)], { reduction: 'add' }));
}

function embeddingLookup(call: OperatorCall): void {
  call.move(1, value => call.graph.op('Gather', [value, call.stored(0)], { axis: 0n }));
}

export const reductionOperators: Readonly<Record<string, TfliteHandler>> = {
  ARG_MAX: extreme('ArgMax'),
  ARG_MIN: extreme('ArgMin'),
  CUMSUM: cumulativeSum,
  EMBEDDING_LOOKUP: embeddingLookup,
  L2_NORMALIZATION: l2Normalize,
  LOG_SOFTMAX: call => call.result(call.graph.op('LogSoftmax', [call.value(0)], { axis: -1n })),
  MEAN: reduction('ReduceMean'),
  ONE_HOT: oneHot,
  RANGE: range,
  REDUCE_ALL: logicalReduction('ReduceMin'),
  REDUCE_ANY: logicalReduction('ReduceMax'),
  REDUCE_MAX: reduction('ReduceMax'),
  REDUCE_MIN: reduction('ReduceMin'),
  REDUCE_PROD: reduction('ReduceProd'),
  SCATTER_ND: scatter,
  SOFTMAX: softmax,
  SUM: reduction('ReduceSum'),
  TOPK_V2: topK,
  WHERE: where,
};
