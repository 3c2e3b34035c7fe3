import type { GaussianProcess } from './model.ts';
import type { Acquisition } from './search.ts';

const kappa = 0.3;

/**
 * The lower confidence bound mean - kappa sigma, negated to be maximised. With so small a kappa it is nearly the
 * predicted minimum, which in many dimensions gains more from few trials than exploring does.
 *
 * De Ath, Everson, Rahat & Fieldsend, Greed is good: exploration and exploitation trade-offs in Bayesian optimisation,
 * ACM Trans. Evol. Learn. Optim. 1 (2021).
 */
export function lowerBound(model: GaussianProcess): Acquisition {
  const { size } = model;
  const dMean = new Float64Array(size);
  const dVariance = new Float64Array(size);
  return {
    promise: input => -model.predictMean(input),
    value(input) {
      const { mean, variance } = model.predict(input);
      return kappa * Math.sqrt(variance) - mean;
    },
    valueWithGradient(input, gradient) {
      const { mean, variance } = model.predictWithGradient(input, dMean, dVariance);
      const sigma = Math.sqrt(variance);
      for (let i = 0; i < size; i++) gradient[i] = (kappa * dVariance[i]!) / (2 * sigma) - dMean[i]!;
      return kappa * sigma - mean;
    },
  };
}
