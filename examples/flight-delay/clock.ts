import { setTimeout as delay } from 'node:timers/promises';

/** Time as the replay sees it. */
export interface Clock {
  /** Monotonic, ms. */
  nowMs(): number;
  /** Resolves after a time, or at once when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const wallClock: Clock = {
  nowMs: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  },
};
