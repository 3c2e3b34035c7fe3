/** Event times further ahead of their arrival than this are mistakes (seconds for milliseconds, a wrong year). */
const futureToleranceMs = 86_400_000;

export interface StoredClock {
  readonly kind: 'event' | 'wall';
  /** Latest time seen; null before the first row. */
  readonly latestMs: number | null;
  /** Earliest time seen by this kind of clock. */
  readonly earliestMs: number | null;
}

/**
 * What time it is for a model. A model is on the wall clock until the first prediction that names its own event time;
 * from then on only event times move it, and rows without one happen at its latest time.
 */
export class EventClock {
  #kind: 'event' | 'wall';
  #latestMs: number;
  #earliestMs: number;

  constructor(stored?: StoredClock) {
    this.#kind = stored?.kind ?? 'wall';
    this.#latestMs = stored?.latestMs ?? Number.NEGATIVE_INFINITY;
    this.#earliestMs = stored?.earliestMs ?? Number.POSITIVE_INFINITY;
  }

  get kind(): 'event' | 'wall' {
    return this.#kind;
  }

  get latestMs(): number {
    return this.#latestMs;
  }

  /** Starts over on event time. */
  switchToEvents(): void {
    this.#kind = 'event';
    this.#latestMs = Number.NEGATIVE_INFINITY;
    this.#earliestMs = Number.POSITIVE_INFINITY;
  }

  /** The time a row counts at. A row whose event time equals its arrival carries none of its own. */
  timeOf(eventMs: number, receivedMs: number): number {
    if (this.#kind === 'wall') return receivedMs;
    const usable = eventMs !== receivedMs && eventMs <= receivedMs + futureToleranceMs;
    return usable || this.#latestMs === Number.NEGATIVE_INFINITY ? eventMs : this.#latestMs;
  }

  /** Errors are counted by minute; one that lies beyond the latest event time happened just now. */
  timeOfError(minuteMs: number): number {
    if (this.#kind === 'wall' || this.#latestMs === Number.NEGATIVE_INFINITY) return minuteMs;
    return Math.min(minuteMs, this.#latestMs);
  }

  observe(timeMs: number): void {
    if (timeMs > this.#latestMs) this.#latestMs = timeMs;
    if (timeMs < this.#earliestMs) this.#earliestMs = timeMs;
  }

  store(): StoredClock {
    return {
      kind: this.#kind,
      latestMs: Number.isFinite(this.#latestMs) ? this.#latestMs : null,
      earliestMs: Number.isFinite(this.#earliestMs) ? this.#earliestMs : null,
    };
  }
}
