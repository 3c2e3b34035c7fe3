import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ScoredFlights } from './scored-flights.ts';

function scored(flights: readonly (readonly [score: number, late: number])[]): ScoredFlights {
  const all = new ScoredFlights();
  for (const [score, late] of flights) all.add(score, late);
  return all;
}

test('the area is the share of pairs ranked right, ties counted half', () => {
  // Pairs (late, punctual): 0.8 beats 0.2 and 0.5; 0.5 beats 0.2 and ties with 0.5.
  const flights = scored([
    [0.2, 0],
    [0.5, 0],
    [0.5, 1],
    [0.8, 1],
  ]);
  expect(flights.areaUnderCurve()).toBe(3.5 / 4);
  expect(flights.lateShare).toBe(0.5);
  expect(flights.rows).toBe(4);
});

test('the area equals the count over all pairs, however many flights there are', () => {
  const flight = fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1 }));
  fc.assert(
    fc.property(fc.array(flight, { minLength: 2, maxLength: 60 }), flights => {
      const late = flights.filter(([, truth]) => truth === 1);
      const punctual = flights.filter(([, truth]) => truth === 0);
      fc.pre(late.length > 0 && punctual.length > 0);
      let won = 0;
      for (const [a] of late) for (const [b] of punctual) won += a > b ? 1 : a === b ? 0.5 : 0;
      expect(scored(flights).areaUnderCurve()).toBeCloseTo(won / (late.length * punctual.length), 12);
    }),
  );
});

test('it grows past its first block', () => {
  const flights = scored(Array.from({ length: 10_000 }, (_, row) => [row, row >= 5_000 ? 1 : 0] as const));
  expect(flights.areaUnderCurve()).toBe(1);
});

test('without late flights there is no area', () => {
  expect(scored([[0.3, 0]]).areaUnderCurve()).toBeNaN();
});
