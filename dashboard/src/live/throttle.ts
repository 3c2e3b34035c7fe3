/** Timers as the page's; a test passes its own. */
export interface Timers {
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
}

export const pageTimers: Timers = {
  now: () => performance.now(),
  after: (ms, run) => {
    const handle = setTimeout(run, ms);
    return () => clearTimeout(handle);
  },
};

export interface Throttle {
  /** Asks for a run: at once when none happened within the interval, else at its end; never lost, never doubled. */
  ask(): void;
  cancel(): void;
}

/** Runs at most once per `intervalMs`, however often it is asked. */
export function throttle(intervalMs: number, run: () => void, timers: Timers = pageTimers): Throttle {
  let lastMs = Number.NEGATIVE_INFINITY;
  let cancelWaiting: (() => void) | undefined;
  const go = (): void => {
    cancelWaiting = undefined;
    lastMs = timers.now();
    run();
  };
  return {
    ask() {
      if (cancelWaiting !== undefined) return;
      const waitMs = lastMs + intervalMs - timers.now();
      if (waitMs <= 0) go();
      else cancelWaiting = timers.after(waitMs, go);
    },
    cancel() {
      cancelWaiting?.();
      cancelWaiting = undefined;
    },
  };
}
