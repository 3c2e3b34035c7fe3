import { fastNormalCdf } from '../../maths/fast-normal.ts';

/**
 * Expected improvement of a loss whose logarithm is normal, below exp(logBest):
 * exp(logBest) Phi(v) - exp(mean + variance / 2) Phi(v - sigma), v = (logBest - mean) / sigma.
 *
 * Hutter, Hoos, Leyton-Brown & Murphy, An experimental investigation of model-based parameter optimisation, GECCO 2009.
 */
export function logNormalImprovement(mean: number, variance: number, logBest: number): number {
  const sigma = Math.sqrt(Math.max(1e-10, variance));
  const v = (logBest - mean) / sigma;
  return Math.exp(logBest) * fastNormalCdf(v) - Math.exp(mean + 0.5 * sigma * sigma) * fastNormalCdf(v - sigma);
}

/**
 * Losses on the logarithmic scale that the forest learns: moved so that the lowest one stays above 0 by its distance to
 * the fifth percentile, divided by the highest, then the logarithm. As SMAC3's log-scaled encoder.
 */
export function logScaled(losses: readonly number[]): Float64Array {
  const sorted = [...losses].sort((a, b) => a - b);
  const [lowest, highest] = [sorted[0]!, sorted.at(-1)!];
  const at = 0.05 * (sorted.length - 1);
  const below = sorted[Math.floor(at)]!;
  const percentile = below + (at % 1) * ((sorted[Math.floor(at) + 1] ?? below) - below);
  // When a twentieth of the losses equal the lowest one, a small share of the range takes the place of the distance.
  const margin = Math.max(percentile - lowest, 1e-3 * (highest - lowest));
  const floor = lowest - margin;
  const width = highest - floor;
  return Float64Array.from(losses, v => (width > 0 ? Math.log((v - floor) / width) : 0));
}
