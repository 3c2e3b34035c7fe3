import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { isFault, predictionRecordSchema } from '@holdfast/api';
import { expect, test } from 'vitest';
import type { PredictionFilter } from './log-snapshot.ts';
import { openPredictionStore } from './prediction-store.ts';
import { freshDirectory, sampleRequest, sampleSignature } from './sample-model.ts';
import { labelFor, openSampleWatch } from './sample-watch.ts';

/** Twenty predictions: 0 to 9 sealed, 10 to 19 still in the log; labels for 3 (sealed), 4 and 12 (in the log), 15 by key. */
async function openMixed() {
  const watch = await openSampleWatch();
  const request = (n: number) =>
    sampleRequest(n, { key: `k${n}`, eventMs: n * 60_000, ...(n === 7 ? { tags: 'site=a,tier=1' } : {}) });
  for (let n = 0; n < 10; n++) watch.recorder.answered(request(n));
  await watch.labels.append('flights', [
    labelFor('p-3', '1'),
    { predictionId: undefined, key: 'k15', value: '0', eventMs: 1 },
  ]);
  await watch.follow();
  await watch.sealAll();
  for (let n = 10; n < 20; n++) watch.recorder.answered(request(n));
  await watch.labels.append('flights', [labelFor('p-4', '0'), labelFor('p-12', '1')]);
  await watch.recorder.flush();
  const store = await openPredictionStore({ directory: watch.directory, db: watch.db });
  return {
    watch,
    store,
    ids: async (filter: PredictionFilter) =>
      (await store.recent('flights', filter)).map(record => Number(record.id.slice(2))),
    async [Symbol.asyncDispose]() {
      store[Symbol.dispose]();
      await watch[Symbol.asyncDispose]();
    },
  };
}

test('recent predictions come newest first, sealed or not, with every value exact and their truth', async () => {
  await using mixed = await openMixed();
  const records = await mixed.store.recent('flights', { limit: 18 });
  expect(records.map(record => record.id)).toEqual(Array.from({ length: 18 }, (_, i) => `p-${19 - i}`));
  for (const record of records) predictionRecordSchema.parse(record);
  expect(
    Object.fromEntries(records.flatMap(record => (record.truth === null ? [] : [[record.id, record.truth]]))),
  ).toEqual({
    'p-3': '1',
    'p-4': '0',
    'p-12': '1',
    'p-15': '0',
  });
  expect(records.find(record => record.id === 'p-7')).toEqual({
    id: 'p-7',
    key: 'k7',
    version: 1,
    eventMs: 420_000,
    receivedMs: 1_700_000_000_007,
    latencyMs: 1.5,
    tags: { site: 'a', tier: '1' },
    inputs: { hour: 7, distance: 700, origin: '北京', account: '9007199254741000', income: null, email: null },
    outputs: { label: 0, 'probabilities[0]': Math.fround(0.93), 'probabilities[1]': Math.fround(0.07) },
    truth: null,
  });
});

test.each<[PredictionFilter, number[]]>([
  [{ limit: 3 }, [19, 18, 17]],
  [{ fromMs: 120_000, toMs: 240_000 }, [3, 2]],
  [{ last: '2m' }, [19, 18, 17]],
  [{ where: "origin = 'ATL'" }, [17, 13, 9, 5, 1]],
  [{ where: 'distance between 900 and 1100' }, [11, 10, 9]],
  [{ where: 'account = 9007199254740995' }, [2]],
  [{ where: 'income is null and hour < 4' }, [3, 1]],
  [{ where: 'income > 2.5' }, [18]],
  [{ where: '"probabilities[1]" >= 0.18' }, [19, 18]],
  [{ where: 'probabilities[1] >= 0.18 and output.label = 0' }, [19, 18]],
  [{ where: "tags.site = 'a'" }, [7]],
  [{ where: 'truth is not null' }, [15, 12, 4, 3]],
  [{ where: "truth = '1'", toMs: 600_000 }, [3]],
  [{ where: "event_time < '1970-01-01T00:02:00'" }, [1, 0]],
  [{ where: "key = 'k18' or prediction_id = 'p-2'" }, [18, 2]],
  [{ version: 2 }, []],
])('the filter %j finds exactly the right rows', async (filter, expected) => {
  await using mixed = await openMixed();
  expect(await mixed.ids(filter)).toEqual(expected);
});

test('a condition that is none is refused with what is wrong about it', async () => {
  await using mixed = await openMixed();
  for (const where of ['nothere = 1', 'origin = 1', "1=1; copy (select 1) to '/tmp/x'", 'version in (select 1)']) {
    const error = await mixed.store.recent('flights', { where }).catch((thrown: unknown) => thrown);
    expect(isFault(error) && error.code, where).toBe('bad_request');
  }
});

test('a column that only one version has selects only rows of that version', async () => {
  await using mixed = await openMixed();
  const [, ...columns] = sampleSignature.columns;
  mixed.watch.recorder.answered(sampleRequest(50, { version: 2, signature: { ...sampleSignature, columns } }));
  await mixed.watch.recorder.flush();
  expect(await mixed.ids({ where: 'hour >= 18' })).toEqual([19, 18]);
  expect(await mixed.ids({ where: 'distance > 1800' })).toEqual([50, 19]);
});

test('exports hold every row in each format, with exact numbers and truth', async () => {
  await using mixed = await openMixed();
  const directory = freshDirectory();
  const path = (format: string): string => join(directory, `all.${format}`);
  for (const format of ['csv', 'parquet', 'jsonl'] as const)
    await mixed.store.exportTo('flights', {}, format, path(format));
  const csv = readFileSync(path('csv'), 'utf8').trimEnd().split('\n');
  expect(csv[0]).toBe(
    'prediction_id,key,version,event_time,received_time,latency_ms,tags,hour,distance,origin,account,income,email,label,probabilities[0],probabilities[1],truth',
  );
  expect(csv).toHaveLength(21);
  expect(csv.find(line => line.startsWith('p-12,'))).toBe(
    'p-12,k12,1,1970-01-01T00:12:00.000Z,2023-11-14T22:13:20.012Z,1.5,,12.0,1200.0,ORD,9007199254741005,1.7142857142857142,,0,0.88,0.12,1',
  );
  const lines = readFileSync(path('jsonl'), 'utf8').trimEnd().split('\n');
  const seven = lines.find(line => line.includes('"p-7"'));
  expect(seven).toContain('"account":9007199254741000');
  expect(JSON.parse(seven ?? '')).toMatchObject({ hour: 7, income: null, tags: 'site=a,tier=1', truth: null });
  const connection = await (await DuckDBInstance.create()).connect();
  const parquet = await connection.runAndReadAll(
    `select count(*), count(truth), sum(account), typeof(any_value(event_time)), typeof(any_value(hour)) from '${path('parquet')}'`,
  );
  expect(parquet.getRows()).toEqual([[20n, 4n, 20n * 9_007_199_254_740_993n + 190n, 'TIMESTAMP', 'FLOAT']]);
  connection.closeSync();
});

test('an export obeys its filter, and one without rows is an empty file of its format', async () => {
  await using mixed = await openMixed();
  const path = join(freshDirectory(), 'out.csv');
  await mixed.store.exportTo('flights', { where: "truth = '1'" }, 'csv', path);
  expect(
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => line.split(',')[0]),
  ).toEqual(['prediction_id', 'p-3', 'p-12']);
  await mixed.store.exportTo('nobody', {}, 'csv', path);
  expect(readFileSync(path, 'utf8')).toBe('prediction_id,key,version,truth\n');
});

test('the span covers sealed and unsealed predictions and says whose clock they carry', async () => {
  await using mixed = await openMixed();
  expect(await mixed.store.span('flights')).toEqual({ fromMs: 0, toMs: 19 * 60_000, rows: 20, clock: 'event' });
  expect(await mixed.store.span('nobody')).toBeUndefined();
});

test('NaN is missing and infinities survive as text', async () => {
  await using watch = await openSampleWatch();
  const values = [Number.NaN, Number.POSITIVE_INFINITY, 1];
  for (const [n, value] of values.entries()) {
    const request = sampleRequest(2 * n);
    const inputs = request.inputs.map(tensor =>
      tensor.name === 'income' ? { ...tensor, data: Float64Array.of(value) } : tensor,
    );
    watch.recorder.answered({ ...request, inputs });
  }
  await watch.recorder.flush();
  using store = await openPredictionStore({ directory: watch.directory, db: watch.db });
  const cells = async (where?: string) =>
    (await store.recent('flights', { where })).map(record => record.inputs.income);
  expect(await cells()).toEqual([1, 'Infinity', null]);
  expect(await cells('income > 0')).toEqual([1, 'Infinity']);
  expect(await cells('income is null')).toEqual([null]);
  const path = join(freshDirectory(), 'out.jsonl');
  await store.exportTo('flights', {}, 'jsonl', path);
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  expect(lines.map(line => JSON.parse(line).income)).toEqual([null, 'Infinity', 1]);
});
