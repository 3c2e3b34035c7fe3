import type { Tensor, TensorSpec } from '@holdfast/api';
import { expect, test } from 'vitest';
import { checkGolden, type GoldenReport } from './golden-check.ts';
import { goldenInputs, hasFreeBatch } from './golden-inputs.ts';
import type { RunAnswer } from './runner.ts';

const specs: readonly TensorSpec[] = [{ name: 'x', datatype: 'FP32', shape: [-1, 3], optional: false }];

function check(run: (x: Tensor) => Tensor, budgetMs = 1000): Promise<GoldenReport> {
  return checkGolden(
    {
      run: async ([x]): Promise<RunAnswer> => ({ outputs: [run(x!)], inferUs: 1000 }),
      reasonOf: error => String(error),
    },
    specs,
    budgetMs,
  );
}

function sums(x: Tensor, extra: (data: Float32Array) => number = () => 0): Tensor {
  const data = x.data instanceof Float32Array ? x.data : new Float32Array(x.data.length);
  const rows = x.shape[0]!;
  const add = extra(data);
  const y = Float32Array.from(
    { length: rows },
    (_, i) => data[3 * i]! + 2 * data[3 * i + 1]! + 4 * data[3 * i + 2]! + add,
  );
  return { name: 'y', datatype: 'FP32', shape: [rows, 1], data: y };
}

test('golden inputs fill free dimensions with 1, the first with the batch, and leave optional inputs out', () => {
  const inputs = goldenInputs(
    [
      { name: 'image', datatype: 'UINT8', shape: [-1, 3, -1], optional: false },
      { name: 'text', datatype: 'BYTES', shape: [2], optional: false },
      { name: 'mask', datatype: 'BOOL', shape: [-1], optional: true },
    ],
    4,
  );
  expect(inputs).toEqual([
    { name: 'image', datatype: 'UINT8', shape: [4, 3, 1], data: new Uint8Array(12) },
    { name: 'text', datatype: 'BYTES', shape: [2], data: ['', ''] },
  ]);
});

test('varied golden integers are valid indices, booleans and never negative', () => {
  for (const datatype of ['INT64', 'INT8', 'BOOL', 'UINT64'] as const) {
    const [tensor] = goldenInputs([{ name: 'i', datatype, shape: [-1], optional: false }], 64, 'varied')!;
    const values = Array.from(tensor!.data, Number);
    expect(new Set(values)).toEqual(new Set([0, 1]));
  }
});

test('a fixed shape beyond the limit has no golden input', () => {
  expect(goldenInputs([{ name: 'x', datatype: 'FP64', shape: [1, 65536, 65536], optional: false }], 1)).toBeUndefined();
});

test('only inputs that all have a free first dimension share runs', () => {
  const fixed: TensorSpec = { name: 'k', datatype: 'FP32', shape: [1], optional: false };
  expect(hasFreeBatch(specs)).toBe(true);
  expect(hasFreeBatch([...specs, fixed])).toBe(false);
  expect(hasFreeBatch([{ ...fixed, shape: [] }])).toBe(false);
});

test('rows that are answered alike alone and together share runs', async () => {
  const report = await check(x => sums(x));
  expect(report.sharesRuns).toBe('yes');
  expect(report.runs.map(run => run.batch)).toEqual([1, 8, 1, 1]);
  expect(report.runs[1]?.msPerRow).toBe(0.125);
});

test('a model that mixes the rows of a batch does not share runs', async () => {
  const mean = (data: Float32Array): number => data.reduce((sum, value) => sum + value, 0) / data.length;
  expect((await check(x => sums(x, mean))).sharesRuns).toBe('no');
});

test('a model whose answer has no row per request row does not share runs', async () => {
  const total = (x: Tensor): Tensor => ({ ...sums(x), shape: [1, 1], data: Float32Array.of(1) });
  expect((await check(total)).sharesRuns).toBe('no');
});

test('a model that refuses golden values is noted, not judged', async () => {
  const report = await check(() => {
    throw new Error('unknown category');
  });
  expect(report).toMatchObject({ runs: [], sharesRuns: 'unknown' });
  expect(report.notes[0]).toBe('A golden request of one row failed: Error: unknown category');
});

test('after a slow first row the larger requests are left out', async () => {
  const report = await check(x => sums(x), 0);
  expect(report).toMatchObject({ sharesRuns: 'unknown', notes: [expect.stringMatching(/left out/)] });
  expect(report.runs.length).toBe(1);
});
