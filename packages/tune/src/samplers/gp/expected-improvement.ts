import { logExpectedImprovement, logImprovement, logImprovementSlope } from './acquisition.ts';
import type { Posterior } from './model.ts';
import type { Acquisition } from './search.ts';

/** What improvement is expected of: a process, or several that follow each other. */
export interface Predictor {
  readonly size: number;
  predict(x: Float64Array): Posterior;
  predictMean(x: Float64Array): number;
  predictWithGradient(x: Float64Array, meanGradient: Float64Array, varianceGradient: Float64Array): Posterior;
}

/** Log expected improvement over `best`. */
export function expectedImprovement(model: Predictor, best: number): Acquisition {
  const { size } = model;
  const dMean = new Float64Array(size);
  const dVariance = new Float64Array(size);
  return {
    promise: input => -model.predictMean(input),
    value(input) {
      const { mean, variance } = model.predict(input);
      return logExpectedImprovement(mean, variance, best);
    },
    valueWithGradient(input, gradient) {
      const { mean, variance } = model.predictWithGradient(input, dMean, dVariance);
      const sigma = Math.sqrt(variance + 1e-12);
      const z = (best - mean) / sigma;
      const slope = logImprovementSlope(z);
      for (let i = 0; i < size; i++) {
        const dSigma = dVariance[i]! / (2 * sigma);
        gradient[i] = slope * ((-dMean[i]! - z * dSigma) / sigma) + dSigma / sigma;
      }
      return logImprovement(z) + Math.log(sigma);
    },
  };
}
