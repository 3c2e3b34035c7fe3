import type { ProportionCounts } from '../intervals/proportion.ts';

/**
 * Outcomes of two arms that arrived together. A success may be worth any amount from 0 to 1, so `successes` need not be
 * whole.
 */
export interface TwoArmBlock {
  readonly a: ProportionCounts;
  readonly b: ProportionCounts;
}

/** Which side of `margin` the difference of rates a - b is said to lie on. */
export type Side = 'above' | 'below';

const steps = 50;
/** Weight of the prior of a rate, which keeps guesses off 0 and 1 (Turner, Ly and Grünwald 2024, section 5). */
const priorRows = 0.36;
const smallest = 1e-9;

function guessOf({ successes, rows }: ProportionCounts): number {
  return (successes + priorRows / 2) / (rows + priorRows);
}

function inside(rate: number): number {
  return Math.min(1 - smallest, Math.max(smallest, rate));
}

/** Log of the likelihood ratio of a guessed rate against another one, for the outcomes of one arm. */
function logRatio({ successes, rows }: ProportionCounts, guess: number, against: number): number {
  return (
    (successes > 0 ? successes * Math.log(guess / against) : 0) +
    (rows > successes ? (rows - successes) * Math.log((1 - guess) / (1 - against)) : 0)
  );
}

/** The rate of b in the pair with difference `margin` that is nearest to the guesses, weighted by the arms' rows. */
function nearest(guessA: number, guessB: number, rowsA: number, rowsB: number, margin: number): number {
  if (margin === 0) return (rowsA * guessA + rowsB * guessB) / (rowsA + rowsB);
  let low = Math.max(0, -margin);
  let high = Math.min(1, 1 - margin);
  for (let i = 0; i < steps; i++) {
    const b = (low + high) / 2;
    const a = inside(b + margin);
    const slope = (rowsA * (guessA - a)) / (a * (1 - a)) + (rowsB * (guessB - b)) / inside(b) / inside(1 - b);
    if (slope > 0) low = b;
    else high = b;
  }
  return (low + high) / 2;
}

/**
 * How much a block adds to the logarithm of the e-value against "a - b is at most `margin`" (side `above`) or "at least
 * `margin`" (side `below`): the block's likelihood under a guess made from the *past*, against the nearest pair of rates
 * that the hypothesis allows (Turner, Ly and Grünwald 2024). The exponential of the sum over all blocks reaches
 * 1 / alpha with probability at most alpha while the hypothesis holds, however often it is looked at, and whatever share
 * of the rows each arm got in each block. 0 while the past itself lies on the hypothesis' side.
 *
 * @param past counts of the blocks before this one
 * @param margin in (-1, 1)
 */
export function safeEvidence(block: TwoArmBlock, past: TwoArmBlock, margin: number, side: Side): number {
  if (block.a.rows === 0 || block.b.rows === 0 || past.a.rows === 0 || past.b.rows === 0) return 0;
  const guessA = guessOf(past.a);
  const guessB = guessOf(past.b);
  const lead = guessA - guessB - margin;
  if (side === 'above' ? lead <= 0 : lead >= 0) return 0;
  const rateB = nearest(guessA, guessB, block.a.rows, block.b.rows, margin);
  return logRatio(block.a, guessA, inside(rateB + margin)) + logRatio(block.b, guessB, inside(rateB));
}

/**
 * The same for one arm against a fixed rate: evidence that its rate lies above or below `rate`.
 *
 * @param rate in (0, 1)
 */
export function safeRateEvidence(block: ProportionCounts, past: ProportionCounts, rate: number, side: Side): number {
  if (block.rows === 0 || past.rows === 0) return 0;
  const guess = guessOf(past);
  if (side === 'above' ? guess <= rate : guess >= rate) return 0;
  return logRatio(block, guess, rate);
}

function total(counts: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i]!;
  return sum;
}

/**
 * How much a block adds to the logarithm of the e-value against "both arms have the same distribution over these cells".
 * As {@link safeEvidence}, with cells in place of success and failure; a row may be spread over cells.
 *
 * @param past cell counts of the blocks before this one
 */
export function safeShiftEvidence(
  block: { readonly a: ArrayLike<number>; readonly b: ArrayLike<number> },
  past: { readonly a: ArrayLike<number>; readonly b: ArrayLike<number> },
): number {
  const [rowsA, rowsB] = [total(block.a), total(block.b)];
  const [pastA, pastB] = [total(past.a), total(past.b)];
  if (rowsA === 0 || rowsB === 0 || pastA === 0 || pastB === 0) return 0;
  const cells = block.a.length;
  let evidence = 0;
  for (let k = 0; k < cells; k++) {
    // Guesses lean on both arms together, so that cells seen rarely say little until they were seen.
    const common = (past.a[k]! + past.b[k]! + 0.5) / (pastA + pastB + 0.5 * cells);
    const guessA = (past.a[k]! + shrinkRows * common) / (pastA + shrinkRows);
    const guessB = (past.b[k]! + shrinkRows * common) / (pastB + shrinkRows);
    const pooled = (rowsA * guessA + rowsB * guessB) / (rowsA + rowsB);
    evidence += block.a[k]! * Math.log(guessA / pooled) + block.b[k]! * Math.log(guessB / pooled);
  }
  return evidence;
}

/** Rows of the common distribution that each arm's guess of its own is worth. */
const shrinkRows = 20;
