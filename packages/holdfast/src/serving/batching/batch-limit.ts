/** Latencies that one decision is made on; their 99th is the percentile. */
const windowRequests = 100;
/** A limit this far from the maximum is reached in so many steps. */
const steps = 64;
const backOff = 0.9;

/**
 * Learns how many rows a batch may have: grows additively while the 99th percentile of latency keeps the target and
 * batches are full, backs off by a tenth when it does not (AIMD, as in Clipper, NSDI 2017, section 4.3).
 */
export class BatchLimit {
  readonly #targetMs: number;
  readonly #maximumRows: number;
  readonly #step: number;
  #limit: number;
  #latencies: number[] = [];
  #wasFull = false;

  /** @param targetMs of the 99th percentile  @param maximumRows never exceeded */
  constructor(targetMs: number, maximumRows: number) {
    this.#targetMs = targetMs;
    this.#maximumRows = maximumRows;
    this.#step = Math.max(1, Math.ceil(maximumRows / steps));
    this.#limit = this.#step;
  }

  get rows(): number {
    return Math.max(1, Math.floor(this.#limit));
  }

  /**
   * One answered request. The wait beyond the run in front of it is left out by the caller: it is due to the length of
   * the queue, which smaller batches would only lengthen.
   * @param wasFull whether its batch had no room for another request that waited
   */
  observe(latencyMs: number, wasFull: boolean): void {
    this.#latencies.push(latencyMs);
    this.#wasFull ||= wasFull;
    if (this.#latencies.length < windowRequests) return;
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const p99Ms = sorted[Math.ceil(0.99 * windowRequests) - 1]!;
    if (p99Ms > this.#targetMs) this.#limit = Math.max(1, this.#limit * backOff);
    else if (this.#wasFull) this.#limit = Math.min(this.#maximumRows, this.#limit + this.#step);
    this.#latencies = [];
    this.#wasFull = false;
  }
}
