import { PyGlobal, PyObject, type PyValue } from '../pickle/python-values.ts';
import { sigmoid } from './class-answers.ts';
import type { Lowering } from './lowering.ts';
import type { Estimator } from './records.ts';

type Write = (x: string, to: Lowering) => string;

const single =
  (op: string): Write =>
  (x, to) =>
    to.graph.op(op, [x]);

/** NumPy functions of one array that a graph can compute in float64. */
const functions: Readonly<Record<string, Write>> = {
  log: single('Log'),
  exp: single('Exp'),
  sqrt: single('Sqrt'),
  abs: single('Abs'),
  absolute: single('Abs'),
  fabs: single('Abs'),
  sign: single('Sign'),
  negative: single('Neg'),
  floor: single('Floor'),
  ceil: single('Ceil'),
  sin: single('Sin'),
  cos: single('Cos'),
  tanh: single('Tanh'),
  reciprocal: single('Reciprocal'),
  log1p: (x, to) => to.graph.op('Log', [to.graph.op('Add', [x, to.graph.double(1)])]),
  expm1: (x, to) => to.graph.op('Sub', [to.graph.op('Exp', [x]), to.graph.double(1)]),
  log2: (x, to) => to.graph.op('Div', [to.graph.op('Log', [x]), to.graph.double(Math.LN2)]),
  log10: (x, to) => to.graph.op('Div', [to.graph.op('Log', [x]), to.graph.double(Math.LN10)]),
  exp2: (x, to) => to.graph.op('Pow', [to.graph.double(2), x]),
  square: (x, to) => to.graph.op('Mul', [x, x]),
  cbrt: (x, to) =>
    to.graph.op('Mul', [
      to.graph.op('Sign', [x]),
      to.graph.op('Pow', [to.graph.op('Abs', [x]), to.graph.double(1 / 3)]),
    ]),
  expit: (x, to) => sigmoid(to.graph, x),
  positive: x => x,
};

/** Names of the functions that FunctionTransformer may carry. */
export const knownFunctions: readonly string[] = Object.keys(functions);

/** The plain name of a pickled function. @throws OnnxError when it is a lambda or of the user's own */
export function functionName(func: PyValue, estimator: Estimator): string {
  if (func instanceof PyGlobal && /^(numpy|scipy\.special)/.test(func.module)) return func.name;
  // NumPy 1 pickles a ufunc as _ufunc_reconstruct(module, name).
  if (func instanceof PyObject && func.type.name === '_ufunc_reconstruct' && typeof func.args[1] === 'string')
    return func.args[1];
  // Histogram gradient boosting checks its numeric columns with a bound check_array, which changes nothing.
  const [bound] = func instanceof PyObject && func.type.path === 'functools.partial' ? func.args : [];
  if (bound instanceof PyGlobal && bound.name === 'check_array') return 'positive';
  const name = func instanceof PyGlobal ? func.path : func instanceof PyObject ? func.type.path : typeof func;
  return estimator.refuse(`calls the function ${name}; only NumPy functions of one array can be converted`);
}

export function applyFunction(name: string, x: string, estimator: Estimator, to: Lowering): string {
  const write = functions[name] ?? estimator.refuse(`calls numpy.${name}, which is not supported`);
  return write(x, to);
}
