import { expect, test } from 'vitest';
import { haltonPoint } from './halton.ts';
import { sobolPoint } from './sobol.ts';

test('Sobol points equal the published sequence (scipy.stats.qmc.Sobol 1.17, unscrambled)', () => {
  const points = [1, 2, 3, 4, 5].map(i => [...sobolPoint(i, 5)]);
  expect(points).toEqual([
    [0.5, 0.5, 0.5, 0.5, 0.5],
    [0.75, 0.25, 0.25, 0.25, 0.75],
    [0.25, 0.75, 0.75, 0.75, 0.25],
    [0.375, 0.375, 0.625, 0.875, 0.375],
    [0.875, 0.875, 0.125, 0.375, 0.875],
  ]);
  const far = sobolPoint(1000, 100);
  expect([0, 20, 50, 99].map(d => far[d])).toEqual([0.2197265625, 0.5224609375, 0.3525390625, 0.1865234375]);
  const early = sobolPoint(37, 100);
  expect([3, 9, 77].map(d => early[d])).toEqual([0.921875, 0.171875, 0.453125]);
});

test('scrambling keeps every dyadic cell of the first 2^k points filled exactly once', () => {
  for (const seed of [1, 2, 3])
    for (const d of [0, 7, 40]) {
      const cells = new Set(Array.from({ length: 64 }, (_, i) => Math.floor(sobolPoint(i, d + 1, seed)[d]! * 64)));
      expect(cells.size).toBe(64);
    }
  expect(sobolPoint(3, 2, 1)).not.toEqual(sobolPoint(3, 2, 2));
});

test('Halton points are the radical inverses in bases 2, 3 and 5', () => {
  expect([0, 1, 2, 3].map(i => haltonPoint(i, 1)[0])).toEqual([1 / 2, 1 / 4, 3 / 4, 1 / 8]);
  for (const [i, v] of [1 / 3, 2 / 3, 1 / 9, 4 / 9].entries()) expect(haltonPoint(i, 2)[1]).toBeCloseTo(v, 15);
  expect(haltonPoint(6, 3)[2]).toBeCloseTo(2 / 5 + 1 / 25, 15);
});

test('scrambled Halton points stay in range and evenly spread', () => {
  for (let d = 0; d < 6; d++) {
    const mean = Array.from({ length: 500 }, (_, i) => haltonPoint(i, 6, 9)[d]!).reduce((a, b) => a + b) / 500;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
  }
});
