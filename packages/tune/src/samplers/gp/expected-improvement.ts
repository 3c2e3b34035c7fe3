import { least } from '../../maths/extremes.ts';
import { logExpectedImprovement, logImprovement, logImprovementSlope } from './acquisition.ts';
import type { GaussianProcess } from './model.ts';
import type { Acquisition } from './search.ts';

/** Log expected improvement over `best`, by default the lowest posterior mean. */
export function expectedImprovement(model: GaussianProcess, best = least(model.fittedMeans())): Acquisition {
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
