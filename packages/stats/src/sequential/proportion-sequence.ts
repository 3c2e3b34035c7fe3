import { type Interval, requireCounts } from '../intervals/interval.ts';
import type { ProportionCounts } from '../intervals/proportion.ts';
import { logBeta } from '../special.ts';

/** Jeffreys' prior: the mixture bets on every rate, most on those near 0 and 1. */
const prior = 0.5;
const steps = 60;

/**
 * Confidence sequence of a proportion: the intervals of *all* times together contain the true rate with probability
 * 1 - alpha, so it may be looked at after every row and acted on at any time. A beta mixture of likelihood ratios
 * (Robbins 1970); needs only the counts so far. Without rows: [0, 1].
 *
 * @throws RangeError for impossible counts or alpha outside (0, 1)
 */
export function proportionConfidenceSequence(counts: ProportionCounts, alpha: number): Interval {
  requireAlpha(alpha);
  requireCounts(counts.successes, counts.rows);
  const evidence = logMixture(counts) + Math.log(alpha);
  const isPlausible = (rate: number): boolean => evidence < logLikelihood(counts, rate);
  const best = counts.rows === 0 ? 0.5 : counts.successes / counts.rows;
  return { low: boundary(best, 0, isPlausible), high: boundary(best, 1, isPlausible) };
}

/**
 * Confidence sequence of the difference a - b of two proportions, for two arms whose rows may come in any order and any
 * share. A difference stays plausible while the beta mixtures of both arms do not outweigh the best pair of rates with
 * that difference by 1 / alpha (universal inference: Wasserman, Ramdas and Balakrishnan 2020).
 *
 * @throws RangeError for impossible counts or alpha outside (0, 1)
 */
export function differenceConfidenceSequence(a: ProportionCounts, b: ProportionCounts, alpha: number): Interval {
  requireAlpha(alpha);
  requireCounts(a.successes, a.rows);
  requireCounts(b.successes, b.rows);
  const evidence = logMixture(a) + logMixture(b) + Math.log(alpha);
  const isPlausible = (difference: number): boolean => evidence < bestWithDifference(a, b, difference);
  const best = rateOf(a) - rateOf(b);
  return { low: boundary(best, -1, isPlausible), high: boundary(best, 1, isPlausible) };
}

/**
 * E-value against "the rate of a exceeds that of b by at most `margin`". Under that hypothesis the e-values of all times
 * together reach 1 / alpha with probability at most alpha, so 1 / e is an anytime-valid p-value.
 * @default margin 0
 */
export function excessEValue(a: ProportionCounts, b: ProportionCounts, margin = 0): number {
  requireCounts(a.successes, a.rows);
  requireCounts(b.successes, b.rows);
  const mixture = logMixture(a) + logMixture(b);
  const free = logLikelihood(a, rateOf(a)) + logLikelihood(b, rateOf(b));
  const best = rateOf(a) - rateOf(b) <= margin ? free : bestWithDifference(a, b, margin);
  return Math.exp(mixture - best);
}

function requireAlpha(alpha: number): void {
  if (!(alpha > 0 && alpha < 1)) throw new RangeError(`alpha must lie in (0, 1), not ${alpha}.`);
}

function rateOf({ successes, rows }: ProportionCounts): number {
  return rows === 0 ? 0.5 : successes / rows;
}

function logMixture({ successes, rows }: ProportionCounts): number {
  return logBeta(prior + successes, prior + rows - successes) - logBeta(prior, prior);
}

function logLikelihood({ successes, rows }: ProportionCounts, rate: number): number {
  const failures = rows - successes;
  return (successes > 0 ? successes * Math.log(rate) : 0) + (failures > 0 ? failures * Math.log1p(-rate) : 0);
}

/** Largest log likelihood of both arms among rates with this difference: concave in one rate, so bisected on its slope. */
function bestWithDifference(a: ProportionCounts, b: ProportionCounts, difference: number): number {
  let low = Math.max(0, difference);
  let high = Math.min(1, 1 + difference);
  if (low > high) return Number.NEGATIVE_INFINITY;
  for (let i = 0; i < steps; i++) {
    const rate = (low + high) / 2;
    if (slope(a, rate) + slope(b, rate - difference) > 0) low = rate;
    else high = rate;
  }
  const rate = (low + high) / 2;
  return logLikelihood(a, clip(rate)) + logLikelihood(b, clip(rate - difference));
}

function slope({ successes, rows }: ProportionCounts, rate: number): number {
  const failures = rows - successes;
  return (successes > 0 ? successes / rate : 0) - (failures > 0 ? failures / (1 - rate) : 0);
}

function clip(rate: number): number {
  return Math.min(1, Math.max(0, rate));
}

/** The last plausible point between one that is plausible and an end of the range. */
function boundary(inside: number, end: number, isPlausible: (x: number) => boolean): number {
  if (isPlausible(end)) return end;
  let plausible = inside;
  let excluded = end;
  for (let i = 0; i < steps; i++) {
    const middle = (plausible + excluded) / 2;
    if (isPlausible(middle)) plausible = middle;
    else excluded = middle;
  }
  return excluded;
}
