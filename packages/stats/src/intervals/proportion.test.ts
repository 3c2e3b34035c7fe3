import fc from 'fast-check';
import { expect, test } from 'vitest';
import { clopperPearsonInterval, newcombeInterval, wilsonInterval } from './proportion.ts';

test('Wilson and Clopper-Pearson agree with SciPy binomtest', () => {
  expect(wilsonInterval(7, 20).low).toBeCloseTo(0.1811918241, 9);
  expect(wilsonInterval(7, 20).high).toBeCloseTo(0.5671457233, 9);
  expect(clopperPearsonInterval(7, 20).low).toBeCloseTo(0.1539092048, 9);
  expect(clopperPearsonInterval(7, 20).high).toBeCloseTo(0.5921885345, 9);
  expect(clopperPearsonInterval(0, 10)).toEqual({ low: 0, high: expect.closeTo(1 - 0.025 ** 0.1, 9) });
});

// Newcombe 1998, table II, case (a) and (b).
test('the interval of a difference agrees with Newcombe', () => {
  const wide = newcombeInterval({ successes: 56, rows: 70 }, { successes: 48, rows: 80 });
  expect([wide.low, wide.high].map(x => x.toFixed(4))).toEqual(['0.0524', '0.3339']);
  const narrow = newcombeInterval({ successes: 9, rows: 10 }, { successes: 3, rows: 10 });
  expect([narrow.low, narrow.high].map(x => x.toFixed(4))).toEqual(['0.1705', '0.8090']);
});

test('intervals contain the estimate, mirror when successes and failures swap, and shrink with rows', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 0, max: 1, noNaN: true }), (rows, share) => {
      const successes = Math.round(share * rows);
      for (const interval of [wilsonInterval, clopperPearsonInterval]) {
        const { low, high } = interval(successes, rows);
        const mirrored = interval(rows - successes, rows);
        expect(low).toBeLessThanOrEqual(successes / rows + 1e-12);
        expect(high).toBeGreaterThanOrEqual(successes / rows - 1e-12);
        expect(mirrored.low).toBeCloseTo(1 - high, 9);
        const more = interval(4 * successes, 4 * rows);
        expect(more.high - more.low).toBeLessThan(high - low);
      }
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('no rows leave everything open; impossible counts are refused', () => {
  expect(wilsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
  expect(clopperPearsonInterval(0, 0)).toEqual({ low: 0, high: 1 });
  expect(newcombeInterval({ successes: 0, rows: 0 }, { successes: 1, rows: 2 })).toEqual({ low: -1, high: 1 });
  expect(() => wilsonInterval(3, 2)).toThrow(RangeError);
  expect(() => wilsonInterval(1, 2, 1)).toThrow(RangeError);
});
