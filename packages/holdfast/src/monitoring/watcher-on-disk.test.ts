import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from '@holdfast/api';
import { sql } from 'kysely';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import {
  followLog,
  type LabelLog,
  openHistory,
  openLabelLog,
  openRecorder,
  type PredlogTables,
  predlogMigrations,
  type Recorder,
} from '../predlog/index.ts';
import { openDatabase } from '../storage/index.ts';
import { MonitoringReader } from './reader.ts';
import { type SampleRow, sampleBaseline, sampleModel, sampleRows, sampleSignature } from './sample-log.ts';
import { type MonitoringTables, monitoringMigrations } from './store/schema.ts';
import { openWatcher } from './watcher.ts';

const log = pino({ level: 'silent' });
const hourMs = 3_600_000;
const start = Date.UTC(2024, 0, 1);
const models = [
  sampleModel({
    baseline: sampleBaseline(sampleRows(1, 3000, 0, 60_000)),
    monitors: { performance: { minimumLabels: 50 } },
  }),
];

/** A gateway that writes, in requests of ten rows, and watchers that come and go over the same directory. */
async function openPlant() {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-watch-'));
  const time = { nowMs: start + 100 * hourMs };
  const shared = { directory, clock: () => time.nowMs, log, segmentAgeMs: 1 };
  const recorder = await openRecorder({ ...shared, instance: 'g' });
  const labels = await openLabelLog({ ...shared, instance: 'l' });
  return {
    time,
    recorder,
    labels,
    segments: () => readdirSync(directory).filter(name => name.includes('.log')),
    /** Opens a watcher, lets it do all there is to do and seal it, and closes it. */
    async watch(): Promise<Awaited<ReturnType<typeof everything>>> {
      const db = await openDatabase<PredlogTables & MonitoringTables>({
        path: join(directory, 'watch.db'),
        migrations: [...predlogMigrations, ...monitoringMigrations],
        durability: 'normal',
      });
      const history = await openHistory({ directory, db, clock: shared.clock, log });
      const follower = followLog({ directory, log });
      const watcher = await openWatcher({
        db,
        follower,
        truth: history,
        models: () => models,
        clock: shared.clock,
        log,
        emit: () => {},
      });
      for (let quiet = 0; quiet < 3; ) {
        quiet = (await watcher.step()) ? 0 : quiet + 1;
        time.nowMs += 6000;
      }
      const seen = await everything(new MonitoringReader(db));
      await history[Symbol.asyncDispose]();
      const progress = await sql<{ n: number }>`select count(*) as n from watch_progress`.execute(db);
      await db.destroy();
      expect(progress.rows[0]!.n).toBeLessThanOrEqual(4);
      return seen;
    },
    async [Symbol.asyncDispose]() {
      await recorder[Symbol.asyncDispose]();
      await labels[Symbol.asyncDispose]();
    },
  };
}

async function everything(reader: MonitoringReader) {
  const { points } = await reader.traffic('sample', {}, 24);
  return {
    rows: points.reduce((sum, point) => sum + point.rows, 0),
    requests: points.reduce((sum, point) => sum + point.requests, 0),
    errors: points.reduce((sum, point) => sum + point.errors, 0),
    performance: (await reader.performance('sample', {})).points.map(({ windowStartMs, predictions, labelled }) => ({
      hour: (windowStartMs - start) / hourMs,
      predictions,
      labelled,
    })),
    drifted: (await reader.verdicts('sample', { monitor: 'data-drift', breached: true })).map(
      verdict => `${verdict.subject} ${(verdict.windowStartMs - start) / hourMs}`,
    ),
  };
}

let requests = 0;

function serve(recorder: Recorder, rows: readonly SampleRow[]): string[] {
  const ids: string[] = [];
  for (let from = 0; from < rows.length; from += 10) {
    const part = rows.slice(from, from + 10);
    const id = `p-${String(requests++).padStart(6, '0')}`;
    const tensor = (name: string, datatype: Tensor['datatype'], data: Tensor['data']): Tensor => ({
      name,
      datatype,
      shape: [part.length],
      data,
    });
    recorder.answered({
      model: 'sample',
      version: 1,
      signature: sampleSignature,
      id,
      rows: part.length,
      receivedMs: start + 90 * hourMs,
      eventMs: part[0]!.eventMs,
      key: undefined,
      tags: undefined,
      inputs: [
        tensor(
          'amount',
          'FP64',
          Float64Array.from(part, row => row.amount),
        ),
        tensor(
          'age',
          'FP64',
          Float64Array.from(part, row => row.age),
        ),
        tensor(
          'country',
          'BYTES',
          part.map(row => row.country),
        ),
      ],
      outputs: [
        tensor(
          'score',
          'FP64',
          Float64Array.from(part, row => row.score),
        ),
        tensor(
          'label',
          'INT64',
          BigInt64Array.from(part, row => (row.score >= 0.5 ? 1n : 0n)),
        ),
      ],
      latencyUs: 1500,
    });
    ids.push(...part.map((_, i) => (part.length === 1 ? id : `${id}/${i}`)));
  }
  return ids;
}

async function tell(labels: LabelLog, ids: readonly string[], rows: readonly SampleRow[]): Promise<void> {
  await labels.append(
    'sample',
    rows.map((row, i) => ({ predictionId: ids[i]!, key: undefined, value: row.truth, eventMs: row.eventMs + hourMs })),
  );
}

test('over the real log, watchers that come and go count every row once, whatever was sealed meanwhile', async () => {
  await using plant = await openPlant();
  const first = sampleRows(2, 600, start, 6000);
  const second = sampleRows(3, 600, start + hourMs, 6000, { shift: 10 });
  const firstIds = serve(plant.recorder, first);
  plant.recorder.failed({
    model: 'sample',
    version: 1,
    receivedMs: start,
    eventMs: start + 60_000,
    code: 'overloaded',
  });
  await plant.recorder.flush();
  expect(await plant.watch()).toMatchObject({ rows: 600, requests: 60, errors: 1, performance: [] });
  const secondIds = serve(plant.recorder, second);
  await plant.recorder.flush();
  await tell(plant.labels, firstIds.slice(0, 300), first.slice(0, 300));
  plant.time.nowMs += 60_000;
  serve(plant.recorder, sampleRows(4, 10, start + 3 * hourMs, 1000));
  await plant.recorder.flush();
  expect(await plant.watch()).toEqual({
    rows: 1210,
    requests: 121,
    errors: 1,
    performance: [
      { hour: 0, predictions: 600, labelled: 300 },
      { hour: 1, predictions: 600, labelled: 0 },
    ],
    drifted: ['amount 1'],
  });
  plant.time.nowMs += 60_000;
  await tell(plant.labels, [...firstIds.slice(300), ...secondIds], [...first.slice(300), ...second]);
  const whole = await plant.watch();
  expect(whole.performance).toEqual([
    { hour: 0, predictions: 600, labelled: 600 },
    { hour: 1, predictions: 600, labelled: 600 },
  ]);
  expect(whole).toMatchObject({ rows: 1210, requests: 121, errors: 1 });
  expect(await plant.watch()).toEqual(whole);
  // All but what is still being written was sealed.
  expect(plant.segments().length).toBeLessThanOrEqual(2);
});
