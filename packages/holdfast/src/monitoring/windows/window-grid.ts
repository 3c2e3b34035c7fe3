const dayMs = 86_400_000;
/** The first Monday after the epoch, so that weeks start on Mondays; days and hours start where UTC's do. */
const monday = 4 * dayMs;

/** Start of the window of this length that holds the time; windows tile the time line without gaps. */
export function windowStart(timeMs: number, lengthMs: number): number {
  const origin = lengthMs % (7 * dayMs) === 0 ? monday : 0;
  return Math.floor((timeMs - origin) / lengthMs) * lengthMs + origin;
}

/** Length of the profile buckets: a minute, or less where windows do not consist of whole minutes; at least a second. */
export function bucketLength(windowLengthsMs: readonly number[]): number {
  let bucket = 60_000;
  for (const length of windowLengthsMs) bucket = greatestCommonDivisor(bucket, length);
  return Math.max(1000, bucket);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
