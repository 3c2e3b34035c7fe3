import { requireFinite, requireRange, type StreamDetector, type StreamSignal } from './stream-detector.ts';

export interface PageHinkleyOptions {
  /** Values before the first decision. @default 30 */
  readonly minInstances?: number;
  /** Deviations below this are ignored, in the stream's unit. @default 0.005 */
  readonly delta?: number;
  /** Accumulated deviation that raises an alarm, in the stream's unit. @default 50 */
  readonly threshold?: number;
  /** Forgetting factor of the accumulated deviation. In (0, 1]. @default 0.9999 */
  readonly alpha?: number;
  /** Direction of change. @default 'both' */
  readonly mode?: 'up' | 'down' | 'both';
}

/** Page-Hinkley test (Page 1954): accumulates deviations from the running mean, which must outgrow their best level. */
export class PageHinkley implements StreamDetector {
  readonly #minInstances: number;
  readonly #delta: number;
  readonly #threshold: number;
  readonly #alpha: number;
  readonly #mode: 'up' | 'down' | 'both';
  #count = 0;
  #mean = 0;
  #rise = 0;
  #fall = 0;
  #lowestRise = Number.POSITIVE_INFINITY;
  #highestFall = 0;

  constructor(options: PageHinkleyOptions = {}) {
    this.#minInstances = requireRange('minInstances', options.minInstances ?? 30, 1, 1e9);
    this.#delta = requireRange('delta', options.delta ?? 0.005, 0, Number.MAX_VALUE);
    this.#threshold = requireRange('threshold', options.threshold ?? 50, 0, Number.MAX_VALUE);
    this.#alpha = requireRange('alpha', options.alpha ?? 0.9999, 1e-9, 1);
    this.#mode = options.mode ?? 'both';
  }

  update(value: number): StreamSignal {
    this.#count++;
    this.#mean += (requireFinite(value) - this.#mean) / this.#count;
    const deviation = value - this.#mean;
    this.#rise = this.#alpha * this.#rise + deviation - this.#delta;
    this.#fall = this.#alpha * this.#fall + deviation + this.#delta;
    if (this.#rise < this.#lowestRise) this.#lowestRise = this.#rise;
    if (this.#fall > this.#highestFall) this.#highestFall = this.#fall;
    if (this.#count < this.#minInstances) return 'stable';
    const rose = this.#mode !== 'down' && this.#rise - this.#lowestRise > this.#threshold;
    const fell = this.#mode !== 'up' && this.#highestFall - this.#fall > this.#threshold;
    if (!rose && !fell) return 'stable';
    this.#reset();
    return 'drift';
  }

  #reset(): void {
    this.#count = 0;
    this.#mean = 0;
    this.#rise = 0;
    this.#fall = 0;
    this.#lowestRise = Number.POSITIVE_INFINITY;
    this.#highestFall = 0;
  }
}
