import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { type BaselineFormat, isFault, type Signature } from '@holdfast/api';
import { expect, test } from 'vitest';
import { sampleRows, sampleSignature } from '../sample-log.ts';
import { type PrepareBaselineOptions, prepareBaseline } from './prepare-baseline.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-baseline-test-'));
let files = 0;

function written(format: BaselineFormat, text: string): PrepareBaselineOptions {
  const path = join(folder, `${files++}.${format}`);
  writeFileSync(path, text);
  return { path, format, signature: sampleSignature };
}

const header = 'amount,age,country,score,label,at,truth';
const rows = sampleRows(1, 500, Date.UTC(2024, 0, 1), 3_600_000);
const csvRows = rows.map(row =>
  [
    row.amount,
    row.age,
    row.country,
    row.score,
    row.score >= 0.5 ? 1 : 0,
    new Date(row.eventMs).toISOString(),
    row.truth,
  ].join(','),
);
const csv = (lines: readonly string[] = csvRows): string => `${[header, ...lines].join('\n')}\n`;

test('a CSV file becomes a profile with bins, categories, moments, blocks and the metrics of the model', async () => {
  const profile = await prepareBaseline({ ...written('csv', csv()), timeColumn: 'at' });
  const [amount, age, country, score, label] = profile.columns;
  expect(profile).toMatchObject({ format: 1, source: 'baseline', rows: 500, labelled: 500 });
  expect([amount, age, country, score, label].map(column => `${column?.role} ${column?.name} ${column?.kind}`)).toEqual(
    [
      'input amount numeric',
      'input age numeric',
      'input country categorical',
      'output score numeric',
      'output label categorical',
    ],
  );
  if (amount?.kind !== 'numeric' || age?.kind !== 'numeric' || country?.kind !== 'categorical')
    throw new Error('kinds');
  expect(amount.counts.reduce((sum, count) => sum + count, 0)).toBe(500);
  const mean = rows.reduce((sum, row) => sum + row.amount, 0) / 500;
  expect(amount.mean).toBeCloseTo(mean, 3);
  expect(amount.range).toEqual({ minimum: amount.minimum, maximum: amount.maximum, declared: false });
  expect(age.range).toEqual({ minimum: 0, maximum: 120, declared: true });
  expect(country.categories).toEqual(['us', 'fr', 'de']);
  expect(country.counts.reduce((sum, count) => sum + count, 0)).toBe(500);
  // 500 hours make 500 blocks of an hour.
  expect(profile.blocks).toMatchObject({ blockMs: 3_600_000, rows: new Array(500).fill(1) });
  expect(profile.performance.roc_auc?.value).toBeGreaterThan(0.8);
  expect(profile.performance.accuracy?.standardError).toBeGreaterThan(0);
});

test('the same rows give the same profile from CSV, JSON lines and Parquet', async () => {
  const path = join(folder, 'same.parquet');
  const source = written('csv', csv());
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`copy (select * from read_csv('${source.path}')) to '${path}' (format parquet)`);
  const jsonPath = join(folder, 'same.jsonl');
  await connection.run(`copy (select * from read_csv('${source.path}')) to '${jsonPath}' (format json)`);
  connection.closeSync();
  instance.closeSync();
  const fromCsv = await prepareBaseline({ ...source, timeColumn: 'at' });
  expect(await prepareBaseline({ ...source, path, format: 'parquet', timeColumn: 'at' })).toEqual(fromCsv);
  expect(await prepareBaseline({ ...source, path: jsonPath, format: 'jsonl', timeColumn: 'at' })).toEqual(fromCsv);
});

test('codes with leading zeros stay text, and truth values match the tensor that carries them', async () => {
  const column = (name: string, kind: 'categorical' | 'numeric'): Signature['columns'][number] => ({
    name,
    role: 'input',
    tensor: name,
    index: 0,
    kind,
    pii: false,
  });
  const signature: Signature = {
    inputs: [
      { name: 'zip', datatype: 'BYTES', shape: [-1], optional: false },
      { name: 'member', datatype: 'BOOL', shape: [-1], optional: false },
      { name: 'flag', datatype: 'INT64', shape: [-1], optional: false },
    ],
    outputs: [{ name: 'out', datatype: 'FP32', shape: [-1], optional: false }],
    columns: [column('zip', 'categorical'), column('member', 'categorical'), column('flag', 'numeric')],
    task: { kind: 'none' },
  };
  const lines = Array.from({ length: 60 }, (_, i) => `0123${i % 3},${i % 2},${i % 4 === 0 ? 'True' : 'false'}`);
  const profile = await prepareBaseline({ ...written('csv', `zip,member,flag\n${lines.join('\n')}\n`), signature });
  const [zip, member, flag] = profile.columns;
  expect(zip).toMatchObject({ categories: ['01230', '01231', '01232'], counts: [20, 20, 20] });
  expect(member).toMatchObject({ categories: ['false', 'true'], counts: [30, 30] });
  expect(flag).toMatchObject({ mean: expect.closeTo(0.25, 6), minimum: 0, maximum: 1, invalid: 0 });
});

test('every input column that does not fit is named, with what the file has', async () => {
  const bad = csvRows.map(line => `x${line.split(',').slice(0, 2).join(',')},1`);
  const refused = prepareBaseline(written('csv', `amount,years,other\n${bad.join('\n')}\n`));
  await expect(refused).rejects.toSatisfy(error => isFault(error) && error.code === 'baseline_rejected');
  await expect(refused).rejects.toThrow(
    'input columns do not match the model: "amount" should be numbers but is text; "age" is missing; "country" is missing. Its columns are amount, years, other.',
  );
});

test.each<[string, Partial<PrepareBaselineOptions>, string, RegExp]>([
  ['a wrong truth column', { truthColumn: 'outcome' }, csv(), /no ground truth column "outcome"/],
  ['a wrong time column', { timeColumn: 'when' }, csv(), /no time column "when"/],
  ['a time column without times', { timeColumn: 'country' }, csv(), /holds no times/],
  ['too few rows', {}, csv(csvRows.slice(0, 20)), /20 rows; at least 50/],
  ['another format', { format: 'parquet' }, csv(), /cannot be read as parquet/],
])('%s is refused with a reason', async (_, options, text, reason) => {
  await expect(prepareBaseline({ ...written('csv', text), ...options })).rejects.toThrow(reason);
});

test('values that are no number are counted and missing, not a reason to refuse', async () => {
  const lines = csvRows.map((line, i) => (i % 10 === 0 ? line.replace(/^[^,]*/, 'n/a') : line));
  const profile = await prepareBaseline(written('csv', csv(lines)));
  expect(profile.columns[0]).toMatchObject({ name: 'amount', invalid: 50, missing: 50 });
});

test('the model scores the rows of a file without its outputs, in the order of the file', async () => {
  const lines = csvRows.map(line => [...line.split(',').slice(0, 3), line.split(',').at(-1)].join(','));
  const asked: number[] = [];
  const profile = await prepareBaseline({
    ...written('csv', `amount,age,country,truth\n${lines.join('\n')}\n`),
    score: async (count, inputs) => {
      asked.push(count);
      const amounts = inputs.get('amount');
      const countries = inputs.get('country');
      if (!(amounts instanceof Float64Array) || countries === undefined) throw new Error('columns');
      expect(countries).toHaveLength(count);
      const score = amounts.map(amount => rows.find(row => row.amount === amount)!.score);
      return new Map<string, Float64Array | string[]>([
        ['score', score],
        ['label', Array.from(score, value => (value >= 0.5 ? '1' : '0'))],
      ]);
    },
  });
  const whole = await prepareBaseline(written('csv', csv()));
  expect(asked.every(count => count <= 1024)).toBe(true);
  expect(profile.performance).toEqual(whole.performance);
  expect(profile.columns).toEqual(whole.columns);
});

test('without outputs and without a model only the inputs are compared', async () => {
  const lines = csvRows.map(line => line.split(',').slice(0, 3).join(','));
  const profile = await prepareBaseline(written('csv', `amount,age,country\n${lines.join('\n')}\n`));
  expect(profile.columns.map(column => column.kind)).toEqual(['numeric', 'numeric', 'categorical', 'opaque', 'opaque']);
  expect(profile.performance).toEqual({});
});

test('times with an offset are read as the moment they name', async () => {
  const at = ['2024-01-01T00:00:00+02:00', '2024-01-01 12:00:00', '1704153600000'];
  const lines = Array.from({ length: 60 }, (_, i) => csvRows[i]!.replace(/,[^,]*Z,/, `,${at[i % 3]},`));
  const profile = await prepareBaseline({ ...written('csv', csv(lines)), timeColumn: 'at' });
  // From 22:00 of the day before to midnight after: 26 hours in steps of 5 minutes.
  expect(profile.blocks).toMatchObject({ blockMs: 300_000, rows: [20, 20, 20] });
});
