/** What a detector says after one more value. */
export type StreamSignal = 'stable' | 'warning' | 'drift';

/**
 * Watches one stream for a change of its level, one value at a time and in constant memory. After a drift the detector
 * starts anew (adaptive windows keep their newest part), so it can be left running.
 */
export interface StreamDetector {
  /** Adds one value. @throws RangeError for a value that is not finite. */
  update(value: number): StreamSignal;
}

/** Refuses NaN and infinities: one of them would silence a detector for ever. */
export function requireFinite(value: number): number {
  if (!Number.isFinite(value)) throw new RangeError(`A stream detector needs finite values, not ${value}.`);
  return value;
}

/** Checks an option's range in a detector's constructor. */
export function requireRange(name: string, value: number, low: number, high: number): number {
  if (!(value >= low && value <= high)) throw new RangeError(`${name} must lie in [${low}, ${high}], not ${value}.`);
  return value;
}
