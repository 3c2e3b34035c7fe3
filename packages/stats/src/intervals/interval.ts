/** An interval of plausible values; low <= high. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Checks a confidence level. @throws RangeError unless it lies in (0, 1). */
export function requireConfidence(confidence: number): number {
  if (!(confidence > 0 && confidence < 1)) throw new RangeError(`confidence must lie in (0, 1), not ${confidence}.`);
  return confidence;
}

/** Checks a count of successes among rows. @throws RangeError unless 0 <= successes <= rows. */
export function requireCounts(successes: number, rows: number): void {
  if (!(successes >= 0 && successes <= rows && Number.isFinite(rows))) {
    throw new RangeError(`${successes} successes of ${rows} rows are not possible.`);
  }
}
