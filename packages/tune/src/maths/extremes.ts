/**
 * The least of the values; Infinity for none, NaN when one is NaN, as `Math.min` answers. For values as many as a study
 * has trials or a trial has reports: an argument for each would overflow the stack at about 100,000.
 */
export function least(values: Iterable<number>): number {
  let found = Number.POSITIVE_INFINITY;
  for (const value of values) found = Math.min(found, value);
  return found;
}

/** The greatest of the values; -Infinity for none, NaN when one is NaN. See `least`. */
export function greatest(values: Iterable<number>): number {
  let found = Number.NEGATIVE_INFINITY;
  for (const value of values) found = Math.max(found, value);
  return found;
}
