import { requireFinite, requireRange, type StreamDetector, type StreamSignal } from './stream-detector.ts';

export interface AdwinOptions {
  /** Confidence; smaller means fewer false alarms. In (0, 1). @default 0.002 */
  readonly delta?: number;
  /** Values between two checks; 1 checks at every value. @default 32 */
  readonly clock?: number;
  /** Buckets per row before the two oldest merge; more is finer and slower. @default 5 */
  readonly maxBuckets?: number;
  /** Smallest part that is compared. @default 5 */
  readonly minWindowLength?: number;
  /** Values before the first check. @default 10 */
  readonly gracePeriod?: number;
  /**
   * 'restart' empties the window after a drift, so that one change gives one alarm (river); 'keep' goes on with the newest
   * part (MOA), which may alarm again while the old level leaves the window. @default 'restart'
   */
  readonly afterDrift?: 'restart' | 'keep';
}

/** Buckets of one size: row r holds buckets of 2^r values, oldest first. */
interface BucketRow {
  readonly totals: Float64Array;
  readonly variances: Float64Array;
  filled: number;
}

/**
 * ADWIN (Bifet and Gavalda 2007): a window that grows while its level stays and drops its oldest part when any cut in two
 * shows different means. Follows MOA: every bucket of a row is tried as a cut. Values may have any scale.
 */
export class Adwin implements StreamDetector {
  readonly #delta: number;
  readonly #clock: number;
  readonly #maxBuckets: number;
  readonly #minLength: number;
  readonly #gracePeriod: number;
  readonly #restarts: boolean;
  readonly #rows: BucketRow[] = [];
  #isSpent = false;
  #seen = 0;
  #width = 0;
  #total = 0;
  /** Sum of squared deviations from the window's mean. */
  #variance = 0;

  constructor(options: AdwinOptions = {}) {
    this.#delta = requireRange('delta', options.delta ?? 0.002, 1e-300, 1);
    this.#clock = requireRange('clock', options.clock ?? 32, 1, 1e9);
    this.#maxBuckets = requireRange('maxBuckets', options.maxBuckets ?? 5, 2, 1000);
    this.#minLength = requireRange('minWindowLength', options.minWindowLength ?? 5, 1, 1e9);
    this.#gracePeriod = requireRange('gracePeriod', options.gracePeriod ?? 10, 0, 1e9);
    this.#restarts = (options.afterDrift ?? 'restart') === 'restart';
    this.#rows.push(this.#newRow());
  }

  /** Values in the window. */
  get width(): number {
    return this.#width;
  }

  get total(): number {
    return this.#total;
  }

  /** Mean of the window; 0 before the first value. */
  get mean(): number {
    return this.#width === 0 ? 0 : this.#total / this.#width;
  }

  /** Sum of squared deviations of the window. */
  get squaredDeviations(): number {
    return this.#variance;
  }

  update(value: number): StreamSignal {
    requireFinite(value);
    if (this.#isSpent) this.#empty();
    this.#insert(value);
    this.#seen++;
    if (this.#seen % this.#clock !== 0 || this.#width <= this.#gracePeriod) return 'stable';
    let dropped = false;
    while (this.#hasCut()) {
      this.#dropOldest();
      dropped = true;
    }
    this.#isSpent = dropped && this.#restarts;
    return dropped ? 'drift' : 'stable';
  }

  /** Until the next value arrives the window after a drift stays readable. */
  #empty(): void {
    this.#rows.length = 0;
    this.#rows.push(this.#newRow());
    this.#seen = 0;
    this.#width = 0;
    this.#total = 0;
    this.#variance = 0;
    this.#isSpent = false;
  }

  #newRow(): BucketRow {
    const size = this.#maxBuckets + 1;
    return { totals: new Float64Array(size), variances: new Float64Array(size), filled: 0 };
  }

  #insert(value: number): void {
    const before = this.#width;
    if (before > 0) this.#variance += (before * (value - this.#total / before) ** 2) / (before + 1);
    this.#width = before + 1;
    this.#total += value;
    append(this.#rows[0]!, value, 0);
    this.#mergeFullRows();
  }

  #mergeFullRows(): void {
    for (let r = 0; this.#rows[r]!.filled > this.#maxBuckets; r++) {
      const row = this.#rows[r]!;
      if (r + 1 === this.#rows.length) this.#rows.push(this.#newRow());
      const size = 2 ** r;
      const gap = (row.totals[0]! - row.totals[1]!) / size;
      const variance = row.variances[0]! + row.variances[1]! + (gap * gap * size) / 2;
      append(this.#rows[r + 1]!, row.totals[0]! + row.totals[1]!, variance);
      removeOldest(row, 2);
    }
  }

  /** Whether any cut of the window, from its oldest bucket on, separates two different means. */
  #hasCut(): boolean {
    const width = this.#width;
    if (width < 2) return false;
    const logTerm = Math.log((2 * Math.log(width)) / this.#delta);
    const spread = 2 * (this.#variance / width) * logTerm;
    let n0 = 0;
    let u0 = 0;
    for (let r = this.#rows.length - 1; r >= 0; r--) {
      const row = this.#rows[r]!;
      const size = 2 ** r;
      for (let k = 0; k < row.filled; k++) {
        n0 += size;
        u0 += row.totals[k]!;
        const n1 = width - n0;
        if (n1 < this.#minLength) return false;
        if (n0 < this.#minLength) continue;
        const harmonic = 1 / (n0 - this.#minLength + 1) + 1 / (n1 - this.#minLength + 1);
        const epsilon = Math.sqrt(spread * harmonic) + (2 / 3) * logTerm * harmonic;
        if (Math.abs(u0 / n0 - (this.#total - u0) / n1) > epsilon) return true;
      }
    }
    return false;
  }

  #dropOldest(): void {
    const r = this.#rows.length - 1;
    const row = this.#rows[r]!;
    const size = 2 ** r;
    const total = row.totals[0]!;
    this.#width -= size;
    this.#total -= total;
    const gap = total / size - this.#total / this.#width;
    const removed = row.variances[0]! + (size * this.#width * gap * gap) / (size + this.#width);
    this.#variance = Math.max(0, this.#variance - removed);
    removeOldest(row, 1);
    while (this.#rows.length > 1 && this.#rows.at(-1)!.filled === 0) this.#rows.pop();
  }
}

function append(row: BucketRow, total: number, variance: number): void {
  row.totals[row.filled] = total;
  row.variances[row.filled] = variance;
  row.filled++;
}

function removeOldest(row: BucketRow, count: number): void {
  row.totals.copyWithin(0, count);
  row.variances.copyWithin(0, count);
  row.filled -= count;
}
