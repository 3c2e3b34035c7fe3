import { createRng, type Rng } from '@holdfast/stats';

export type { Rng };

/**
 * The stream of one trial. A stream is a function of the study's seed and the trial's number alone, so a resumed study
 * draws exactly what an uninterrupted one would have drawn, and nothing about the generator needs to be stored.
 */
export function trialRng(seed: number, number: number, purpose = 0): Rng {
  // Odd multipliers of the golden ratio family spread neighbouring trials over the 53-bit seeds.
  return createRng((seed * 0x9e3779b1 + number * 0x85ebca77 + purpose * 0xc2b2ae3d) % Number.MAX_SAFE_INTEGER);
}
