import { fastNormalCdf, normalDensity, scaledErfc } from '../../maths/fast-normal.ts';
import type { GaussianProcess } from './model.ts';
import type { Acquisition } from './search.ts';

/** log Phi(z), accurate far into the lower tail. */
export function logNormalCdf(z: number): number {
  return z > -8 ? Math.log(fastNormalCdf(z)) : -0.5 * z * z + Math.log(0.5 * scaledErfc(-z / Math.SQRT2));
}

/** Derivative of `logNormalCdf`: phi(z) / Phi(z). */
export function logNormalCdfSlope(z: number): number {
  return z > -8 ? normalDensity(z) / fastNormalCdf(z) : Math.sqrt(2 / Math.PI) / scaledErfc(-z / Math.SQRT2);
}

/**
 * Log probability that every constraint is met (value 0 or less), its models independent; with an objective, the sum of
 * both.
 *
 * Gardner et al., Bayesian optimization with inequality constraints, ICML 2014, in logarithms.
 */
export function withFeasibility(
  constraints: readonly GaussianProcess[],
  objective: Acquisition | undefined,
): Acquisition {
  const size = constraints[0]!.size;
  const dMean = new Float64Array(size);
  const dVariance = new Float64Array(size);
  const part = new Float64Array(size);
  const zOf = (mean: number, variance: number): number => -mean / Math.sqrt(variance + 1e-12);
  return {
    promise: input =>
      constraints.reduce(
        (sum, c) => sum + Math.min(0, -c.predictMean(input)),
        objective === undefined ? 0 : objective.promise(input),
      ),
    value: input =>
      constraints.reduce(
        (sum, c) => {
          const { mean, variance } = c.predict(input);
          return sum + logNormalCdf(zOf(mean, variance));
        },
        objective === undefined ? 0 : objective.value(input),
      ),
    valueWithGradient(input, gradient) {
      gradient.fill(0);
      let value = objective === undefined ? 0 : objective.valueWithGradient(input, gradient);
      for (const c of constraints) {
        const { mean, variance } = c.predictWithGradient(input, dMean, dVariance);
        const sigma = Math.sqrt(variance + 1e-12);
        const z = zOf(mean, variance);
        const slope = logNormalCdfSlope(z);
        for (let i = 0; i < size; i++) part[i] = slope * ((-dMean[i]! - (z * dVariance[i]!) / (2 * sigma)) / sigma);
        for (let i = 0; i < size; i++) gradient[i]! += part[i]!;
        value += logNormalCdf(z);
      }
      return value;
    },
  };
}
