import type { GaussianProcess } from '../gp/model.ts';

/** Losses at one level, and at the level below (or what is predicted there), of a trial. */
export interface Pair {
  readonly below: number;
  readonly loss: number;
}

/** loss = intercept + slope * below + scale * residual; the residual is a Gaussian process over configurations. */
export interface Line {
  readonly intercept: number;
  readonly slope: number;
  readonly slopeVariance: number;
  /** Mean of the losses below, where the uncertain slope has its pivot. */
  readonly pivot: number;
  readonly scale: number;
}

/** How one level follows from the one below. */
export interface Link extends Line {
  /** Undefined before any trial has reached the level. */
  readonly residual: GaussianProcess | undefined;
}

/** Before anything is known a level repeats the one below, in units of the deviation at the first level. */
const priorSlopeVariance = 0.25;
const priorResidualVariance = 0.25;
/** Trials that this belief about the residual counts for. */
const priorTrials = 2;

/** Regression with a normal prior on the slope and a scaled inverse chi-squared prior on the residual variance. */
export function fitLine(pairs: readonly Pair[]): Line {
  const n = pairs.length;
  let variance = priorResidualVariance;
  let slope = 1;
  let slopeVariance = priorSlopeVariance;
  if (n === 0) return { intercept: 0, slope, slopeVariance, pivot: 0, scale: Math.sqrt(variance) };
  const pivot = pairs.reduce((s, p) => s + p.below, 0) / n;
  const middle = pairs.reduce((s, p) => s + p.loss, 0) / n;
  let szz = 0;
  let szy = 0;
  let syy = 0;
  for (const { below, loss } of pairs) {
    szz += (below - pivot) ** 2;
    szy += (below - pivot) * (loss - middle);
    syy += (loss - middle) ** 2;
  }
  for (let round = 0; round < 10; round++) {
    const precision = szz / variance + 1 / priorSlopeVariance;
    slope = (szy / variance + 1 / priorSlopeVariance) / precision;
    slopeVariance = 1 / precision;
    const squares = Math.max(0, syy - 2 * slope * szy + slope * slope * szz);
    variance = (priorTrials * priorResidualVariance + squares) / (priorTrials + n - 1);
  }
  return { intercept: middle - slope * pivot, slope, slopeVariance, pivot, scale: Math.sqrt(variance) };
}

export function residualOf({ intercept, slope, scale }: Line, { below, loss }: Pair): number {
  return (loss - intercept - slope * below) / scale;
}
