import type { Rng } from '../rng.ts';
import { ksSorted } from '../two-sample/kolmogorov-smirnov.ts';
import { requireFinite, requireRange, type StreamDetector, type StreamSignal } from './stream-detector.ts';

export interface KswinOptions {
  readonly rng: Rng;
  /** A drift needs a KS p-value at or below this. In (0, 1). @default 0.005 */
  readonly alpha?: number;
  /** Values kept. @default 100 */
  readonly windowSize?: number;
  /** Newest values compared with as many random older ones. @default 30 */
  readonly statSize?: number;
}

/** KSWIN (Raab, Heusinger and Schleif 2020): KS test of the newest values against a random draw of the older ones. */
export class Kswin implements StreamDetector {
  readonly #rng: Rng;
  readonly #alpha: number;
  readonly #statSize: number;
  readonly #window: Float64Array;
  readonly #older: Float64Array;
  readonly #newest: Float64Array;
  /** The KS statistic, a multiple of 1 / statSize, from which on the exact p-value is at most alpha. */
  readonly #critical: number;
  #filled = 0;

  constructor(options: KswinOptions) {
    this.#rng = options.rng;
    this.#alpha = requireRange('alpha', options.alpha ?? 0.005, 1e-300, 1);
    const windowSize = requireRange('windowSize', options.windowSize ?? 100, 4, 1e6);
    this.#statSize = requireRange('statSize', options.statSize ?? 30, 2, windowSize / 2);
    this.#window = new Float64Array(windowSize);
    this.#older = new Float64Array(this.#statSize);
    this.#newest = new Float64Array(this.#statSize);
    this.#critical = criticalStatistic(this.#statSize, this.#alpha);
  }

  update(value: number): StreamSignal {
    requireFinite(value);
    const window = this.#window;
    if (this.#filled === window.length) window.copyWithin(0, 1);
    else this.#filled++;
    window[this.#filled - 1] = value;
    if (this.#filled < window.length) return 'stable';
    const older = window.length - this.#statSize;
    this.#newest.set(window.subarray(older));
    this.#drawOlder(older);
    this.#newest.sort();
    this.#older.sort();
    if (largestGap(this.#older, this.#newest) < this.#critical) return 'stable';
    window.copyWithin(0, older);
    this.#filled = this.#statSize;
    return 'drift';
  }

  /** Selection sampling (Knuth's algorithm S): each older value is equally likely, none is taken twice. */
  #drawOlder(older: number): void {
    let taken = 0;
    for (let i = 0; taken < this.#statSize; i++) {
      if ((older - i) * this.#rng.next() < this.#statSize - taken) this.#older[taken++] = this.#window[i]!;
    }
  }
}

function largestGap(a: Float64Array, b: Float64Array): number {
  const n = a.length;
  let i = 0;
  let j = 0;
  let largest = 0;
  while (i < n && j < n) {
    const value = Math.min(a[i]!, b[j]!);
    while (i < n && a[i] === value) i++;
    while (j < n && b[j] === value) j++;
    const gap = Math.abs(i - j);
    if (gap > largest) largest = gap;
  }
  return largest / n;
}

function criticalStatistic(size: number, alpha: number): number {
  const low = Float64Array.from({ length: size }, (_, i) => i);
  for (let gap = 1; gap <= size; gap++) {
    // Samples shifted by `gap` positions have exactly this statistic.
    const { pValue } = ksSorted(
      low,
      low.map(x => x + gap - 0.5),
      { method: 'exact' },
    );
    if (pValue <= alpha) return gap / size - 1e-12;
  }
  return Number.POSITIVE_INFINITY;
}
