import { expect, test } from 'vitest';
import { fromFloat16, toFloat16 } from './float16.ts';

test('every half that is a number comes back with its bits', () => {
  const all = Uint16Array.from({ length: 65_536 }, (_, bits) => bits).filter(
    bits => (bits & 0x7c00) !== 0x7c00 || (bits & 0x3ff) === 0,
  );
  expect(toFloat16(fromFloat16(all))).toEqual(all);
});

test.each([
  [1 / 3, 0x3555],
  [1 + 2 ** -11, 0x3c00],
  [1 + 3 * 2 ** -11, 0x3c02],
  [65_519.99, 0x7bff],
  [65_520, 0x7c00],
  [2 ** -25, 0],
  [2 ** -25 * 1.01, 1],
  [2 ** -14 - 2 ** -26, 0x0400],
  [-0, 0x8000],
  [Number.NaN, 0x7e00],
  [-Infinity, 0xfc00],
])('%d is rounded to the bits %i', (value, bits) => {
  expect(toFloat16([value])).toEqual(Uint16Array.of(bits));
});
