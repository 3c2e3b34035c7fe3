import type { OpCall, OpRule } from '../op-call.ts';
import { dt, type TfShape } from '../tf-graph.ts';

/** One ONNX operator of one input. */
const unary =
  (type: string): OpRule =>
  call => {
    const { dtype, shape, name } = call.tensor(0);
    return call.like(
      call.widened([name], dtype, wide => call.op(type, wide)),
      shape,
    );
  };

/** The shape two values broadcast to, as far as it is known. */
export function broadcastShape(a: TfShape, b: TfShape): TfShape {
  if (a === undefined || b === undefined) return undefined;
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [left, right] = [a[a.length - rank + i], b[b.length - rank + i]];
    if (left === undefined || left === 1) return right ?? null;
    if (right === undefined || right === 1) return left;
    return left ?? right;
  });
}

function binaryShape(call: OpCall): TfShape {
  return broadcastShape(call.tensor(0).shape, call.tensor(1).shape);
}

const binary =
  (write: (call: OpCall, a: string, b: string, dtype: number) => string): OpRule =>
  call => {
    const [a, b] = [call.tensor(0), call.tensor(1)];
    const name = call.widened([a.name, b.name], a.dtype, ([left = '', right = ''], type) =>
      write(call, left, right, type),
    );
    return call.like(name, binaryShape(call));
  };

const plain = (type: string): OpRule => binary((call, a, b) => call.op(type, [a, b]));

export const isFloat = (dtype: number): boolean => dtype === dt.float || dtype === dt.double || dtype === dt.half;

/** ONNX divides whole numbers towards zero, TensorFlow's floor division goes down. */
function floorDiv(call: OpCall, a: string, b: string, dtype: number): string {
  if (isFloat(dtype)) return call.op('Floor', [call.op('Div', [a, b])]);
  const quotient = call.op('Div', [a, b]);
  const rest = call.op('Sub', [a, call.op('Mul', [quotient, b])]);
  const zero = call.scalar(dtype, 0);
  const isInexact = call.op('Not', [call.op('Equal', [rest, zero])]);
  const isNegative = call.op('Xor', [call.op('Less', [rest, zero]), call.op('Less', [b, zero])]);
  const down = call.cast(call.op('And', [isInexact, isNegative]), dtype);
  return call.op('Sub', [quotient, down]);
}

/** The remainder with the sign of the divisor; ONNX defines it so for whole numbers only. */
function floorMod(call: OpCall, a: string, b: string, dtype: number): string {
  if (!isFloat(dtype)) return call.op('Mod', [a, b]);
  const rest = call.op('Mod', [a, b], { fmod: 1n });
  const zero = call.scalar(dtype, 0);
  const isOther = call.op('Xor', [call.op('Less', [rest, zero]), call.op('Less', [b, zero])]);
  const isRest = call.op('Not', [call.op('Equal', [rest, zero])]);
  return call.op('Where', [call.op('And', [isOther, isRest]), call.op('Add', [rest, b]), rest]);
}

/** x / y, and 0 where y is 0. */
function divNoNan(call: OpCall, a: string, b: string, dtype: number): string {
  const zero = call.scalar(dtype, 0);
  const isZero = call.op('Equal', [b, zero]);
  const safe = call.op('Where', [isZero, call.scalar(dtype, 1), b]);
  return call.op('Where', [isZero, zero, call.op('Div', [a, safe])]);
}

/** x * y, and 0 where y is 0, also for infinite x. */
function mulNoNan(call: OpCall, a: string, b: string, dtype: number): string {
  const zero = call.scalar(dtype, 0);
  return call.op('Where', [call.op('Equal', [b, zero]), zero, call.op('Mul', [a, b])]);
}

/** A function of both, and 0 where x is 0. */
const zeroAtZero =
  (write: (call: OpCall, x: string, y: string, dtype: number) => string) =>
  (call: OpCall, x: string, y: string, dtype: number): string => {
    const zero = call.scalar(dtype, 0);
    return call.op('Where', [call.op('Equal', [x, zero]), zero, write(call, x, y, dtype)]);
  };

const composed =
  (write: (call: OpCall, x: string, dtype: number) => string): OpRule =>
  call => {
    const { name, dtype, shape } = call.tensor(0);
    return call.like(
      call.widened([name], dtype, ([wide = ''], type) => write(call, wide, type)),
      shape,
    );
  };

const addN: OpRule = call => {
  const names = call.inputs.map((_, i) => call.in(i));
  const { dtype, shape } = call.tensor(0);
  const name = call.widened(names, dtype, wide => wide.reduce((sum, next) => call.op('Add', [sum, next])));
  return call.like(name, shape);
};

/** log(1 + x) without losing small x: x * log(u) / (u - 1) with u = 1 + x (Kahan). */
function log1p(call: OpCall, x: string, dtype: number): string {
  const one = call.scalar(dtype, 1);
  const u = call.op('Add', [x, one]);
  const difference = call.op('Sub', [u, one]);
  const isSmall = call.op('Equal', [difference, call.scalar(dtype, 0)]);
  const safe = call.op('Where', [isSmall, one, difference]);
  const isInfinite = call.op('Equal', [u, x]);
  const ratio = call.op('Where', [isInfinite, one, call.op('Div', [x, safe])]);
  return call.op('Where', [isSmall, x, call.op('Mul', [call.op('Log', [u]), ratio])]);
}

/** exp(x) - 1 without losing small x: (u - 1) * x / log(u) with u = exp(x) (Kahan). */
function expm1(call: OpCall, x: string, dtype: number): string {
  const one = call.scalar(dtype, 1);
  const zero = call.scalar(dtype, 0);
  const u = call.op('Exp', [x]);
  const less = call.op('Sub', [u, one]);
  const log = call.op('Log', [u]);
  const isSmall = call.op('Equal', [log, zero]);
  // Where exp leaves the range, and where it has become 0, u - 1 is the answer.
  const isFar = call.op('Greater', [call.op('Abs', [x]), call.scalar(dtype, 20)]);
  const safe = call.op('Where', [call.op('Or', [isSmall, isFar]), one, log]);
  const kahan = call.op('Mul', [less, call.op('Div', [x, safe])]);
  return call.op('Where', [isFar, less, call.op('Where', [isSmall, x, kahan])]);
}

/** Rounds towards zero. */
function truncate(call: OpCall, x: string): string {
  return call.op('Mul', [call.op('Sign', [x]), call.op('Floor', [call.op('Abs', [x])])]);
}

export const mathOps: readonly [string, OpRule][] = [
  ...'Abs Neg Exp Log Sqrt Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Tanh Sigmoid Erf Sign Floor Ceil'
    .split(' ')
    .map((op): [string, OpRule] => [op, unary(op)]),
  ['Rint', unary('Round')],
  ['Round', composed((call, x, dtype) => (isFloat(dtype) ? call.op('Round', [x]) : x))],
  ['Reciprocal', unary('Reciprocal')],
  ['Inv', unary('Reciprocal')],
  ['Rsqrt', composed((call, x) => call.op('Reciprocal', [call.op('Sqrt', [x])]))],
  ['Square', composed((call, x) => call.op('Mul', [x, x]))],
  ['Log1p', composed(log1p)],
  ['Expm1', composed(expm1)],
  ['Erfc', composed((call, x, dtype) => call.op('Sub', [call.scalar(dtype, 1), call.op('Erf', [x])]))],
  ['Add', plain('Add')],
  ['AddV2', plain('Add')],
  ['Sub', plain('Sub')],
  ['Mul', plain('Mul')],
  ['RealDiv', plain('Div')],
  ['Div', plain('Div')],
  [
    'TruncateDiv',
    binary((call, a, b, dtype) => (isFloat(dtype) ? truncate(call, call.op('Div', [a, b])) : call.op('Div', [a, b]))),
  ],
  ['FloorDiv', binary(floorDiv)],
  ['FloorMod', binary(floorMod)],
  ['Mod', binary((call, a, b) => call.op('Mod', [a, b], { fmod: 1n }))],
  ['TruncateMod', binary((call, a, b) => call.op('Mod', [a, b], { fmod: 1n }))],
  ['DivNoNan', binary(divNoNan)],
  ['MulNoNan', binary(mulNoNan)],
  ['Maximum', plain('Max')],
  ['Minimum', plain('Min')],
  ['Pow', plain('Pow')],
  [
    'SquaredDifference',
    binary((call, a, b) => {
      const difference = call.op('Sub', [a, b]);
      return call.op('Mul', [difference, difference]);
    }),
  ],
  ['Xlogy', binary(zeroAtZero((call, x, y) => call.op('Mul', [x, call.op('Log', [y])])))],
  ['Xlog1py', binary(zeroAtZero((call, x, y, dtype) => call.op('Mul', [x, log1p(call, y, dtype)])))],
  ['Xdivy', binary(zeroAtZero((call, x, y) => call.op('Div', [x, y])))],
  ['Atan2', binary(atan2)],
  ['AddN', addN],
  ['AccumulateNV2', addN],
  [
    'ClipByValue',
    call => {
      const { dtype, shape, name } = call.tensor(0);
      const names = [name, call.in(1), call.in(2)];
      return call.like(
        call.widened(names, dtype, ([x = '', low = '', high = '']) => call.op('Max', [call.op('Min', [x, high]), low])),
        shape,
      );
    },
  ],
];

/** The angle of (x, y) in all four quadrants. */
function atan2(call: OpCall, y: string, x: string, dtype: number): string {
  const zero = call.scalar(dtype, 0);
  const isZero = call.op('Equal', [x, zero]);
  const safe = call.op('Where', [isZero, call.scalar(dtype, 1), x]);
  const base = call.op('Atan', [call.op('Div', [y, safe])]);
  const sign = call.op('Where', [call.op('Less', [y, zero]), call.scalar(dtype, -1), call.scalar(dtype, 1)]);
  const turned = call.op('Add', [base, call.op('Mul', [sign, call.scalar(dtype, Math.PI)])]);
  const upright = call.op('Mul', [call.op('Sign', [y]), call.scalar(dtype, Math.PI / 2)]);
  return call.op('Where', [isZero, upright, call.op('Where', [call.op('Less', [x, zero]), turned, base])]);
}
