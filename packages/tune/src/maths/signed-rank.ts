import { normalCdf } from '@holdfast/stats';
import { averageRanks } from './rank-correlation.ts';

/** Pairs up to which the distribution is counted exactly (without ties); beyond, the normal approximation is close. */
const exactPairs = 25;

/**
 * One-sided Wilcoxon signed-rank test: the probability of differences at least so positive if they were symmetric around
 * 0. Zeros take part in the ranking and are then dropped (Pratt); exact without ties and zeros up to 25 pairs, otherwise
 * the normal approximation with its variance corrected for ties.
 *
 * Wilcoxon, Biometrics Bulletin 1 (1945); Pratt, JASA 54 (1959).
 *
 * @returns 1 when every difference is 0
 */
export function signedRankGreater(differences: readonly number[]): number {
  const ranks = averageRanks(differences.map(Math.abs));
  let positive = 0;
  let total = 0;
  let squares = 0;
  let isExact = differences.length <= exactPairs;
  for (const [i, d] of differences.entries()) {
    const rank = ranks[i]!;
    if (d === 0 || !Number.isInteger(rank)) isExact = false;
    if (d === 0) continue;
    total += rank;
    squares += rank * rank;
    if (d > 0) positive += rank;
  }
  if (total === 0) return 1;
  if (isExact && new Set(ranks).size === ranks.length) return exactTail(differences.length, positive);
  // Each rank is positive with probability 1/2: mean of the sum is total / 2, variance squares / 4.
  return 1 - normalCdf((positive - total / 2) / Math.sqrt(squares / 4));
}

/** P(W >= w) for the sum of a random subset of 1..n. */
function exactTail(n: number, w: number): number {
  const most = (n * (n + 1)) / 2;
  const ways = new Float64Array(most + 1);
  ways[0] = 1;
  for (let rank = 1; rank <= n; rank++) for (let s = most; s >= rank; s--) ways[s]! += ways[s - rank]!;
  let tail = 0;
  for (let s = w; s <= most; s++) tail += ways[s]!;
  return tail / 2 ** n;
}
