import type { ServingClock } from '../clock.ts';

export interface Expiring {
  /** On the monotonic clock. */
  readonly deadlineMs: number;
  expire(): void;
}

/** A timer of Node fires at once when it is set to more. */
export const longestTimerMs = 2_147_483_647;

/** Expires what outlives its deadline, with one timer however many wait. */
export class Deadlines<T extends Expiring> {
  readonly #clock: Pick<ServingClock, 'monotonicMs'>;
  readonly #waiting = new Set<T>();
  #timer: NodeJS.Timeout | undefined;
  #wakesAtMs = Number.POSITIVE_INFINITY;

  constructor(clock: Pick<ServingClock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  add(item: T): void {
    this.#waiting.add(item);
    if (item.deadlineMs < this.#wakesAtMs) this.#arm(item.deadlineMs);
  }

  /** The timer stays armed: finding the next deadline now would cost more than waking once for nothing. */
  delete(item: T): void {
    this.#waiting.delete(item);
  }

  #arm(deadlineMs: number): void {
    clearTimeout(this.#timer);
    this.#wakesAtMs = deadlineMs;
    const waitMs = Math.min(longestTimerMs, Math.max(0, Math.ceil(deadlineMs - this.#clock.monotonicMs())));
    this.#timer = setTimeout(() => this.#sweep(), waitMs);
    this.#timer.unref();
  }

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    const expired: T[] = [];
    for (const item of this.#waiting) {
      if (item.deadlineMs <= nowMs) expired.push(item);
      else if (item.deadlineMs < nextMs) nextMs = item.deadlineMs;
    }
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    if (nextMs !== Number.POSITIVE_INFINITY) this.#arm(nextMs);
    for (const item of expired) {
      this.#waiting.delete(item);
      item.expire();
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
  }
}
