import { type Tensor, typedArrayOf } from '@holdfast/api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Refusal } from '../refusal.ts';
import { ShapeGate } from './shape-gate.ts';

function spec(name: string, shape: number[], optional = false) {
  return { name, datatype: 'FP32' as const, shape, optional };
}

function tensor(name: string, shape: readonly number[], datatype: 'FP32' | 'FP64' = 'FP32'): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return { name, datatype, shape, data: new typedArrayOf[datatype](count) };
}

test('whatever passes has the declared type and rank, fits every fixed dimension, and has no dimension below 1 but an empty batch', () => {
  const declared = fc.array(fc.constantFrom(-1, 1, 2, 3), { maxLength: 4 });
  const sent = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 5 });
  const similar = declared.chain(shape =>
    fc.tuple(
      fc.constant(shape),
      fc.tuple(...shape.map(dim => (dim === -1 ? fc.integer({ min: 0, max: 3 }) : fc.constant(dim)))),
    ),
  );
  fc.assert(
    fc.property(
      fc.oneof(fc.tuple(declared, sent), similar),
      fc.constantFrom<'FP32' | 'FP64'>('FP32', 'FP32', 'FP64'),
      ([shape, given], datatype) => {
        const gate = new ShapeGate('m', { inputs: [spec('x', [...shape])], outputs: [spec('y', [...shape])] });
        const isEmptyBatch = shape[0] === -1 && given[0] === 0;
        const fits =
          datatype === 'FP32' &&
          shape.length === given.length &&
          shape.every((dim, axis) => {
            const least = axis === 0 && isEmptyBatch ? 0 : 1;
            return given[axis]! >= least && (dim === -1 || dim === given[axis]);
          });
        const attempt = (): number => gate.admit([tensor('x', given, datatype)]).rows;
        if (fits) expect(attempt()).toBe(shape[0] === -1 ? given[0] : 1);
        else expect(attempt).toThrow(Refusal);
      },
    ),
    { numRuns: 2000 },
  );
});

test('data that do not fill their shape are refused', () => {
  const gate = new ShapeGate('m', { inputs: [spec('x', [-1, 2])], outputs: [spec('y', [-1])] });
  expect(() => gate.admit([{ ...tensor('x', [2, 2]), data: new Float32Array(3) }])).toThrow(
    "expected 4 elements for inference input 'x' for model 'm', got 3",
  );
});

test('inputs come out in the order of the signature; their shapes beyond the rows make the batch key', () => {
  const gate = new ShapeGate('m', { inputs: [spec('a', [-1, -1]), spec('b', [-1, 2])], outputs: [spec('y', [-1])] });
  const admitted = gate.admit([tensor('b', [3, 2]), tensor('a', [3, 7])]);
  expect(admitted.inputs.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(admitted.rows).toBe(3);
  const other = gate.admit([tensor('a', [3, 8]), tensor('b', [3, 2])]);
  expect(other.batchKey).not.toBe(admitted.batchKey);
  expect(gate.admit([tensor('a', [1, 7]), tensor('b', [1, 2])]).batchKey).toBe(admitted.batchKey);
});

test('a request with an optional input never shares a run with one without', () => {
  const gate = new ShapeGate('m', { inputs: [spec('a', [-1]), spec('o', [-1], true)], outputs: [spec('y', [-1])] });
  const without = gate.admit([tensor('a', [1])]);
  expect(without.batchKey).not.toBe(gate.admit([tensor('a', [1]), tensor('o', [1])]).batchKey);
});

test.each([
  [[[-1, 2]], [[-1]], true],
  [[[-1, 2]], [[-1], []], false],
  [[[-1, 2], [3]], [[-1]], false],
  [[[1, 2]], [[1]], false],
  [[[]], [[]], false],
])('inputs %j and outputs %j can share runs: %s', (inputs, outputs, isBatchable) => {
  const gate = new ShapeGate('m', {
    inputs: inputs.map((shape, i) => spec(`i${i}`, shape)),
    outputs: outputs.map((shape, i) => spec(`o${i}`, shape)),
  });
  expect(gate.isBatchable).toBe(isBatchable);
});
