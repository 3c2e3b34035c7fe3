import type { BuildType } from '../../model/build.ts';
import type { OperatorCall, TfliteHandler } from './lowering.ts';

type Attributes = Readonly<Record<string, bigint | number | string>>;

/** An operator that ONNX has under another name. */
const unary =
  (opType: string, attributes: Attributes = {}): TfliteHandler =>
  call =>
    call.result(call.graph.op(opType, [call.value(0)], attributes));

const clipped =
  (low: number, high: number): TfliteHandler =>
  call => {
    const type = call.valueType(call.tensor(0));
    call.result(call.graph.op('Clip', [call.value(0), call.number(low, type), call.number(high, type)]));
  };

/** Two operands that broadcast, with the fused activation in field `activation` if the operator has one. */
const binary =
  (opType: string, activation?: number): TfliteHandler =>
  call =>
    call.result(
      call.graph.op(opType, [call.value(0), call.value(1)]),
      activation === undefined ? 'none' : call.activation(activation),
    );

const comparison =
  (opType: string): TfliteHandler =>
  call => {
    const bool = call.tensor(0).type === 'BOOL' && opType !== 'Equal';
    const operand = (input: number): string => (bool ? call.graph.cast(call.value(input), 'int32') : call.value(input));
    call.storedResult(call.graph.op(opType, [operand(0), operand(1)]));
  };

const logical =
  (opType: string): TfliteHandler =>
  call =>
    call.storedResult(call.graph.op(opType, [call.stored(0), call.stored(1)]));

/** Whole numbers up to 32 bits compute exactly in double. */
function asDouble(call: OperatorCall, input: number): string {
  return call.graph.cast(call.value(input), 'double');
}

function floorDivide(call: OperatorCall): void {
  const type = call.valueType(call.tensor(0));
  if (type === 'float') {
    call.result(call.graph.op('Floor', [call.graph.op('Div', [call.value(0), call.value(1)])]));
    return;
  }
  if (type === 'int64') throw call.refuse('divides 64-bit numbers, which no exact ONNX operator rounds down');
  const quotient = call.graph.op('Floor', [call.graph.op('Div', [asDouble(call, 0), asDouble(call, 1)])]);
  call.storedResult(call.graph.cast(quotient, type));
}

function floorModulo(call: OperatorCall): void {
  const { graph } = call;
  const type = call.valueType(call.tensor(0));
  const [x, y] = [call.value(0), call.value(1)];
  if (type !== 'float') {
    call.result(graph.op('Mod', [x, y]));
    return;
  }
  // The remainder takes the sign of the divisor, that of C the sign of the dividend.
  const rest = graph.op('Mod', [x, y], { fmod: 1n });
  const zero = call.number(0);
  const isOther = graph.op('And', [
    graph.op('Not', [graph.op('Equal', [rest, zero])]),
    graph.op('Xor', [graph.op('Less', [rest, zero]), graph.op('Less', [y, zero])]),
  ]);
  call.result(graph.op('Where', [isOther, graph.op('Add', [rest, y]), rest]));
}

function square(call: OperatorCall): void {
  const x = call.value(0);
  call.result(call.graph.op('Mul', [x, x]));
}

function squaredDifference(call: OperatorCall): void {
  const difference = call.graph.op('Sub', [call.value(0), call.value(1)]);
  call.result(call.graph.op('Mul', [difference, difference]));
}

function addMany(call: OperatorCall): void {
  call.result(
    call.operator.inputs.map((_, i) => call.value(i)).reduce((sum, value) => call.graph.op('Add', [sum, value])),
  );
}

function cast(call: OperatorCall): void {
  const type = call.to.requireType(call.output());
  // A constant unfolded before is kept in a smaller type; its numbers are cast, not what stands for them.
  call.storedResult(call.graph.cast(call.to.declared(call.index(0)), type));
}

function zerosLike(call: OperatorCall): void {
  const type: BuildType = call.to.requireType(call.output());
  call.storedResult(call.graph.op('Expand', [call.number(0, type), call.graph.op('Shape', [call.stored(0)])]));
}

/** Limits nudged so that zero is one of the steps, then rounded to the steps, as TensorFlow simulates quantisation. */
function fakeQuantize(call: OperatorCall): void {
  const { graph, options } = call;
  const [low, high, bits] = [options.float32(0), options.float32(1), options.int32(2)];
  if (!(low < high && bits >= 2 && bits <= 16)) throw call.damaged('has impossible limits');
  const [first, last] = [options.bool(3) ? 1 : 0, 2 ** bits - 1];
  const scale = Math.fround((high - low) / (last - first));
  const zeroFromLow = first - low / scale;
  const zero = Math.min(last, Math.max(first, Math.round(zeroFromLow)));
  const [lowest, highest] = [(first - zero) * scale, (last - zero) * scale];
  const inside = graph.op('Clip', [call.value(0), call.number(lowest), call.number(highest)]);
  const steps = graph.op('Div', [graph.op('Sub', [inside, call.number(lowest)]), call.number(scale)]);
  const rounded = graph.op('Floor', [graph.op('Add', [steps, call.number(0.5)])]);
  call.result(graph.op('Add', [graph.op('Mul', [rounded, call.number(scale)]), call.number(lowest)]));
}

/** Version 1 lets a condition of rank 1 choose whole rows. */
function select(call: OperatorCall): void {
  const { graph } = call;
  const rank = call.rank(1);
  const isRows = call.operator.name === 'SELECT' && call.rank(0) === 1 && rank > 1;
  const condition = isRows
    ? graph.op('Reshape', [call.stored(0), graph.ints(-1, ...new Array<number>(rank - 1).fill(1))])
    : call.stored(0);
  if (call.isSameScale(1) && call.isSameScale(2))
    call.storedResult(graph.op('Where', [condition, call.stored(1), call.stored(2)]));
  else call.result(graph.op('Where', [condition, call.value(1), call.value(2)]));
}

export const elementwiseOperators: Readonly<Record<string, TfliteHandler>> = {
  ABS: unary('Abs'),
  ADD: binary('Add', 0),
  ADD_N: addMany,
  CAST: cast,
  CEIL: unary('Ceil'),
  COS: unary('Cos'),
  DIV: binary('Div', 0),
  ELU: unary('Elu'),
  EQUAL: comparison('Equal'),
  EXP: unary('Exp'),
  FAKE_QUANT: fakeQuantize,
  FLOOR: unary('Floor'),
  FLOOR_DIV: floorDivide,
  FLOOR_MOD: floorModulo,
  GELU: call =>
    call.result(call.graph.op('Gelu', [call.value(0)], { approximate: call.options.bool(0) ? 'tanh' : 'none' })),
  GREATER: comparison('Greater'),
  GREATER_EQUAL: comparison('GreaterOrEqual'),
  HARD_SWISH: unary('HardSwish'),
  LEAKY_RELU: call => call.result(call.graph.op('LeakyRelu', [call.value(0)], { alpha: call.options.float32(0) })),
  LESS: comparison('Less'),
  LESS_EQUAL: comparison('LessOrEqual'),
  LOG: unary('Log'),
  LOGICAL_AND: logical('And'),
  LOGICAL_NOT: call => call.storedResult(call.graph.op('Not', [call.stored(0)])),
  LOGICAL_OR: logical('Or'),
  LOGISTIC: unary('Sigmoid'),
  MAXIMUM: binary('Max'),
  MINIMUM: binary('Min'),
  MUL: binary('Mul', 0),
  NEG: unary('Neg'),
  NOT_EQUAL: call => call.storedResult(call.graph.op('Not', [call.graph.op('Equal', [call.value(0), call.value(1)])])),
  POW: binary('Pow'),
  PRELU: binary('PRelu'),
  RELU: unary('Relu'),
  RELU6: clipped(0, 6),
  RELU_0_TO_1: clipped(0, 1),
  RELU_N1_TO_1: clipped(-1, 1),
  ROUND: unary('Round'),
  RSQRT: call => call.result(call.graph.op('Reciprocal', [call.graph.op('Sqrt', [call.value(0)])])),
  SELECT: select,
  SELECT_V2: select,
  SIGN: unary('Sign'),
  SIN: unary('Sin'),
  SQRT: unary('Sqrt'),
  SQUARE: square,
  SQUARED_DIFFERENCE: squaredDifference,
  SUB: binary('Sub', 0),
  TANH: unary('Tanh'),
  ZEROS_LIKE: zerosLike,
};
