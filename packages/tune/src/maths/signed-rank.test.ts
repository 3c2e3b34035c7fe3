import { expect, test } from 'vitest';
import { signedRankGreater } from './signed-rank.ts';

test('Darwin: heights of crossed and self-fertilised corn', () => {
  // The example of scipy.stats.wilcoxon: statistic 96, p 0.0206298828125 (alternative 'greater').
  const darwin = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75];
  expect(signedRankGreater(darwin)).toBeCloseTo(0.0206298828125, 12);
});

test('five pairs that all point one way: one of 32 sign patterns', () => {
  expect(signedRankGreater([1, 2, 3, 4, 5])).toBe(1 / 32);
  expect(signedRankGreater([-1, -2, -3, -4, -5])).toBe(1);
});

test('ties and zeros take the normal approximation; no difference at all is no evidence', () => {
  expect(signedRankGreater([0, 0, 0])).toBe(1);
  // Ranks 2.5 of four equal differences: mean 5, variance 6.25, z = 5 / 2.5.
  expect(signedRankGreater([1, 1, 1, 1])).toBeCloseTo(0.02275, 5);
});
