import type { ClassAnswer } from './walked-answer.ts';

export const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

export function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  const powers = scores.map(score => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map(power => power / sum);
}

/** The class with the largest share; `gap` is its lead. */
export function largest(labels: readonly (string | number | boolean)[], shares: readonly number[]): ClassAnswer {
  let index = 0;
  shares.forEach((share, i) => {
    if (share > shares[index]!) index = i;
  });
  const second = Math.max(...shares.filter((_, i) => i !== index), Number.NEGATIVE_INFINITY);
  return { kind: 'classes', labels, shares, index, gap: shares[index]! - second };
}
