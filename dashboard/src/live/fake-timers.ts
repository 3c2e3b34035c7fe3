import type { Timers } from './throttle.ts';

/** Timers whose time a test moves. */
export class FakeTimers implements Timers {
  #nowMs = 0;
  #waiting: { readonly atMs: number; readonly run: () => void }[] = [];

  readonly now = (): number => this.#nowMs;

  readonly after = (ms: number, run: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + ms, run };
    this.#waiting.push(timer);
    return () => {
      this.#waiting = this.#waiting.filter(each => each !== timer);
    };
  };

  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    for (;;) {
      const [next] = this.#waiting.filter(timer => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs);
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter(each => each !== next);
      this.#nowMs = next.atMs;
      next.run();
    }
    this.#nowMs = untilMs;
  }
}
