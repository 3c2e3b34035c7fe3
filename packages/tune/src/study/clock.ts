/** Where the time comes from: milliseconds, never going back. */
export interface Clock {
  now(): number;
}
