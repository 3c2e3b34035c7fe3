import { fastNormalCdf, normalDensity, scaledErfc } from '../../maths/fast-normal.ts';

const logRoot2Pi = 0.5 * Math.log(2 * Math.PI);

/**
 * log(z Phi(z) + phi(z)), accurate far into the lower tail.
 *
 * Ament et al., Unexpected improvements to expected improvement for Bayesian optimization, NeurIPS 2023, equation 9.
 */
export function logImprovement(z: number): number {
  if (z > -25) return Math.log(z * fastNormalCdf(z) + normalDensity(z));
  // h(z) = phi(z) (1 + z Phi(z)/phi(z)); the ratio comes from the scaled complementary error function.
  return -0.5 * z * z - logRoot2Pi + Math.log1p(Math.sqrt(Math.PI / 2) * z * scaledErfc(-z / Math.SQRT2));
}

/** Derivative of `logImprovement`: Phi(z) / (z Phi(z) + phi(z)). */
export function logImprovementSlope(z: number): number {
  if (z > -25) return fastNormalCdf(z) / (z * fastNormalCdf(z) + normalDensity(z));
  // Asymptotic series of Phi / h; its next term is below 1e-5 here.
  return -z - 2 / z + 6 / z ** 3;
}

/** Log expected improvement below `best` of a normal posterior. */
export function logExpectedImprovement(mean: number, variance: number, best: number): number {
  const sigma = Math.sqrt(variance + 1e-12);
  return logImprovement((best - mean) / sigma) + Math.log(sigma);
}
