import { expect, test } from 'vitest';
import { wilsonInterval } from '../intervals/proportion.ts';
import { emptyMoments, pushMoment } from '../moments.ts';
import { createRng } from '../rng.ts';
import {
  BoundedMeanSequence,
  meanConfidenceSequence,
  meanDifferenceConfidenceSequence,
  mixtureRadius,
} from './mean-sequence.ts';
import { differenceConfidenceSequence, excessEValue, proportionConfidenceSequence } from './proportion-sequence.ts';

const looks = [5, 10, 20, 40, 80, 120, 160, 240, 320, 400, 500];

/** Share of runs in which any look misses. 200 runs at a promised 10 % miss more than 34 with probability below 0.001. */
function missesOf(run: (looksAt: (rows: number) => boolean) => boolean): number {
  let misses = 0;
  for (let i = 0; i < 200; i++) if (run(rows => looks.includes(rows))) misses++;
  return misses;
}

test('looking eleven times, the sequences miss the truth in at most the promised share of runs; fixed intervals do not', () => {
  const rng = createRng(1);
  const alpha = 0.1;
  let fixedMisses = 0;
  const misses = missesOf(isLook => {
    const rate = 0.3;
    let successes = 0;
    let missed = false;
    let fixedMissed = false;
    for (let rows = 1; rows <= 500; rows++) {
      successes += rng.bernoulli(rate) ? 1 : 0;
      if (!isLook(rows)) continue;
      const sequence = proportionConfidenceSequence({ successes, rows }, alpha);
      missed ||= rate < sequence.low || rate > sequence.high;
      const fixed = wilsonInterval(successes, rows, 1 - alpha);
      fixedMissed ||= rate < fixed.low || rate > fixed.high;
    }
    if (fixedMissed) fixedMisses++;
    return missed;
  });
  expect(misses).toBeLessThanOrEqual(34);
  expect(fixedMisses).toBeGreaterThan(40);
});

test('the difference of two arms with unequal traffic is covered at all looks, and e-values stay small when nothing differs', () => {
  const rng = createRng(2);
  const alpha = 0.1;
  let alarms = 0;
  const misses = missesOf(isLook => {
    const a = { successes: 0, rows: 0 };
    const b = { successes: 0, rows: 0 };
    let missed = false;
    let alarmed = false;
    for (let i = 1; i <= 500; i++) {
      const arm = rng.bernoulli(0.2) ? a : b;
      arm.rows++;
      arm.successes += rng.bernoulli(0.15) ? 1 : 0;
      if (!isLook(i)) continue;
      const { low, high } = differenceConfidenceSequence(a, b, alpha);
      missed ||= low > 0 || high < 0;
      alarmed ||= excessEValue(a, b) >= 1 / alpha;
    }
    if (alarmed) alarms++;
    return missed;
  });
  expect(misses).toBeLessThanOrEqual(34);
  expect(alarms).toBeLessThanOrEqual(34);
});

test('a canary with twice the errors is caught, and the margin asks for more', () => {
  const a = { successes: 80, rows: 400 };
  const b = { successes: 400, rows: 4000 };
  expect(differenceConfidenceSequence(a, b, 0.05).low).toBeGreaterThan(0);
  expect(excessEValue(a, b)).toBeGreaterThan(20);
  expect(excessEValue(a, b, 0.08)).toBeLessThan(1);
  expect(excessEValue(b, a)).toBeLessThan(1);
});

test('the difference sequence agrees with its own e-value at the bound, and mirrors when the arms swap', () => {
  const a = { successes: 12, rows: 60 };
  const b = { successes: 30, rows: 300 };
  const { low, high } = differenceConfidenceSequence(a, b, 0.05);
  expect(excessEValue(a, b, low)).toBeCloseTo(20, 3);
  const mirrored = differenceConfidenceSequence(b, a, 0.05);
  expect(mirrored.low).toBeCloseTo(-high, 9);
  expect(mirrored.high).toBeCloseTo(-low, 9);
  const alone = proportionConfidenceSequence(a, 0.05);
  expect(alone.low).toBeLessThan(0.2);
  expect(alone.high).toBeGreaterThan(0.2);
});

test('no rows leave everything open, all successes reach 1, impossible input is refused', () => {
  expect(proportionConfidenceSequence({ successes: 0, rows: 0 }, 0.05)).toEqual({ low: 0, high: 1 });
  expect(proportionConfidenceSequence({ successes: 50, rows: 50 }, 0.05).high).toBe(1);
  expect(proportionConfidenceSequence({ successes: 50, rows: 50 }, 0.05).low).toBeGreaterThan(0.85);
  const empty = { successes: 0, rows: 0 };
  expect(differenceConfidenceSequence(empty, empty, 0.05)).toEqual({ low: -1, high: 1 });
  expect(() => proportionConfidenceSequence({ successes: 2, rows: 1 }, 0.05)).toThrow(RangeError);
  expect(() => proportionConfidenceSequence(empty, 0)).toThrow(RangeError);
});

test('the bounded mean is covered at all times, in its own unit, and the interval only shrinks', () => {
  const rng = createRng(3);
  const misses = missesOf(isLook => {
    const sequence = new BoundedMeanSequence({ alpha: 0.1, low: -10, high: 30 });
    let missed = false;
    let width = Number.POSITIVE_INFINITY;
    for (let rows = 1; rows <= 500; rows++) {
      const { low, high } = sequence.update(rng.bernoulli(0.25) ? 30 : -10).interval;
      expect(high - low).toBeLessThanOrEqual(width);
      width = high - low;
      if (isLook(rows)) missed ||= low > 0 || high < 0;
    }
    return missed;
  });
  expect(misses).toBeLessThanOrEqual(34);
});

test('small variance makes the bounded sequence much narrower', () => {
  const rng = createRng(4);
  const widths = [0.01, 0.5].map(spread => {
    const sequence = new BoundedMeanSequence();
    for (let i = 0; i < 2000; i++) sequence.update(0.5 + spread * (rng.next() - 0.5));
    return sequence.interval.high - sequence.interval.low;
  });
  expect(widths[0]!).toBeLessThan(0.5 * widths[1]!);
  expect(() => new BoundedMeanSequence().update(1.1)).toThrow(RangeError);
  expect(() => new BoundedMeanSequence({ low: 1, high: 1 })).toThrow(RangeError);
});

test('the asymptotic sequences cover a mean and a difference from moments alone', () => {
  const rng = createRng(5);
  const misses = missesOf(isLook => {
    const a = emptyMoments();
    const b = emptyMoments();
    let missed = false;
    for (let rows = 1; rows <= 500; rows++) {
      pushMoment(a, 3 + rng.exponential());
      pushMoment(b, 3 + rng.exponential());
      if (!isLook(rows) || rows < 40) continue;
      const mean = meanConfidenceSequence(a, 0.2, 0.1);
      const difference = meanDifferenceConfidenceSequence(a, b, 0.2, 0.1);
      missed ||= mean.low > 4 || mean.high < 4 || difference.low > 0 || difference.high < 0;
    }
    return missed;
  });
  expect(misses).toBeLessThanOrEqual(50);
  expect(mixtureRadius(0, 1, 0.05)).toBe(0);
  expect(meanConfidenceSequence(emptyMoments(), 1, 0.05).high).toBe(Number.POSITIVE_INFINITY);
});
