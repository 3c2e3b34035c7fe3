import type { Interval } from '../intervals/interval.ts';
import { type Moments, sampleVariance } from '../moments.ts';

export interface MeanSequenceOptions {
  /** Chance that any interval of all times misses the mean. In (0, 1). @default 0.05 */
  readonly alpha?: number;
  /** Known bounds of every value. @default 0 and 1 */
  readonly low?: number;
  readonly high?: number;
}

/**
 * Confidence sequence of the mean of bounded values: the empirical-Bernstein sequence with predictable weights
 * (Waudby-Smith and Ramdas 2023, theorem 2). Constant memory; the intervals only shrink (running intersection).
 * Values may depend on the past as long as their conditional mean stays the same.
 */
export class BoundedMeanSequence {
  readonly #alpha: number;
  readonly #low: number;
  readonly #range: number;
  #rows = 0;
  #mean = 0.5;
  #variance = 0.25;
  #squares = 0;
  #sum = 0;
  #weights = 0;
  #weightedSum = 0;
  #penalty = 0;
  #lower = 0;
  #upper = 1;

  constructor(options: MeanSequenceOptions = {}) {
    this.#alpha = options.alpha ?? 0.05;
    this.#low = options.low ?? 0;
    this.#range = (options.high ?? 1) - this.#low;
    if (!(this.#alpha > 0 && this.#alpha < 1)) throw new RangeError(`alpha must lie in (0, 1), not ${this.#alpha}.`);
    if (!(this.#range > 0 && Number.isFinite(this.#range))) throw new RangeError('high must be finite and above low.');
  }

  get rows(): number {
    return this.#rows;
  }

  /** The values seen so far leave the mean here. */
  get interval(): Interval {
    return { low: this.#low + this.#range * this.#lower, high: this.#low + this.#range * this.#upper };
  }

  /** Adds one value. @throws RangeError when it is outside the bounds. */
  update(value: number): this {
    const x = (value - this.#low) / this.#range;
    if (!(x >= 0 && x <= 1)) throw new RangeError(`The value ${value} is outside the bounds of the sequence.`);
    this.#rows++;
    const logTerm = Math.log(2 / this.#alpha);
    const t = this.#rows;
    // The weight depends on the past only; a half keeps the logarithm below finite.
    const weight = Math.min(0.5, Math.sqrt((2 * logTerm) / (this.#variance * t * Math.log(1 + t))));
    this.#weights += weight;
    this.#weightedSum += weight * x;
    this.#penalty += (x - this.#mean) ** 2 * (-Math.log1p(-weight) - weight);
    this.#sum += x;
    this.#mean = (0.5 + this.#sum) / (t + 1);
    this.#squares += (x - this.#mean) ** 2;
    this.#variance = (0.25 + this.#squares) / (t + 1);
    const centre = this.#weightedSum / this.#weights;
    const half = (logTerm + this.#penalty) / this.#weights;
    this.#lower = Math.max(this.#lower, Math.min(1, centre - half));
    this.#upper = Math.min(this.#upper, Math.max(0, centre + half));
    // Only when the promise has already failed can the intersection be empty; one point is left then.
    if (this.#lower > this.#upper) this.#lower = this.#upper;
    return this;
  }
}

/**
 * Half-width of the normal-mixture confidence sequence (Robbins 1970; the mixture SPRT of Johari et al. 2022) of an
 * estimate with this squared standard error, where `scale` is the size of effect it is sharpest for.
 * @throws RangeError unless scale > 0 and alpha lies in (0, 1)
 */
export function mixtureRadius(squaredError: number, scale: number, alpha: number): number {
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha must lie in (0, 1), not ${alpha}.`);
  if (!(scale > 0)) throw new RangeError(`scale must be above 0, not ${scale}.`);
  const total = squaredError + scale * scale;
  if (!Number.isFinite(total)) return Number.POSITIVE_INFINITY;
  if (squaredError <= 0) return 0;
  const ratio = total / (scale * scale);
  return Math.sqrt(2 * squaredError * ratio * (0.5 * Math.log(total / squaredError) - Math.log(alpha)));
}

/**
 * Asymptotic confidence sequence of a mean from moments alone (Waudby-Smith et al. 2024): valid at all times from a few
 * hundred rows on, for values without known bounds. Below two rows: the whole line.
 * @param scale size of effect it is sharpest for, in the values' unit
 */
export function meanConfidenceSequence(moments: Readonly<Moments>, scale: number, alpha: number): Interval {
  const error = moments.count < 2 ? Number.POSITIVE_INFINITY : sampleVariance(moments) / moments.count;
  const radius = mixtureRadius(error, scale, alpha);
  return { low: moments.mean - radius, high: moments.mean + radius };
}

/** As {@link meanConfidenceSequence} for the difference a - b of two arms' means that grow at steady shares. */
export function meanDifferenceConfidenceSequence(
  a: Readonly<Moments>,
  b: Readonly<Moments>,
  scale: number,
  alpha: number,
): Interval {
  const enough = a.count >= 2 && b.count >= 2;
  const error = enough ? sampleVariance(a) / a.count + sampleVariance(b) / b.count : Number.POSITIVE_INFINITY;
  const radius = mixtureRadius(error, scale, alpha);
  const difference = a.mean - b.mean;
  return { low: difference - radius, high: difference + radius };
}
