import type { Datatype } from '@holdfast/api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JsonCursor } from './json-cursor.ts';
import { readElements } from './tensor-elements.ts';

function read(text: string, datatype: Exclude<Datatype, 'FP16'>, shape: readonly number[]) {
  return readElements(new JsonCursor(Buffer.from(text)), datatype, shape);
}

function nest(flat: readonly unknown[], shape: readonly number[]): readonly unknown[] {
  if (shape.length <= 1) return flat;
  const size = flat.length / shape[0]!;
  return Array.from({ length: shape[0]! }, (_, i) => nest(flat.slice(i * size, (i + 1) * size), shape.slice(1)));
}

test('flat and nested floats of any shape equal what JSON.parse gives', () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      shapes,
      fc.boolean(),
      fc.infiniteStream(fc.double({ noNaN: true, noDefaultInfinity: true })),
      (shape, isNested, stream) => {
        const flat = [...stream.take(shape.reduce((a, b) => a * b, 1))];
        const text = JSON.stringify(isNested ? nest(flat, shape) : flat);
        const parsed: number[] = JSON.parse(JSON.stringify(flat));
        expect(read(text, 'FP64', shape)).toEqual(Float64Array.from(parsed));
        expect(read(text, 'FP32', shape)).toEqual(Float32Array.from(parsed));
      },
    ),
    { numRuns: 500 },
  );
});

test('floats in any notation, with any white space, equal what Number() gives', () => {
  const digits = fc.stringMatching(/^(0|[1-9][0-9]{0,18})(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?$/);
  const number = fc.tuple(fc.constantFrom('', '-'), digits).map(([sign, text]) => sign + text);
  const blank = fc.constantFrom('', ' ', '  ', '\n', '\t ');
  fc.assert(
    fc.property(fc.array(fc.tuple(blank, number, blank), { minLength: 1, maxLength: 12 }), list => {
      const text = `[${list.map(parts => parts.join('')).join(',')}]`;
      expect(read(text, 'FP64', [list.length])).toEqual(Float64Array.from(list, ([, value]) => Number(value)));
    }),
    { numRuns: 3000 },
  );
});

test('what is no number is refused wherever it stands among numbers', () => {
  for (const bad of ['01', '1.', '.5', '-', '+1', '1e', '0x1', '1.2.3', '--1', '1 2']) {
    for (const text of [`[${bad}]`, `[1,${bad}]`, `[${bad},1]`, `[1.5, ${bad}, 2]`]) {
      expect(() => read(text, 'FP64', [text.split(',').length]), text).toThrow();
    }
  }
});

test('64-bit integers are exact at every size', () => {
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { minLength: 1 }), values => {
      expect(read(`[${values.join(',')}]`, 'INT64', [values.length])).toEqual(BigInt64Array.from(values));
    }),
  );
  fc.assert(
    fc.property(fc.array(fc.maxSafeInteger(), { minLength: 1 }), values => {
      expect(read(`[${values.join(',')}]`, 'INT64', [values.length])).toEqual(BigInt64Array.from(values.map(BigInt)));
    }),
  );
  expect(read('[18446744073709551615, 0]', 'UINT64', [2])).toEqual(BigUint64Array.of(2n ** 64n - 1n, 0n));
});

test('booleans, text and small integers are read', () => {
  expect(read('[true, false]', 'BOOL', [2])).toEqual(Uint8Array.of(1, 0));
  expect(read('[["a"],["é\\n"]]', 'BYTES', [2, 1])).toEqual(['a', 'é\n']);
  expect(read('[-128, 127]', 'INT8', [2])).toEqual(Int8Array.of(-128, 127));
  expect(read('[4294967295]', 'UINT32', [1])).toEqual(Uint32Array.of(4294967295));
});

test('a scalar, an empty tensor and a list around one value are read', () => {
  expect(read('[5]', 'INT32', [])).toEqual(Int32Array.of(5));
  expect(read('[]', 'FP32', [0, 3])).toEqual(new Float32Array(0));
  expect(read('[[7]]', 'FP32', [1])).toEqual(Float32Array.of(7));
});

test('NaN and the infinities reach a float tensor', () => {
  expect(read('[NaN,-Infinity,Infinity]', 'FP32', [3])).toEqual(Float32Array.of(Number.NaN, -Infinity, Infinity));
});

test.each([
  ['[1,2]', 'FP32', [3], 'shape does not match true shape'],
  ['[1,2,3]', 'FP32', [2], "Shape does not match true shape of 'data' field"],
  ['[[1,2],[3]]', 'FP32', [2, 2], 'shape does not match true shape'],
  ['[[1,2],3]', 'FP32', [2, 2], 'shape does not match true shape'],
  ['[]', 'FP32', [1_000_000_000], 'shape does not match true shape'],
  ['["1"]', 'FP32', [1], 'attempt to access JSON non-number as number'],
  ['[null]', 'FP32', [1], 'attempt to access JSON non-number as number'],
  ['[1.5]', 'INT32', [1], 'attempt to access JSON non-signed-integer as signed-integer'],
  ['[1.5]', 'UINT64', [1], 'attempt to access JSON non-unsigned-integer as unsigned-integer'],
  ['[300]', 'UINT8', [1], '300 is out of the range of UINT8'],
  ['[-1]', 'UINT64', [1], '-1 is out of the range of UINT64'],
  ['[9223372036854775808]', 'INT64', [1], 'out of the range of INT64'],
  ['[1]', 'BOOL', [1], 'attempt to access JSON non-boolean as boolean'],
  ['[1]', 'BYTES', [1], 'attempt to access JSON non-string as string'],
  ['5', 'FP32', [1], 'attempt to access JSON non-array as array'],
] as const)('%s as %s %j is refused: %s', (text, datatype, shape, message) => {
  expect(() => read(text, datatype, shape)).toThrow(message);
});
