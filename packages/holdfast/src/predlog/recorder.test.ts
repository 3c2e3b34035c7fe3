import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '@holdfast/api';
import { expect, test } from 'vitest';
import type { StoredChunk } from './chunk-codec.ts';
import { rowIdentity } from './log-chunk.ts';
import { followLog } from './log-follower.ts';
import { openRecorder, type RecorderOptions } from './recorder.ts';
import { freshDirectory, sampleRequest, silentLog } from './sample-model.ts';

function options(directory: string, more: Partial<RecorderOptions> = {}): RecorderOptions {
  return { directory, instance: 'gateway-0', clock: () => 1_700_000_000_000, log: silentLog, ...more };
}

async function readAll(directory: string): Promise<StoredChunk[]> {
  const follower = followLog({ directory, log: silentLog });
  const all: StoredChunk[] = [];
  for (;;) {
    const chunks = await follower.readNew();
    if (chunks.length === 0) return all;
    all.push(...chunks);
  }
}

test('every recorded value comes back from the log exactly', async () => {
  const directory = freshDirectory();
  await using recorder = await openRecorder(options(directory));
  recorder.answered(sampleRequest(2, { key: 'k2', tags: 'site=a,tier=1', eventMs: 1_600_000_000_000 }));
  recorder.answered(sampleRequest(3, { rows: 3 }));
  await recorder.flush();
  const [chunk, ...others] = await readAll(directory);
  expect(others).toEqual([]);
  if (chunk?.kind !== 'predictions') throw new Error('a prediction chunk was expected');
  expect([chunk.model, chunk.version, chunk.rows, chunk.explicitEventRows]).toEqual(['flights', 1, 4, 1]);
  expect([...chunk.eventMs]).toEqual([1_600_000_000_000, 1_700_000_000_003, 1_700_000_000_003, 1_700_000_000_003]);
  const { requests } = chunk;
  expect([requests.ids, requests.keys, requests.tags]).toEqual([
    ['p-2', 'p-3'],
    ['k2', undefined],
    ['site=a,tier=1', undefined],
  ]);
  expect([...requests.firstRow]).toEqual([0, 1, 4]);
  expect(rowIdentity('p-2', 1, 0)).toBe('p-2');
  expect(rowIdentity('p-3', 3, 2)).toBe('p-3/2');
  const columns = Object.fromEntries(
    chunk.columns.map(column => [
      column.name,
      column.kind === 'numeric'
        ? [...column.values]
        : [...column.codes].map(code => (code < 0 ? null : column.dictionary[code])),
    ]),
  );
  expect(columns).toEqual({
    hour: [2, 3, 3, 3],
    distance: [200, 300, 301, 302],
    origin: ['SFO', '北京', '北京', '北京'],
    account: ['9007199254740995', '9007199254740996', '9007199254740997', '9007199254740998'],
    income: [2 / 7, Number.NaN, Number.NaN, Number.NaN],
    email: [null, null, null, null],
    label: ['0', '0', '0', '0'],
    'probabilities[0]': [Math.fround(0.98), ...new Array(3).fill(Math.fround(0.97))],
    'probabilities[1]': [Math.fround(0.02), ...new Array(3).fill(Math.fround(0.03))],
  });
  expect(chunk.columns.map(column => column.missing)).toEqual([0, 0, 0, 0, 3, 4, 0, 0, 0]);
  expect(recorder.stats).toMatchObject({ recordedTotal: 4, droppedTotal: 0, trouble: null });
});

test('personal data reaches the disk only as a hash that equal values share', async () => {
  const directory = freshDirectory();
  await using recorder = await openRecorder(options(directory));
  for (const n of [1, 2]) recorder.answered(sampleRequest(n, { email: 'ada@example.org' }));
  recorder.answered(sampleRequest(3, { email: 'bob@example.org' }));
  await recorder.flush();
  const onDisk = readdirSync(directory).map(name => readFileSync(join(directory, name), 'latin1'));
  expect(onDisk.some(text => text.includes('ada@example.org'))).toBe(false);
  const [chunk] = await readAll(directory);
  if (chunk?.kind !== 'predictions') throw new Error('a prediction chunk was expected');
  const email = chunk.columns.find(column => column.name === 'email');
  if (email?.kind !== 'categorical') throw new Error('a categorical column was expected');
  expect([...email.codes]).toEqual([0, 0, 1]);
  expect(email.dictionary.every(text => /^[0-9a-f]{64}$/.test(text))).toBe(true);
});

test('a raw tensor is kept byte by byte up to 64 KiB a row, and left out and counted above', async () => {
  const directory = freshDirectory();
  await using recorder = await openRecorder(options(directory));
  const pixels = (bytes: number): Tensor => ({
    name: 'pixels',
    datatype: 'UINT8',
    shape: [1, bytes],
    data: new Uint8Array(bytes).map((_, i) => i % 251),
  });
  for (const bytes of [12, 65_537]) {
    const request = sampleRequest(bytes);
    recorder.answered({ ...request, inputs: [...request.inputs, pixels(bytes)] });
  }
  await recorder.flush();
  const [chunk] = await readAll(directory);
  if (chunk?.kind !== 'predictions') throw new Error('a prediction chunk was expected');
  expect([...chunk.raws[0]!.ends]).toEqual([12, 12]);
  expect([...chunk.raws[0]!.bytes]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect([chunk.raws[0]!.shapes, [...chunk.raws[0]!.codes]]).toEqual([
    ['12', '12x0'].slice(0, 1).concat('65537'),
    [1, 0],
  ]);
  expect(recorder.stats).toMatchObject({ recordedTotal: 2, omittedTensorsTotal: 1 });
});

test('failures are counted per version, event minute and code', async () => {
  const directory = freshDirectory();
  await using recorder = await openRecorder(options(directory));
  const failure = { model: 'flights', version: 1, receivedMs: 60_000 * 7 + 5, eventMs: undefined };
  recorder.failed({ ...failure, code: 'overloaded' });
  recorder.failed({ ...failure, code: 'overloaded' });
  recorder.failed({ ...failure, code: 'overloaded', eventMs: 60_000 * 3 + 1 });
  recorder.failed({ ...failure, code: 'runner_lost' });
  await recorder.flush();
  const [chunk] = await readAll(directory);
  if (chunk?.kind !== 'errors') throw new Error('an error chunk was expected');
  expect(chunk.counts).toEqual([
    { model: 'flights', version: 1, minuteMs: 420_000, code: 'overloaded', count: 2 },
    { model: 'flights', version: 1, minuteMs: 180_000, code: 'overloaded', count: 1 },
    { model: 'flights', version: 1, minuteMs: 420_000, code: 'runner_lost', count: 1 },
  ]);
});

test('predictions beyond the buffer are dropped and counted, and recording goes on after that', async () => {
  const directory = freshDirectory();
  await using recorder = await openRecorder(options(directory, { bufferBytes: 4096, syncIntervalMs: 60_000 }));
  for (let n = 0; n < 100; n++) recorder.answered(sampleRequest(n));
  const { droppedTotal } = recorder.stats;
  expect(droppedTotal).toBeGreaterThan(50);
  await recorder.flush();
  expect(recorder.stats.recordedTotal).toBe(100 - droppedTotal);
  recorder.answered(sampleRequest(200));
  await recorder.flush();
  expect(recorder.stats).toMatchObject({ recordedTotal: 101 - droppedTotal, droppedTotal });
});

test('while the disk refuses to be written nothing is lost that fits the buffer, and recording heals by itself', async () => {
  const directory = join(freshDirectory(), 'log');
  await using recorder = await openRecorder(options(directory));
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'in the way');
  recorder.answered(sampleRequest(1));
  await recorder.flush();
  expect(recorder.stats).toMatchObject({ recordedTotal: 0, droppedTotal: 0, trouble: 'ENOTDIR' });
  rmSync(directory);
  mkdirSync(directory);
  recorder.answered(sampleRequest(2));
  await recorder.flush();
  await recorder.flush();
  expect(recorder.stats).toMatchObject({ recordedTotal: 2, droppedTotal: 0, trouble: null });
});

test('a full segment is finished and the next one begun, and a follower reads across them', async () => {
  const directory = freshDirectory();
  await using recorder = await openRecorder(options(directory, { segmentBytes: 2000 }));
  const follower = followLog({ directory, log: silentLog });
  const seen: string[] = [];
  for (let n = 0; n < 8; n++) {
    recorder.answered(sampleRequest(n));
    await recorder.flush();
    for (const chunk of await follower.readNew()) if (chunk.kind === 'predictions') seen.push(...chunk.requests.ids);
  }
  expect(seen.toSorted()).toEqual(Array.from({ length: 8 }, (_, n) => `p-${n}`));
  expect(readdirSync(directory).filter(name => name.endsWith('.log')).length).toBeGreaterThan(2);
  expect(follower.finished.length).toBeGreaterThan(2);
});

test('watermarks bring a follower back to exactly where it stopped', async () => {
  const directory = freshDirectory();
  await using recorder = await openRecorder(options(directory));
  recorder.answered(sampleRequest(1));
  await recorder.flush();
  const first = followLog({ directory, log: silentLog });
  expect(await first.readNew()).toHaveLength(1);
  recorder.answered(sampleRequest(2));
  await recorder.flush();
  const second = followLog({ directory, from: first.watermarks, log: silentLog });
  const chunks = await second.readNew();
  expect(chunks.flatMap(chunk => (chunk.kind === 'predictions' ? chunk.requests.ids : []))).toEqual(['p-2']);
  expect(await second.readNew()).toEqual([]);
});

test('a torn tail is cut when the writer starts again, and the whole chunks before it stay', async () => {
  const directory = freshDirectory();
  const recorder = await openRecorder(options(directory));
  recorder.answered(sampleRequest(1));
  await recorder.flush();
  const name = readdirSync(directory).find(file => file.endsWith('.open'));
  const whole = readFileSync(join(directory, name!));
  await recorder[Symbol.asyncDispose]();
  rmSync(join(directory, name!.replace('.open', '.log')));
  for (const torn of [1, 15, 100, whole.length - 1]) {
    writeFileSync(join(directory, name!), Buffer.concat([whole, whole.subarray(0, torn)]));
    const again = await openRecorder(options(directory));
    expect(again.stats.truncatedBytes).toBe(torn);
    expect(await readAll(directory)).toHaveLength(1);
    await again[Symbol.asyncDispose]();
    rmSync(join(directory, name!.replace('.open', '.log')));
  }
});

test('damage inside a finished segment costs the chunks it hit, and no others', async () => {
  const directory = freshDirectory();
  const recorder = await openRecorder(options(directory));
  for (let n = 0; n < 5; n++) {
    recorder.answered(sampleRequest(n));
    await recorder.flush();
  }
  await recorder[Symbol.asyncDispose]();
  const path = join(directory, readdirSync(directory).find(file => file.endsWith('.log'))!);
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length / 2)]! ^= 0x40;
  writeFileSync(path, bytes);
  const follower = followLog({ directory, log: silentLog });
  const ids = (await follower.readNew()).flatMap(chunk => (chunk.kind === 'predictions' ? chunk.requests.ids : []));
  expect(ids).toEqual(['p-0', 'p-1', 'p-3', 'p-4']);
  expect(follower.damagedBytes).toBeGreaterThan(100);
});
