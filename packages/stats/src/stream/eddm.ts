import { requireFinite, requireRange, type StreamDetector, type StreamSignal } from './stream-detector.ts';

export interface EddmOptions {
  /** Values before the best distance is kept, and errors before the first decision. @default 30 */
  readonly warmStart?: number;
  /** Warning below this share of the best distance between errors. @default 0.95 */
  readonly alpha?: number;
  /** Drift below this share. @default 0.9 */
  readonly beta?: number;
}

/**
 * EDDM (Baena-Garcia et al. 2006) on a stream of errors (1 wrong, 0 right): alarms when errors come closer together.
 * Quick on gradual changes, at the price of many false alarms with its published defaults (13 in 10,000 quiet values).
 */
export class Eddm implements StreamDetector {
  readonly #warmStart: number;
  readonly #alpha: number;
  readonly #beta: number;
  #count = 0;
  #errors = 0;
  #lastError = 0;
  #meanDistance = 0;
  #squares = 0;
  #best = 0;

  constructor(options: EddmOptions = {}) {
    this.#warmStart = requireRange('warmStart', options.warmStart ?? 30, 1, 1e9);
    this.#alpha = requireRange('alpha', options.alpha ?? 0.95, 0, 1);
    this.#beta = requireRange('beta', options.beta ?? 0.9, 0, 1);
  }

  update(error: number): StreamSignal {
    this.#count++;
    if (requireFinite(error) <= 0) return 'stable';
    this.#errors++;
    const distance = this.#count - this.#lastError;
    this.#lastError = this.#count;
    const before = this.#meanDistance;
    this.#meanDistance += (distance - before) / this.#errors;
    this.#squares += (distance - this.#meanDistance) * (distance - before);
    const level = this.#meanDistance + 2 * Math.sqrt(this.#squares / Math.max(1, this.#errors - 1));
    if (this.#count <= this.#warmStart) return 'stable';
    if (level > this.#best) {
      this.#best = level;
      return 'stable';
    }
    if (this.#errors <= this.#warmStart) return 'stable';
    const share = level / this.#best;
    if (share < this.#beta) {
      this.#reset();
      return 'drift';
    }
    return share < this.#alpha ? 'warning' : 'stable';
  }

  #reset(): void {
    this.#count = 0;
    this.#errors = 0;
    this.#lastError = 0;
    this.#meanDistance = 0;
    this.#squares = 0;
    this.#best = 0;
  }
}
