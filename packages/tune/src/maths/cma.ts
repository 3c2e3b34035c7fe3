import type { Rng } from '../rng.ts';
import { symmetricEigen } from './symmetric-eigen.ts';

/** State of one CMA-ES run over [unbounded] vectors; plain numbers, so that it can be stored. */
export interface CmaState {
  readonly mean: readonly number[];
  readonly sigma: number;
  /** Row-major covariance. */
  readonly covariance: readonly number[];
  readonly pathC: readonly number[];
  readonly pathSigma: readonly number[];
  readonly generation: number;
  readonly populationSize: number;
}

/** 4 + floor(3 ln d), the customary population. */
export function defaultPopulation(d: number): number {
  return 4 + Math.floor(3 * Math.log(d));
}

export function startCma(
  mean: readonly number[],
  sigma: number,
  populationSize: number,
  variances?: readonly number[],
): CmaState {
  const d = mean.length;
  const covariance = Array.from({ length: d * d }, (_, k) => (k % (d + 1) === 0 ? (variances?.[k / (d + 1)] ?? 1) : 0));
  const zero = new Array<number>(d).fill(0);
  return { mean, sigma, covariance, pathC: zero, pathSigma: zero, generation: 0, populationSize };
}

/** Strategy parameters that follow from dimension and population. Hansen, The CMA evolution strategy: a tutorial (2016), table 1. */
export function strategyOf(d: number, populationSize: number) {
  const half = Math.floor(populationSize / 2);
  const raw = Array.from({ length: populationSize }, (_, i) => Math.log((populationSize + 1) / 2) - Math.log(i + 1));
  const effective = (w: readonly number[]): number =>
    w.reduce((a, b) => a + b, 0) ** 2 / w.reduce((a, b) => a + b * b, 0);
  const muEff = effective(raw.slice(0, half));
  const muEffMinus = effective(raw.slice(half));
  const c1 = 2 / ((d + 1.3) ** 2 + muEff);
  const cMu = Math.min(1 - c1 - 1e-8, (2 * (muEff - 2 + 1 / muEff)) / ((d + 2) ** 2 + muEff));
  const limit = Math.min(1 + c1 / cMu, 1 + (2 * muEffMinus) / (muEff + 2), (1 - c1 - cMu) / (d * cMu));
  const positive = raw.filter(w => w > 0).reduce((a, b) => a + b, 0);
  const negative = raw.filter(w => w < 0).reduce((a, b) => a - b, 0);
  const weights = raw.map(w => (w >= 0 ? w / positive : (limit * w) / negative));
  const cSigma = (muEff + 2) / (d + muEff + 5);
  const dSigma = 1 + 2 * Math.max(0, Math.sqrt((muEff - 1) / (d + 1)) - 1) + cSigma;
  const cC = (4 + muEff / d) / (d + 4 + (2 * muEff) / d);
  const chi = Math.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d * d));
  return { weights, half, muEff, c1, cMu, cSigma, dSigma, cC, chi };
}

/** B and D of C = B D^2 B^T. */
export interface Axes {
  readonly vectors: Float64Array;
  readonly lengths: Float64Array;
}

export function axesOf(state: CmaState): Axes {
  const d = state.mean.length;
  const { values, vectors } = symmetricEigen(Float64Array.from(state.covariance), d);
  return { vectors, lengths: values.map(v => Math.sqrt(Math.max(v, 1e-20))) };
}

/** A draw of N(mean, sigma^2 C); `scales` widen single coordinates (the margin of discrete ones). */
export function sampleCma(state: CmaState, { vectors, lengths }: Axes, scales: readonly number[], rng: Rng): number[] {
  const d = state.mean.length;
  const z = Array.from(lengths, l => l * rng.normal());
  return state.mean.map((m, i) => {
    let y = 0;
    for (let k = 0; k < d; k++) y += vectors[i * d + k]! * z[k]!;
    return m + state.sigma * scales[i]! * y;
  });
}

/** One generation: `ranked` holds the population, best first. Active update (negative weights for the worst half). */
export function updateCma(state: CmaState, axes: Axes, ranked: readonly (readonly number[])[]): CmaState {
  const d = state.mean.length;
  const { weights, half, muEff, c1, cMu, cSigma, dSigma, cC, chi } = strategyOf(d, ranked.length);
  const steps = ranked.map(x => x.map((v, i) => (v - state.mean[i]!) / state.sigma));
  const shift = new Array<number>(d).fill(0);
  for (let k = 0; k < half; k++) for (let i = 0; i < d; i++) shift[i]! += weights[k]! * steps[k]![i]!;
  const whitened = whiten(axes, shift);
  const pathSigma = state.pathSigma.map(
    (p, i) => (1 - cSigma) * p + Math.sqrt(cSigma * (2 - cSigma) * muEff) * whitened[i]!,
  );
  const norm = Math.hypot(...pathSigma);
  const sigma = state.sigma * Math.exp(Math.min(1, (cSigma / dSigma) * (norm / chi - 1)));
  const generation = state.generation + 1;
  const stalled = norm / Math.sqrt(1 - (1 - cSigma) ** (2 * (generation + 1))) >= (1.4 + 2 / (d + 1)) * chi;
  const h = stalled ? 0 : 1;
  const pathC = state.pathC.map((p, i) => (1 - cC) * p + h * Math.sqrt(cC * (2 - cC) * muEff) * shift[i]!);
  // A negative weight is scaled by the step's length, so that the matrix stays positive definite.
  const w = weights.map((v, k) => (v >= 0 ? v : (v * d) / (sumSquares(whiten(axes, steps[k]!)) + 1e-8)));
  const total = weights.reduce((a, b) => a + b, 0);
  const keep = 1 + c1 * (1 - h) * cC * (2 - cC) - c1 - cMu * total;
  const covariance = state.covariance.map((c, at) => {
    const i = Math.floor(at / d);
    const j = at % d;
    let rankMu = 0;
    for (let k = 0; k < steps.length; k++) rankMu += w[k]! * steps[k]![i]! * steps[k]![j]!;
    return keep * c + c1 * pathC[i]! * pathC[j]! + cMu * rankMu;
  });
  const mean = state.mean.map((m, i) => m + state.sigma * shift[i]!);
  return { ...state, mean, sigma, covariance, pathC, pathSigma, generation };
}

/** C^(-1/2) x. */
function whiten({ vectors, lengths }: Axes, x: readonly number[]): number[] {
  const d = x.length;
  const out = new Array<number>(d).fill(0);
  for (let k = 0; k < d; k++) {
    let along = 0;
    for (let i = 0; i < d; i++) along += vectors[i * d + k]! * x[i]!;
    for (let i = 0; i < d; i++) out[i]! += (vectors[i * d + k]! * along) / lengths[k]!;
  }
  return out;
}

function sumSquares(x: readonly number[]): number {
  return x.reduce((a, b) => a + b * b, 0);
}

/** Whether a run has nothing left to gain: steps below 1e-12 of the start, or a condition number above 1e14. */
export function hasConverged(state: CmaState, { lengths }: Axes, startSigma: number): boolean {
  const longest = Math.max(...lengths);
  return state.sigma * longest < 1e-12 * startSigma || (longest / Math.min(...lengths)) ** 2 > 1e14;
}
