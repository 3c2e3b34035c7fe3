import { betaQuantile, normalQuantile } from '../special.ts';
import { type Interval, requireConfidence, requireCounts } from './interval.ts';

/** Counts of one proportion. */
export interface ProportionCounts {
  readonly successes: number;
  readonly rows: number;
}

/** Wilson's score interval (1927): near its confidence on average. Without rows: [0, 1]. @default confidence 0.95 */
export function wilsonInterval(successes: number, rows: number, confidence = 0.95): Interval {
  requireCounts(successes, rows);
  const z = normalQuantile(0.5 + requireConfidence(confidence) / 2);
  if (rows === 0) return { low: 0, high: 1 };
  const share = successes / rows;
  const z2 = z * z;
  const centre = (share + z2 / (2 * rows)) / (1 + z2 / rows);
  const half = (z / (1 + z2 / rows)) * Math.sqrt((share * (1 - share)) / rows + z2 / (4 * rows * rows));
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === rows ? 1 : Math.min(1, centre + half),
  };
}

/** Clopper and Pearson's exact interval (1934): never below its confidence. Without rows: [0, 1]. @default confidence 0.95 */
export function clopperPearsonInterval(successes: number, rows: number, confidence = 0.95): Interval {
  requireCounts(successes, rows);
  const tail = (1 - requireConfidence(confidence)) / 2;
  return {
    low: successes === 0 ? 0 : betaQuantile(tail, successes, rows - successes + 1),
    high: successes === rows ? 1 : betaQuantile(1 - tail, successes + 1, rows - successes),
  };
}

/** Newcombe's interval of the difference a - b of two independent proportions (1998, method 10). @default confidence 0.95 */
export function newcombeInterval(a: ProportionCounts, b: ProportionCounts, confidence = 0.95): Interval {
  const first = wilsonInterval(a.successes, a.rows, confidence);
  const second = wilsonInterval(b.successes, b.rows, confidence);
  if (a.rows === 0 || b.rows === 0) return { low: -1, high: 1 };
  const p = a.successes / a.rows;
  const q = b.successes / b.rows;
  return {
    low: p - q - Math.hypot(p - first.low, second.high - q),
    high: p - q + Math.hypot(first.high - p, q - second.low),
  };
}
