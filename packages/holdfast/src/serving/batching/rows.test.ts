import { type Datatype, datatypes, type Tensor, type TensorData, typedArrayOf } from '@holdfast/api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { haveRows, joinRows, sliceRows } from './rows.ts';

function elements(datatype: Datatype, count: number, seed: number): TensorData {
  const values = Array.from({ length: count }, (_, i) => (seed * 31 + i) % 2);
  switch (datatype) {
    case 'BYTES':
      return values.map(value => `${seed}-${value}`);
    case 'INT64':
      return BigInt64Array.from(values, BigInt);
    case 'UINT64':
      return BigUint64Array.from(values, BigInt);
    default: {
      const array = new typedArrayOf[datatype](count);
      for (const [i, value] of values.entries()) array[i] = value;
      return array;
    }
  }
}

test('what is joined is taken apart again, whatever dtype, width and number of rows', () => {
  const rows = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 });
  const width = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...datatypes), width), { minLength: 1, maxLength: 3 }),
      rows,
      (columns, sizes) => {
        const parts = sizes.map((size, seed) =>
          columns.map(([datatype, rest], index): Tensor => {
            const shape = [size, ...rest];
            const count = shape.reduce((a, b) => a * b, 1);
            return { name: `t${index}`, datatype, shape, data: elements(datatype, count, seed) };
          }),
        );
        const total = sizes.reduce((a, b) => a + b, 0);
        const joined = joinRows(parts, total);
        expect(haveRows(joined, total)).toBe(true);
        let from = 0;
        for (const [i, size] of sizes.entries()) {
          expect(sliceRows(joined, from, size)).toEqual(parts[i]);
          from += size;
        }
      },
    ),
  );
});

test('outputs without the rows of the batch are told apart', () => {
  const scalar: Tensor = { name: 's', datatype: 'FP32', shape: [], data: Float32Array.of(1) };
  const pair: Tensor = { name: 'p', datatype: 'FP32', shape: [2], data: Float32Array.of(1, 2) };
  expect(haveRows([pair], 2)).toBe(true);
  expect(haveRows([pair], 3)).toBe(false);
  expect(haveRows([pair, scalar], 2)).toBe(false);
});
