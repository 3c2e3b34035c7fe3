/** How many windows it takes to believe a change. */
export interface Hysteresis {
  /** Windows in breach in a row before an alert fires, 1 or more. */
  readonly fireAfter: number;
  /** Quiet windows in a row before a firing alert resolves, 1 or more. */
  readonly resolveAfter: number;
}

/**
 * State of one alert. `pending` has been in breach for `breaches` windows, fewer than needed; `firing` has been quiet for
 * `quiet` windows, fewer than needed.
 */
export type AlertState =
  | { readonly phase: 'pending'; readonly breaches: number }
  | { readonly phase: 'firing'; readonly quiet: number }
  | { readonly phase: 'resolved' };

/** The state after one more window; undefined before the first breach, and when a pending alert came to nothing. */
export function step(
  state: AlertState | undefined,
  isBreached: boolean,
  { fireAfter, resolveAfter }: Hysteresis,
): AlertState | undefined {
  if (state?.phase === 'firing') {
    if (isBreached) return { phase: 'firing', quiet: 0 };
    return state.quiet + 1 >= resolveAfter ? { phase: 'resolved' } : { phase: 'firing', quiet: state.quiet + 1 };
  }
  if (!isBreached) return undefined;
  const breaches = (state?.phase === 'pending' ? state.breaches : 0) + 1;
  return breaches >= fireAfter ? { phase: 'firing', quiet: 0 } : { phase: 'pending', breaches };
}
