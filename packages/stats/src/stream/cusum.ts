import { requireFinite, requireRange, type StreamDetector, type StreamSignal } from './stream-detector.ts';

export interface CusumOptions {
  /** Values before the first decision. @default 30 */
  readonly minInstances?: number;
  /** Deviations below this are ignored, in the stream's unit. @default 0.005 */
  readonly delta?: number;
  /** Accumulated deviation that raises an alarm, in the stream's unit. @default 50 */
  readonly threshold?: number;
}

/** One-sided CUSUM (Page 1954): the sum of upward deviations from the running mean, never below 0. */
export class Cusum implements StreamDetector {
  readonly #minInstances: number;
  readonly #delta: number;
  readonly #threshold: number;
  #count = 0;
  #mean = 0;
  #sum = 0;

  constructor(options: CusumOptions = {}) {
    this.#minInstances = requireRange('minInstances', options.minInstances ?? 30, 1, 1e9);
    this.#delta = requireRange('delta', options.delta ?? 0.005, 0, Number.MAX_VALUE);
    this.#threshold = requireRange('threshold', options.threshold ?? 50, 0, Number.MAX_VALUE);
  }

  update(value: number): StreamSignal {
    this.#count++;
    this.#mean += (requireFinite(value) - this.#mean) / this.#count;
    this.#sum = Math.max(0, this.#sum + value - this.#mean - this.#delta);
    if (this.#count < this.#minInstances || this.#sum <= this.#threshold) return 'stable';
    this.#count = 0;
    this.#mean = 0;
    this.#sum = 0;
    return 'drift';
  }
}
