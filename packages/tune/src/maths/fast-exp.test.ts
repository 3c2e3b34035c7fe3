import { expect, test } from 'vitest';
import { expOfNegative } from './fast-exp.ts';

test('the fast exponential agrees with that of the platform to 1e-15, on and beyond its table', () => {
  let worst = 0;
  for (let r = 0; r < 700; r += 0.0137) worst = Math.max(worst, Math.abs(expOfNegative(r) / Math.exp(-r) - 1));
  expect(worst).toBeLessThan(1e-15);
  expect([0, 1e4, Number.POSITIVE_INFINITY, Number.NaN].map(expOfNegative)).toEqual([1, 0, 0, Number.NaN]);
});
