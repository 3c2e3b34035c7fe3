import { expOfNegative } from '../../maths/fast-exp.ts';

/**
 * Covariance of the surrogate over inputs in [0, 1] (categories compare by equality):
 *
 *   k(a, b) = s M(sum_i w_i d_i^2) + (u / d) sum_i M(v d_i^2) + t1 sum_i f(a_i) f(b_i) + t2 sum_i g(a_i) g(b_i) + 1
 *
 * with M the Matern-5/2 correlation of a squared distance, f(x) = 2x - 1 and g(x) = f(x)^2 - 1/3. The first part is the
 * usual ARD process. The additive part learns effects of single parameters, ripples included, from few trials; the
 * quadratic trend reveals the bowl under a rugged function. The marginal likelihood switches off what is not there.
 */
export interface KernelShape {
  /** Which inputs are categories rather than numbers. */
  readonly isCategory: readonly boolean[];
}

/** Hyper-parameters, all as logarithms. */
export interface Hyper {
  /** Inverse squared length scales of the joint part, one an input. */
  readonly logW: Float64Array;
  readonly logScale: number;
  readonly logAdditive: number;
  /** Inverse squared length scale of the additive part. */
  readonly logAdditiveW: number;
  readonly logLinear: number;
  readonly logQuadratic: number;
  readonly logNoise: number;
}

export const root5 = Math.sqrt(5);

/** Matern-5/2 correlation at a squared distance: (1 + r + r^2/3) e^-r, r = sqrt(5 d2). Rasmussen & Williams eq. 4.17. */
export function matern52(d2: number): number {
  const r = root5 * Math.sqrt(d2);
  return (1 + r + (r * r) / 3) * expOfNegative(r);
}

/** Derivative of the Matern-5/2 correlation with respect to the squared distance: -5/6 (1 + r) e^-r. */
export function matern52Slope(d2: number): number {
  const r = root5 * Math.sqrt(d2);
  return (-5 / 6) * (1 + r) * expOfNegative(r);
}

export function linearFeature(x: number): number {
  return 2 * x - 1;
}

export function quadraticFeature(x: number): number {
  const f = 2 * x - 1;
  return f * f - 1 / 3;
}

/** Number of hyper-parameters besides the length scales. */
export const scalarHypers = 6;

export function toVector(h: Hyper): Float64Array {
  const scalars = [h.logScale, h.logAdditive, h.logAdditiveW, h.logLinear, h.logQuadratic, h.logNoise];
  return Float64Array.from([...h.logW, ...scalars]);
}

export function fromVector(v: Float64Array): Hyper {
  const d = v.length - scalarHypers;
  return {
    logW: v.slice(0, d),
    logScale: v[d]!,
    logAdditive: v[d + 1]!,
    logAdditiveW: v[d + 2]!,
    logLinear: v[d + 3]!,
    logQuadratic: v[d + 4]!,
    logNoise: v[d + 5]!,
  };
}

/** Where fitting starts: length scales that grow with the dimension, which keeps the model useful in many dimensions. */
export function defaultHyper(dimensions: number): Hyper {
  const logLength = Math.log(0.5) + 0.35 * Math.log(Math.max(1, dimensions));
  return {
    logW: new Float64Array(dimensions).fill(-2 * logLength),
    logScale: 0,
    logAdditive: Math.log(0.3),
    logAdditiveW: -2 * Math.log(0.25),
    logLinear: Math.log(0.1),
    logQuadratic: Math.log(0.1),
    logNoise: Math.log(1e-4),
  };
}
