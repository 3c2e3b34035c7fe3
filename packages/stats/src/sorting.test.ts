import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRng } from './rng.ts';
import { sortValues } from './sorting.ts';

test('sorting any doubles agrees with the engine, NaN counted apart', () => {
  fc.assert(
    fc.property(fc.array(fc.double(), { maxLength: 50 }), few => {
      const rng = createRng(few.length);
      // Repeated past the length where counting passes begin.
      const values = Float64Array.from({ length: few.length === 0 ? 0 : 3000 }, () => few[rng.int(few.length)]!);
      const present = values.filter(value => !Number.isNaN(value)).map(value => value + 0);
      const { sorted, missing } = sortValues(values);
      expect(missing).toBe(values.length - present.length);
      expect(sorted).toEqual(present.sort());
    }),
    { numRuns: 40, seed: 1 },
  );
});

test('time stamps, whose upper bits agree in long runs, are sorted too', () => {
  const rng = createRng(1);
  const stamps = Float64Array.from({ length: 5000 }, () => 1.7e12 + rng.int(100_000));
  expect(sortValues(stamps).sorted).toEqual(stamps.slice().sort());
  const negative = stamps.map(stamp => -stamp);
  expect(sortValues(negative).sorted).toEqual(negative.slice().sort());
});

test('the input is left as it was', () => {
  const values = Float64Array.from({ length: 4000 }, (_, i) => -i);
  sortValues(values);
  expect(values[1]).toBe(-1);
});
