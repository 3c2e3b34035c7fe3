import { cholesky, inverseFromFactor, solveLower, solveUpper } from '../../maths/cholesky.ts';
import { expOfNegative } from '../../maths/fast-exp.ts';
import { minimizeInBox } from '../../maths/lbfgs.ts';
import {
  fromVector,
  type Hyper,
  type KernelShape,
  linearFeature,
  matern52,
  matern52Slope,
  quadraticFeature,
  root5,
  scalarHypers,
  toVector,
} from './kernel.ts';

/** Everything about the inputs that stays while hyper-parameters are fitted; pairs (i, j <= i) row after row. */
export interface Pairs {
  readonly n: number;
  readonly d: number;
  /** Squared differences, d numbers a pair. */
  readonly squares: Float64Array;
  readonly isCategory: readonly boolean[];
  readonly linear: Float64Array;
  readonly quadratic: Float64Array;
}

export function pairsOf(inputs: readonly Float64Array[], { isCategory }: KernelShape): Pairs {
  const n = inputs.length;
  const d = isCategory.length;
  const count = (n * (n + 1)) / 2;
  const squares = new Float64Array(count * d);
  const linear = new Float64Array(count);
  const quadratic = new Float64Array(count);
  for (let i = 0, p = 0; i < n; i++)
    for (let j = 0; j <= i; j++, p++)
      for (let k = 0; k < d; k++) {
        const a = inputs[i]![k]!;
        const b = inputs[j]![k]!;
        if (isCategory[k]!) {
          squares[p * d + k] = a === b ? 0 : 1;
          if (a === b && a >= 0) linear[p]! += 1;
        } else {
          squares[p * d + k] = (a - b) ** 2;
          linear[p]! += linearFeature(a) * linearFeature(b);
          quadratic[p]! += quadraticFeature(a) * quadraticFeature(b);
        }
      }
  return { n, d, squares, isCategory, linear, quadratic };
}

/**
 * Negative log posterior of the hyper-parameters and its gradient: the marginal likelihood (Rasmussen & Williams
 * eq. 5.9) and the priors of `addPriors`.
 */
export function negativeLogPosterior(pairs: Pairs, y: Float64Array, v: Float64Array, gradient: Float64Array): number {
  const { n, d, squares, isCategory, linear, quadratic } = pairs;
  const w = v.slice(0, d).map(Math.exp);
  const scalars = v.slice(d).map(Math.exp);
  const [scale = 0, u = 0, wu = 0, t1 = 0, t2 = 0, noise = 0] = scalars;
  const rootWu = root5 * Math.sqrt(wu);
  const count = linear.length;
  const joint = new Float64Array(count);
  const distance = new Float64Array(count);
  const additive = new Float64Array(count);
  const additiveSlope = new Float64Array(count);
  const a = new Float64Array(n * n);
  for (let i = 0, p = 0; i < n; i++)
    for (let j = 0; j <= i; j++, p++) {
      let d2 = 0;
      let sum = 0;
      let slope = 0;
      for (let k = 0, at = p * d; k < d; k++, at++) {
        const square = squares[at]!;
        d2 += w[k]! * square;
        if (isCategory[k]!) sum += 1 - square;
        else {
          const r = rootWu * Math.sqrt(square);
          const e = expOfNegative(r);
          sum += (1 + r + (r * r) / 3) * e;
          slope -= (1 + r) * e * square;
        }
      }
      distance[p] = d2;
      joint[p] = matern52(d2);
      additive[p] = sum / d;
      additiveSlope[p] = ((5 / 6) * slope) / d;
      a[i * n + j] =
        scale * joint[p]! + u * additive[p]! + t1 * linear[p]! + t2 * quadratic[p]! + 1 + (i === j ? noise : 0);
    }
  const l = cholesky(a, n);
  const alpha = solveUpper(l, n, solveLower(l, n, y.slice()));
  const inverse = inverseFromFactor(l, n);
  let value = 0;
  for (let i = 0; i < n; i++) value += 0.5 * y[i]! * alpha[i]! + Math.log(l[i * n + i]!);
  gradient.fill(0);
  for (let i = 0, p = 0; i < n; i++)
    for (let j = 0; j <= i; j++, p++) {
      // Half the trace of (K^-1 - alpha alpha^T) dK; pairs off the diagonal occur twice.
      const m = (i === j ? 0.5 : 1) * (inverse[i * n + j]! - alpha[i]! * alpha[j]!);
      const slope = m * scale * matern52Slope(distance[p]!);
      for (let k = 0, at = p * d; k < d; k++, at++) gradient[k]! += slope * w[k]! * squares[at]!;
      gradient[d]! += m * scale * joint[p]!;
      gradient[d + 1]! += m * u * additive[p]!;
      gradient[d + 2]! += m * u * wu * additiveSlope[p]!;
      gradient[d + 3]! += m * t1 * linear[p]!;
      gradient[d + 4]! += m * t2 * quadratic[p]!;
      if (i === j) gradient[d + 5]! += m * noise;
    }
  return value + addPriors(v, d, gradient);
}

/**
 * Log-normal length scales that grow with the dimension (Hvarfner et al., Vanilla Bayesian optimization performs great
 * in high dimensions, ICML 2024), Gamma(2, 1) on the joint scale, Gamma(1.1, 30) on the noise, log-normal on the rest.
 */
function addPriors(v: Float64Array, d: number, gradient: Float64Array): number {
  let value = 0;
  const normal = (k: number, mean: number, sd: number): void => {
    const z = (v[k]! - mean) / sd;
    value += 0.5 * z * z;
    gradient[k]! += z / sd;
  };
  const gamma = (k: number, shape: number, rate: number): void => {
    value -= (shape - 1) * v[k]! - rate * Math.exp(v[k]!);
    gradient[k]! -= shape - 1 - rate * Math.exp(v[k]!);
  };
  for (let k = 0; k < d; k++) normal(k, -2 * Math.log(0.4) - Math.log(d), 2);
  gamma(d, 2, 1);
  normal(d + 1, Math.log(0.1), 2);
  normal(d + 2, -2 * Math.log(0.2), 1.2);
  normal(d + 3, Math.log(0.1), 2);
  normal(d + 4, Math.log(0.1), 2);
  gamma(d + 5, 1.1, 30);
  return value;
}

/** Fits hyper-parameters by one bounded L-BFGS run from `start`; `value` is the negative log posterior reached. */
export function fitHyper(
  inputs: readonly Float64Array[],
  y: Float64Array,
  shape: KernelShape,
  start: Hyper,
  maxIterations: number,
): { readonly hyper: Hyper; readonly value: number } {
  const pairs = pairsOf(inputs, shape);
  const { d } = pairs;
  const low = new Float64Array(d + scalarHypers).fill(Math.log(1e-4));
  const high = new Float64Array(d + scalarHypers).fill(Math.log(1e4));
  [low[d], high[d]] = [Math.log(1e-3), Math.log(1e2)];
  [low[d + 5], high[d + 5]] = [Math.log(1e-6), 0];
  const objective = (v: Float64Array, gradient: Float64Array): number => {
    try {
      return negativeLogPosterior(pairs, y, v, gradient);
    } catch {
      // A corner of the box where the matrix cannot be factorised is no candidate.
      return Number.POSITIVE_INFINITY;
    }
  };
  const found = minimizeInBox(objective, toVector(start), { low, high, maxIterations, gradientTolerance: 1e-2 });
  return { hyper: fromVector(found.x), value: found.value };
}
