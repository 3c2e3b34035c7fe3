import { optionalField } from '../boosting/json-fields.ts';
import type { AtenCall, AtenHandler } from './aten-call.ts';

/** Real results compute in the type of the result, also from whole numbers. */
const unary =
  (opType: string, attributes: Readonly<Record<string, bigint | number | string>> = {}): AtenHandler =>
  call =>
    call.setResult(call.graph.op(opType, [call.operand('self', call.outputType())], attributes));

const binary =
  (opType: string): AtenHandler =>
  call => {
    const type = call.outputType();
    call.setResult(call.graph.op(opType, [call.operand('self', type), call.operand('other', type)]));
  };

/** self + alpha * other, or its mirror image. */
const scaledSum =
  (opType: 'Add' | 'Sub', isMirrored = false): AtenHandler =>
  call => {
    const type = call.outputType();
    const alpha = call.number('alpha', 1);
    const scaled = (name: string): string =>
      alpha === 1
        ? call.operand(name, type)
        : call.graph.op('Mul', [call.operand(name, type), call.constant(alpha, type)]);
    const pair = isMirrored
      ? [call.operand('other', type), scaled('self')]
      : [call.operand('self', type), scaled('other')];
    call.setResult(call.graph.op(opType, pair));
  };

const comparison =
  (opType: string, isNegated = false): AtenHandler =>
  call => {
    const type = call.isReal('self') || call.isReal('other') ? realType(call) : 'int64';
    const compared = call.graph.op(opType, [call.operand('self', type), call.operand('other', type)]);
    call.setResult(isNegated ? call.graph.op('Not', [compared]) : compared);
  };

/** Tensors of two types are compared in the wider one; a number takes the type of the tensor. */
function realType(call: AtenCall): 'double' | 'float' {
  const types = ['self', 'other'].map(name => optionalField(call.argument(name), 'as_tensor', 'name'));
  return types.some(name => typeof name === 'string' && call.typeOf(name) === 'double') ? 'double' : 'float';
}

const logical =
  (opType: string): AtenHandler =>
  call =>
    call.setResult(call.graph.op(opType, [call.operand('self', 'bool'), call.operand('other', 'bool')]));

const onBooleans =
  (logicalOp: string, bitwiseOp: string): AtenHandler =>
  call => {
    const type = call.outputType();
    call.setResult(
      call.graph.op(type === 'bool' ? logicalOp : bitwiseOp, [call.operand('self', type), call.operand('other', type)]),
    );
  };

function divide(call: AtenCall): void {
  const type = call.outputType();
  const mode = call.text('rounding_mode', '');
  if (mode !== '' && !/^(float|double)$/.test(type)) {
    // Whole numbers divide in double, exact up to 2^53.
    const quotient = call.graph.op('Div', [call.operand('self', 'double'), call.operand('other', 'double')]);
    call.setResult(call.graph.cast(rounded(call, quotient, mode), type));
    return;
  }
  const quotient = call.graph.op('Div', [call.operand('self', type), call.operand('other', type)]);
  call.setResult(mode === '' ? quotient : rounded(call, quotient, mode));
}

function rounded(call: AtenCall, value: string, mode: string): string {
  if (mode === 'floor') return call.graph.op('Floor', [value]);
  return call.graph.op('Mul', [
    call.graph.op('Sign', [value]),
    call.graph.op('Floor', [call.graph.op('Abs', [value])]),
  ]);
}

/** The remainder takes the sign of the divisor; that of C, which is exact, the sign of the dividend. */
function remainder(call: AtenCall): void {
  const { graph } = call;
  const type = call.outputType();
  const [x, y] = [call.operand('self', type), call.operand('other', type)];
  if (!/^(float|double)$/.test(type)) {
    call.setResult(graph.op('Mod', [x, y]));
    return;
  }
  const rest = graph.op('Mod', [x, y], { fmod: 1n });
  const zero = call.constant(0, type);
  const isOther = graph.op('And', [
    graph.op('Not', [graph.op('Equal', [rest, zero])]),
    graph.op('Xor', [graph.op('Less', [rest, zero]), graph.op('Less', [y, zero])]),
  ]);
  call.setResult(graph.op('Where', [isOther, graph.op('Add', [rest, y]), rest]));
}

function round(call: AtenCall): void {
  if (call.number('decimals', 0) !== 0) throw call.refuse('rounds to decimal places');
  unary('Round')(call);
}

/** Only inference is converted: a program exported in training mode would drop elements at random. */
function dropout(call: AtenCall): void {
  if (call.bool('train', false) && call.number('p', 0.5) !== 0)
    throw call.refuse('drops out, as in training; call model.eval() before the export');
  identity(call);
}

function clamp(call: AtenCall): void {
  const type = call.outputType();
  const bound = (name: string): string => (call.has(name) ? call.operand(name, type) : '');
  let value = call.operand('self', type);
  if (bound('min') !== '') value = call.graph.op('Max', [value, bound('min')]);
  if (bound('max') !== '') value = call.graph.op('Min', [value, bound('max')]);
  call.setResult(value);
}

function gelu(call: AtenCall): void {
  call.setResult(call.graph.op('Gelu', [call.tensor('self')], { approximate: call.text('approximate', 'none') }));
}

function silu(call: AtenCall): void {
  const x = call.tensor('self');
  call.setResult(call.graph.op('Mul', [x, call.graph.op('Sigmoid', [x])]));
}

function softplus(call: AtenCall): void {
  const { graph } = call;
  const type = call.outputType();
  const [beta, threshold] = [call.number('beta', 1), call.number('threshold', 20)];
  const x = call.operand('self', type);
  const scaled = graph.op('Mul', [x, call.constant(beta, type)]);
  const soft = graph.op('Div', [graph.op('Softplus', [scaled]), call.constant(beta, type)]);
  call.setResult(graph.op('Where', [graph.op('Greater', [scaled, call.constant(threshold, type)]), x, soft]));
}

function elu(call: AtenCall): void {
  if (call.number('scale', 1) !== 1 || call.number('input_scale', 1) !== 1)
    throw call.refuse('scales its input or result');
  call.setResult(call.graph.op('Elu', [call.tensor('self')], { alpha: call.number('alpha', 1) }));
}

function hardtanh(call: AtenCall): void {
  const type = call.outputType();
  call.setResult(
    call.graph.op('Clip', [
      call.operand('self', type),
      call.constant(call.number('min_val', call.node.name === 'relu6' ? 0 : -1), type),
      call.constant(call.number('max_val', call.node.name === 'relu6' ? 6 : 1), type),
    ]),
  );
}

function where(call: AtenCall): void {
  const type = call.outputType();
  call.setResult(
    call.graph.op('Where', [call.tensor('condition'), call.operand('self', type), call.operand('other', type)]),
  );
}

function maskedFill(call: AtenCall): void {
  const type = call.outputType();
  call.setResult(
    call.graph.op('Where', [call.tensor('mask'), call.operand('value', type), call.operand('self', type)]),
  );
}

/** log(1 + x) and e^x - 1 lose digits near zero in float32; double keeps them. */
const inDouble =
  (compute: (call: AtenCall, x: string) => string): AtenHandler =>
  call =>
    call.setResult(call.graph.cast(compute(call, call.operand('self', 'double')), call.outputType()));

function identity(call: AtenCall): void {
  const type = call.outputType();
  // The other tensor of `to.other` gives its type only, which the result declares.
  if (call.node.name === 'to') call.argument('other');
  call.setResult(call.graph.op('Identity', [call.operand(call.names('self') ? 'self' : 'input', type)]));
}

function power(call: AtenCall): void {
  const type = call.outputType();
  call.setResult(call.graph.op('Pow', [call.operand('self', type), call.operand('exponent', type)]));
}

/** A constant of given sizes; the type is that of the result. */
const filled =
  (value: number | undefined): AtenHandler =>
  call => {
    const type = call.outputType();
    const name = call.names('fill_value') ? 'fill_value' : 'value';
    const fill = value === undefined ? call.operand(name, type) : call.constant(value, type);
    const sizes = call.names('size') ? call.sizes('size') : call.graph.op('Shape', [call.tensor('self')]);
    call.setResult(call.graph.op('Expand', [fill, sizes]));
  };

function arange(call: AtenCall): void {
  const type = call.outputType();
  const end = call.operand('end', type);
  const start = call.names('start') ? call.operand('start', type) : call.constant(0, type);
  const step = call.names('step') ? call.operand('step', type) : call.constant(1, type);
  call.setResult(call.graph.op('Range', [start, end, step]));
}

/** Arithmetic on sizes. */
const sizeArithmetic =
  (opType: string): AtenHandler =>
  call => {
    const [a, b] = [...call.node.inputs.keys()] as [string, string];
    call.setSize(call.graph.op(opType, [call.operand(a, 'int64'), call.operand(b, 'int64')]));
  };

function sizeFloorDivide(call: AtenCall): void {
  const [a, b] = [...call.node.inputs.keys()] as [string, string];
  const quotient = call.graph.op('Div', [call.operand(a, 'double'), call.operand(b, 'double')]);
  call.setSize(call.graph.cast(call.graph.op('Floor', [quotient]), 'int64'));
}

export const atenMath: Readonly<Record<string, AtenHandler>> = {
  _operator_add: sizeArithmetic('Add'),
  _operator_floordiv: sizeFloorDivide,
  _operator_mul: sizeArithmetic('Mul'),
  _operator_sub: sizeArithmetic('Sub'),
  abs: unary('Abs'),
  acos: unary('Acos'),
  add: scaledSum('Add'),
  arange,
  asin: unary('Asin'),
  atan: unary('Atan'),
  bitwise_and: onBooleans('And', 'BitwiseAnd'),
  bitwise_not: call =>
    call.setResult(call.graph.op(call.outputType() === 'bool' ? 'Not' : 'BitwiseNot', [call.tensor('self')])),
  bitwise_or: onBooleans('Or', 'BitwiseOr'),
  bitwise_xor: onBooleans('Xor', 'BitwiseXor'),
  ceil: unary('Ceil'),
  clamp,
  clamp_max: clamp,
  clamp_min: clamp,
  clone: identity,
  contiguous: identity,
  alias: identity,
  detach: identity,
  dropout,
  lift_fresh_copy: identity,
  _to_copy: identity,
  to: identity,
  cos: unary('Cos'),
  cosh: unary('Cosh'),
  div: divide,
  elu,
  eq: comparison('Equal'),
  erf: unary('Erf'),
  exp: unary('Exp'),
  expm1: inDouble((call, x) => call.graph.op('Sub', [call.graph.op('Exp', [x]), call.constant(1, 'double')])),
  floor: unary('Floor'),
  fmod: call => {
    const type = call.outputType();
    call.setResult(call.graph.op('Mod', [call.operand('self', type), call.operand('other', type)], { fmod: 1n }));
  },
  full: filled(undefined),
  full_like: filled(undefined),
  ge: comparison('GreaterOrEqual'),
  gelu,
  gt: comparison('Greater'),
  hardsigmoid: unary('HardSigmoid', { alpha: 1 / 6, beta: 0.5 }),
  hardswish: unary('HardSwish'),
  hardtanh,
  isinf: call => call.setResult(call.graph.op('IsInf', [call.tensor('self')])),
  isnan: call => call.setResult(call.graph.op('IsNaN', [call.tensor('self')])),
  le: comparison('LessOrEqual'),
  leaky_relu: call =>
    call.setResult(call.graph.op('LeakyRelu', [call.tensor('self')], { alpha: call.number('negative_slope', 0.01) })),
  log: unary('Log'),
  log1p: inDouble((call, x) => call.graph.op('Log', [call.graph.op('Add', [x, call.constant(1, 'double')])])),
  logical_and: logical('And'),
  logical_not: call => call.setResult(call.graph.op('Not', [call.operand('self', 'bool')])),
  logical_or: logical('Or'),
  logical_xor: logical('Xor'),
  lt: comparison('Less'),
  masked_fill: maskedFill,
  maximum: binary('Max'),
  minimum: binary('Min'),
  mish: unary('Mish'),
  mul: binary('Mul'),
  ne: comparison('Equal', true),
  neg: unary('Neg'),
  ones: filled(1),
  ones_like: filled(1),
  pow: power,
  reciprocal: unary('Reciprocal'),
  relu: unary('Relu'),
  relu6: hardtanh,
  remainder,
  round,
  rsqrt: call =>
    call.setResult(call.graph.op('Reciprocal', [call.graph.op('Sqrt', [call.operand('self', call.outputType())])])),
  rsub: scaledSum('Sub', true),
  sigmoid: unary('Sigmoid'),
  sign: unary('Sign'),
  silu,
  sin: unary('Sin'),
  sinh: unary('Sinh'),
  softplus,
  sqrt: unary('Sqrt'),
  sub: scaledSum('Sub'),
  tan: unary('Tan'),
  tanh: unary('Tanh'),
  where,
  zeros: filled(0),
  zeros_like: filled(0),
};
