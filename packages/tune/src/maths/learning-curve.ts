import { greatest, least } from './extremes.ts';

/** What a curve is expected to reach, with its uncertainty. */
export interface Forecast {
  readonly mean: number;
  readonly deviation: number;
}

/** A family of curves a + b g(t), with g falling from the first step on; linear in a and b, one shape parameter. */
interface Family {
  readonly shapes: readonly number[];
  g(t: number, shape: number): number;
}

/** So many shapes from low to high, each the same factor above the one before. */
function geometric(low: number, high: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => low * (high / low) ** (i / (count - 1)));
}

const families: readonly Family[] = [
  // Power law.
  { shapes: geometric(0.1, 3, 20), g: (t, c) => t ** -c },
  // Exponential; t is relative to the steps seen, so the rates cover curves from slow to long flat.
  { shapes: geometric(0.25, 16, 24), g: (t, c) => Math.exp(-c * t) },
  // Logarithmic power law: slower than any power.
  { shapes: geometric(0.5, 4, 6), g: (t, c) => Math.log(Math.E + t) ** -c },
];

interface Fit {
  readonly forecast: number;
  /** Of the forecast, from the residuals and the distance. */
  readonly variance: number;
  /** Weight before normalisation, as a logarithm. */
  readonly logWeight: number;
}

/** Residual deviation below which curves count as exact, relative to the spread of the losses. */
const leastNoise = 1e-3;

/**
 * Extrapolates a falling learning curve to a later step: power laws, exponentials and logarithmic power laws with many
 * shapes, each fitted by weighted least squares (later steps count more) and weighted by its likelihood. The deviation
 * holds the disagreement of the curves, the uncertainty of each fit and the noise of the losses. `undefined` with fewer
 * than four points.
 *
 * After Domhan, Springenberg & Hutter, Speeding up automatic hyperparameter optimization of deep neural networks by
 * extrapolation of learning curves, IJCAI 2015 (there by MCMC over eleven families).
 */
export function extrapolateCurve(
  steps: readonly number[],
  losses: readonly number[],
  at: number,
): Forecast | undefined {
  const n = steps.length;
  if (n < 4) return undefined;
  const spread = greatest(losses) - least(losses);
  if (spread === 0) return { mean: losses[0]!, deviation: 0 };
  const floor = (leastNoise * spread) ** 2;
  // Exponentials need a time without unit; powers are scaled by it without harm.
  const shift = steps[0]! > 0 ? 0 : steps[1]! - steps[0]!;
  const unit = (steps[n - 1]! + shift) / 2;
  const fits: Fit[] = [];
  for (const { shapes, g } of families)
    for (const shape of shapes) {
      const fit = fitLine(
        steps.map(t => g((t + shift) / unit, shape)),
        losses,
        g((at + shift) / unit, shape),
        floor,
      );
      if (fit) fits.push(fit);
    }
  return fits.length === 0 ? undefined : mixture(fits);
}

/** Least squares of y = a + b x with b >= 0, predicted at one x. */
function fitLine(x: readonly number[], y: readonly number[], xAt: number, floor: number): Fit | undefined {
  const n = x.length;
  const w = x.map((_, i) => (i + 1) / n);
  const total = sum(w);
  const meanX = sum(x.map((v, i) => v * w[i]!)) / total;
  const meanY = sum(y.map((v, i) => v * w[i]!)) / total;
  const sxx = sum(x.map((v, i) => w[i]! * (v - meanX) ** 2));
  const sxy = sum(x.map((v, i) => w[i]! * (v - meanX) * (y[i]! - meanY)));
  if (!(sxx > 1e-12)) return undefined;
  const slope = Math.max(0, sxy / sxx);
  const residual = sum(y.map((v, i) => w[i]! * (v - meanY - slope * (x[i]! - meanX)) ** 2));
  // Three parameters are fitted: level, slope and shape.
  const noise = Math.max(floor, ((residual / total) * n) / Math.max(1, n - 3));
  return {
    forecast: meanY + slope * (xAt - meanX),
    variance: noise * (1 + 1 / total + (xAt - meanX) ** 2 / sxx),
    logWeight: -0.5 * total * Math.log(Math.max(floor, residual / total)),
  };
}

function mixture(fits: readonly Fit[]): Forecast {
  const top = greatest(fits.map(f => f.logWeight));
  const weights = fits.map(f => Math.exp(f.logWeight - top));
  const total = sum(weights);
  const mean = sum(fits.map((f, i) => weights[i]! * f.forecast)) / total;
  const variance = sum(fits.map((f, i) => weights[i]! * (f.variance + (f.forecast - mean) ** 2))) / total;
  return { mean, deviation: Math.sqrt(variance) };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
