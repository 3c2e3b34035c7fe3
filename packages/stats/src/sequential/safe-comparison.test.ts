import { expect, test } from 'vitest';
import { createRng } from '../rng.ts';
import { safeEvidence, safeRateEvidence, safeShiftEvidence } from './safe-comparison.ts';

interface Arms {
  readonly a: { successes: number; rows: number };
  readonly b: { successes: number; rows: number };
}
const empty = (): Arms => ({ a: { successes: 0, rows: 0 }, b: { successes: 0, rows: 0 } });

/** Share of runs in which evidence reaches 20 at any of 60 looks; 300 runs at a promised 5 % exceed 28 with p < 0.001. */
function alarms(rateA: number, rateB: number, margin: number, side: 'above' | 'below', seed: number): number {
  const rng = createRng(seed);
  let count = 0;
  for (let run = 0; run < 300; run++) {
    const past = empty();
    let evidence = 0;
    let reached = false;
    for (let look = 0; look < 60; look++) {
      const block = empty();
      // A share that changes from block to block.
      block.a.rows = 1 + rng.int(20);
      block.b.rows = 20 + rng.int(40);
      for (const [arm, rate] of [
        [block.a, rateA],
        [block.b, rateB],
      ] as const) {
        for (let i = 0; i < arm.rows; i++) if (rng.bernoulli(rate)) arm.successes++;
      }
      evidence += safeEvidence(block, past, margin, side);
      reached ||= evidence >= Math.log(20);
      for (const name of ['a', 'b'] as const) {
        past[name].rows += block[name].rows;
        past[name].successes += block[name].successes;
      }
    }
    if (reached) count++;
  }
  return count;
}

test.each([
  { rateA: 0.3, rateB: 0.3, margin: 0, side: 'above' as const },
  { rateA: 0.02, rateB: 0.02, margin: 0, side: 'above' as const },
  { rateA: 0.15, rateB: 0.1, margin: 0.05, side: 'below' as const },
  { rateA: 0.05, rateB: 0.1, margin: -0.05, side: 'above' as const },
])('at the edge of the hypothesis, evidence reaches 20 in at most 5 % of runs: $rateA, $rateB, $margin', c => {
  expect(alarms(c.rateA, c.rateB, c.margin, c.side, 11)).toBeLessThanOrEqual(28);
});

test('away from it, evidence is found in most runs, for harm and for its absence', () => {
  expect(alarms(0.3, 0.1, 0, 'above', 3)).toBeGreaterThan(290);
  expect(alarms(0.02, 0.02, 0.05, 'below', 4)).toBeGreaterThan(240);
});

test('a single outcome changes the expectation of the e-value by nothing at the edge', () => {
  const past = { a: { successes: 8, rows: 20 }, b: { successes: 10, rows: 50 } };
  // All outcomes of one row per arm, weighed by their chance under equal rates of 0.25.
  let expectation = 0;
  for (const a of [0, 1]) {
    for (const b of [0, 1]) {
      const block = { a: { successes: a, rows: 1 }, b: { successes: b, rows: 1 } };
      const chance = (a === 1 ? 0.25 : 0.75) * (b === 1 ? 0.25 : 0.75);
      expectation += chance * Math.exp(safeEvidence(block, past, 0, 'above'));
    }
  }
  expect(expectation).toBeLessThanOrEqual(1);
  expect(expectation).toBeGreaterThan(0.98);
});

test('one arm against a fixed rate: no expectation above 1 at that rate, and a bet in favour beyond it', () => {
  const past = { successes: 12, rows: 40 };
  const yes = Math.exp(safeRateEvidence({ successes: 1, rows: 1 }, past, 0.1, 'above'));
  const no = Math.exp(safeRateEvidence({ successes: 0, rows: 1 }, past, 0.1, 'above'));
  expect(0.1 * yes + 0.9 * no).toBeCloseTo(1, 12);
  expect(0.3 * yes + 0.7 * no).toBeGreaterThan(1);
  expect(safeRateEvidence({ successes: 1, rows: 1 }, past, 0.1, 'below')).toBe(0);
});

test('equal distributions give no evidence on average, shifted ones much', () => {
  const rng = createRng(9);
  const evidenceFor = (shift: number): number => {
    const past = { a: [0, 0, 0, 0], b: [0, 0, 0, 0] };
    let evidence = 0;
    for (let look = 0; look < 40; look++) {
      const block = { a: [0, 0, 0, 0], b: [0, 0, 0, 0] };
      for (let i = 0; i < 10; i++) {
        block.a[rng.bernoulli(shift) ? 3 : rng.int(4)]!++;
        block.b[rng.int(4)]!++;
      }
      evidence += safeShiftEvidence(block, past);
      for (const k of [0, 1, 2, 3]) {
        past.a[k]! += block.a[k]!;
        past.b[k]! += block.b[k]!;
      }
    }
    return evidence;
  };
  expect(evidenceFor(0)).toBeLessThan(Math.log(20));
  expect(evidenceFor(0.4)).toBeGreaterThan(Math.log(1000));
});

test('without a past, or with one arm alone, nothing is said', () => {
  const block = { a: { successes: 5, rows: 5 }, b: { successes: 0, rows: 5 } };
  expect(safeEvidence(block, empty(), 0, 'above')).toBe(0);
  expect(safeEvidence({ ...block, b: { successes: 0, rows: 0 } }, block, 0, 'above')).toBe(0);
});
