import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readExamples } from './example-data.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'examples-'));
});
afterEach(() => rm(folder, { recursive: true }));

const matrix = { name: 'X', datatype: 'FP64', shape: ['batch', 2] } as const;

async function table(text: string, featureNames?: readonly string[]): Promise<unknown> {
  const path = join(folder, 'rows.csv');
  await writeFile(path, text);
  const [tensors] = await readExamples(path, { inputs: [matrix], featureNames });
  return tensors?.[0]?.data;
}

test('columns of a matrix are found by the names that the model knows, whatever else the table holds', async () => {
  expect(await table('id,income,age\n7,2,1\n8,4,3\n', ['age', 'income'])).toEqual(Float64Array.of(1, 2, 3, 4));
});

test('without names the columns are taken in order', async () => {
  expect(await table('a,b\n1,2\n')).toEqual(Float64Array.of(1, 2));
});

test('an empty cell is a missing value', async () => {
  expect(await table('a,b\n1,\n')).toEqual(Float64Array.of(1, Number.NaN));
});

test.each([
  ['a,b\n1,x\n', /row 1, column "b": "x" is not a number/],
  ['a,b\n1,2\n3\n', /Row 2 of .* has 1 cells, but its header names 2 columns/],
  ['a\n1\n', /has 1 columns, too few for "X" \(2\)/],
  ['a,b\n', /has no rows/],
  ['', /has no rows/],
])('%j is refused with the place', async (text, why) => {
  await expect(table(text)).rejects.toThrow(why);
});

test('an empty cell of an input of whole numbers is refused', async () => {
  const path = join(folder, 'rows.csv');
  await writeFile(path, 'a\n1\n""\n');
  const inputs = [{ name: 'a', datatype: 'INT64', shape: ['batch'] } as const];
  await expect(readExamples(path, { inputs })).rejects.toThrow(/row 2, column "a": "a" takes whole numbers/);
});

test('an empty list of requests is refused', async () => {
  const path = join(folder, 'requests.jsonl');
  await writeFile(path, '\n');
  await expect(readExamples(path, { inputs: [matrix] })).rejects.toThrow(/has no rows/);
});
