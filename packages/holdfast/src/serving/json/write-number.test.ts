import fc from 'fast-check';
import { expect, test } from 'vitest';
import { elementWriters, shortestFloat32 } from './write-number.ts';

/** The fewest significant digits that read back as the same float, found by trying all counts. */
function referenceDigits(value: number): number {
  for (let digits = 1; digits <= 9; digits++)
    if (Math.fround(Number(value.toPrecision(digits))) === value) return digits;
  return 9;
}

function significantDigits(value: number): number {
  return value.toExponential().replace(/e.*|[-.]/g, '').length;
}

test('every 32-bit float reads back from its text, in the fewest digits', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.float({ noNaN: true, noDefaultInfinity: true }), fc.float({ min: -1000, max: 1000, noNaN: true })),
      value => {
        const text = elementWriters.FP32(Float32Array.of(value), 0, 1);
        expect(Math.fround(Number(text))).toBe(value);
        if (!Number.isInteger(value)) {
          expect(significantDigits(shortestFloat32(value))).toBeLessThanOrEqual(Math.max(6, referenceDigits(value)));
        }
      },
    ),
    { numRuns: 5000 },
  );
});

test('0.1 as a float prints 0.1', () => {
  expect(elementWriters.FP32(Float32Array.of(0.1, 1 / 3, 100, 16777216, -2.5), 0, 5)).toBe(
    '0.1,0.33333334,100,16777216,-2.5',
  );
});

test('words, signs, big integers and text are written as the protocols spell them', () => {
  expect(elementWriters.FP64(Float64Array.of(Number.NaN, Infinity, -Infinity, -0), 0, 4)).toBe(
    'NaN,Infinity,-Infinity,-0.0',
  );
  expect(elementWriters.INT64(BigInt64Array.of(-(2n ** 63n), 9007199254740993n), 0, 2)).toBe(
    '-9223372036854775808,9007199254740993',
  );
  expect(elementWriters.BOOL(Uint8Array.of(1, 0), 0, 2)).toBe('true,false');
  expect(elementWriters.BYTES(['a"b', 'é'], 0, 2)).toBe('"a\\"b","é"');
  expect(elementWriters.FP32(Float32Array.of(1, 2, 3, 4), 1, 3)).toBe('2,3');
});
