/** Time as the room sees it: the wall for what is recorded, the monotonic clock for durations and deadlines. */
export interface ServingClock {
  /** Milliseconds since the epoch. */
  wallMs(): number;
  /** Milliseconds since an arbitrary start, with fractions; never steps back. */
  monotonicMs(): number;
}

export const systemClock: ServingClock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
