import { requireFinite, requireRange, type StreamDetector, type StreamSignal } from './stream-detector.ts';

export interface DdmOptions {
  /** Values before the first decision. @default 30 */
  readonly warmStart?: number;
  /** Standard errors above the best level for a warning. @default 2 */
  readonly warningThreshold?: number;
  /** Standard errors above the best level for a drift. @default 3 */
  readonly driftThreshold?: number;
}

/**
 * DDM (Gama et al. 2004) on a stream of errors, 1 for a wrong prediction and 0 for a right one: alarms when the error
 * rate rises above its best level. Strong on sudden changes, slow on small gradual ones.
 */
export class Ddm implements StreamDetector {
  readonly #warmStart: number;
  readonly #warning: number;
  readonly #drift: number;
  #count = 0;
  #errors = 0;
  #bestLevel = Number.POSITIVE_INFINITY;
  #bestRate = 0;
  #bestDeviation = 0;

  constructor(options: DdmOptions = {}) {
    this.#warmStart = requireRange('warmStart', options.warmStart ?? 30, 1, 1e9);
    this.#warning = requireRange('warningThreshold', options.warningThreshold ?? 2, 0, 100);
    this.#drift = requireRange('driftThreshold', options.driftThreshold ?? 3, 0, 100);
  }

  update(error: number): StreamSignal {
    this.#count++;
    this.#errors += requireFinite(error) > 0 ? 1 : 0;
    if (this.#count <= this.#warmStart) return 'stable';
    const rate = this.#errors / this.#count;
    const deviation = Math.sqrt((rate * (1 - rate)) / this.#count);
    const level = rate + deviation;
    if (level <= this.#bestLevel) {
      this.#bestLevel = level;
      this.#bestRate = rate;
      this.#bestDeviation = deviation;
    }
    if (level > this.#bestRate + this.#drift * this.#bestDeviation) {
      this.#reset();
      return 'drift';
    }
    return level > this.#bestRate + this.#warning * this.#bestDeviation ? 'warning' : 'stable';
  }

  #reset(): void {
    this.#count = 0;
    this.#errors = 0;
    this.#bestLevel = Number.POSITIVE_INFINITY;
  }
}
