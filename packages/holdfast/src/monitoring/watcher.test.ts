import { createRng } from '@holdfast/stats';
import { sql } from 'kysely';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { ChunkSource } from './ground-truth.ts';
import type { MonitoredModel } from './monitored-model.ts';
import { MonitoringReader } from './reader.ts';
import {
  SampleLog,
  type SampleRow,
  SampleTruth,
  sampleBaseline,
  sampleDatabase,
  sampleModel,
  sampleRows,
} from './sample-log.ts';
import type { WatchDatabase } from './store/watch-store.ts';
import { openWatcher, type WatcherOptions } from './watcher.ts';

const silent = pino({ level: 'silent' });
const hourMs = 3_600_000;
const start = Date.UTC(2024, 0, 1);
const baseline = sampleBaseline(sampleRows(1, 6000, start - 100 * hourMs, 60_000));

type Settings = Partial<WatcherOptions> & Pick<WatcherOptions, 'db' | 'follower' | 'models'>;

async function settle(settings: Settings): Promise<void> {
  const watcher = await openWatcher({
    truth: new SampleTruth(),
    clock: () => start,
    log: silent,
    emit: () => {},
    ...settings,
  });
  while (await watcher.step());
}

/** Everything that is derived, without the numbers of rows of tables and without how often labels were looked at. */
async function dump(db: WatchDatabase): Promise<Record<string, unknown>> {
  const of = async (table: string, columns: string): Promise<unknown> =>
    (await sql.raw(`select ${columns} from ${table} order by ${columns}`).execute(db)).rows;
  return {
    minutes: await of('watch_minute', 'model, version, bucket_ms, start_ms, service, profile'),
    open: await of('watch_open', 'model, version, series, start_ms, end_ms, service, profile'),
    windows: await of('watch_window', 'model, version, series, start_ms, end_ms, rows, service, profile, judged_at_ms'),
    verdicts: await of(
      'watch_verdict',
      'model, version, monitor, subject, window_start_ms, window_end_ms, outcome, because, statistic, p_value, effect, threshold, sentence',
    ),
    performance: await of('watch_performance', 'model, version, start_ms, end_ms, predictions, labelled, metrics'),
    references: await of('watch_reference', 'model, version, digest'),
    progress: await of('watch_progress', 'segment, consumed'),
    state: await of('watch_model', 'model, state'),
  };
}

test('a moved column is found, named and explained, and quiet ones stay quiet', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog();
  log.predictions(sampleRows(2, 1000, start, 3600));
  log.predictions(sampleRows(3, 1000, start + hourMs, 3600, { shift: 8 }));
  log.predictions(sampleRows(4, 100, start + 2 * hourMs, 3600));
  const models = [sampleModel({ baseline })];
  await settle({ db, follower: log, models: () => models });
  const reader = new MonitoringReader(db);
  const verdicts = await reader.verdicts('sample', { monitor: 'data-drift' });
  const breached = verdicts.filter(verdict => verdict.outcome === 'breached');
  expect(verdicts).toHaveLength(6);
  expect(breached.map(verdict => [verdict.subject, verdict.windowStartMs])).toEqual([['amount', start + hourMs]]);
  expect(breached[0]?.sentence).toMatch(
    /^amount drifted: the median moved from 10 to 18\.7 \(Wasserstein distance \d\.\d+\); KS distance 0\.\d+ against a threshold of 0\.1\d* \(1,000 rows against 6,000\); such an alarm is raised in at most 1 % of quiet windows\.$/,
  );
});

/** Two versions, stragglers, errors, a drift, and chunks of all sizes. */
function busyLog(seed: number): { readonly log: SampleLog; readonly truth: SampleTruth; readonly chunks: number } {
  const rng = createRng(seed);
  const log = new SampleLog();
  const truth = new SampleTruth();
  const rows = sampleRows(seed, 3000, start, 9000, { shift: 2, missing: 0.05 });
  // Rows arrive up to three minutes late, some after their window has closed.
  const arrivals = rows
    .map(row => ({ row, at: row.eventMs + rng.next() * 180_000 }))
    .sort((a, b) => a.at - b.at)
    .map(({ row }) => row);
  let at = 0;
  while (at < arrivals.length) {
    const size = 1 + rng.int(200);
    const part = arrivals.slice(at, at + size);
    const version = rng.bernoulli(0.3) ? 2 : 1;
    log.predictions(part, { version });
    truth.add(part, version);
    if (rng.bernoulli(0.2)) {
      const minuteMs = Math.floor(part[0]!.eventMs / 60_000) * 60_000;
      log.errors([{ model: 'sample', version, minuteMs, code: 'runner_lost', count: 1 + rng.int(5) }]);
    }
    at += size;
  }
  truth.reveal(start + 4 * hourMs);
  return { log, truth, chunks: log.chunks.length };
}

const bothVersions = (monitors: MonitoredModel['monitors'] | object): readonly MonitoredModel[] => [
  sampleModel({ baseline, monitors }),
  sampleModel({ version: 2, monitors }),
];

test.each([
  ['time windows', {}],
  ['windows of their own for performance', { performanceWindow: { every: '2h' } }],
  ['count windows', { window: { rows: 400 } }],
])('what is derived does not depend on where the log was cut or the watcher killed: %s', async (_, monitors) => {
  const models = bothVersions({ ...monitors, performance: { minimumLabels: 50 } });
  const whole = await derive(busyLog(11), [], models);
  for (const seed of [1, 2]) {
    expect(await derive(busyLog(11), cutsOf(seed, busyLog(11).chunks), models)).toEqual(whole);
  }
});

/** Sizes of what is read at once, and how many steps each watcher lives. */
function cutsOf(seed: number, chunks: number): readonly { readonly read: number; readonly lives: number }[] {
  const rng = createRng(seed);
  return Array.from({ length: chunks }, () => ({ read: 1 + rng.int(6), lives: 1 + rng.int(4) }));
}

async function derive(
  { log, truth }: ReturnType<typeof busyLog>,
  cuts: readonly { readonly read: number; readonly lives: number }[],
  models: readonly MonitoredModel[],
): Promise<Record<string, unknown>> {
  await using db = await sampleDatabase();
  const open = (follower: ChunkSource) =>
    openWatcher({ db, follower, truth, models: () => models, clock: () => start, log: silent, emit: () => {} });
  const reads = cuts.map(cut => cut.read);
  let life = 0;
  for (const { lives } of cuts) {
    // Every watcher starts from the beginning of the log and must pass over what an earlier one has stored.
    const watcher = await open(log.reader(reads.slice(0, ++life)));
    for (let i = 0; i < lives; i++) await watcher.step();
  }
  await settle({ db, follower: log.reader(), truth, models: () => models });
  return await dump(db);
}

test('a step that fails half-way is made again as if nothing had happened', async () => {
  const models = bothVersions({ performance: { minimumLabels: 50 } });
  const whole = await derive(busyLog(12), [], models);
  await using db = await sampleDatabase();
  const { log, truth } = busyLog(12);
  const rng = createRng(5);
  const failing = new Proxy(truth, {
    get(target, name) {
      if (name === 'scoredWindow' && rng.bernoulli(0.3)) return () => Promise.reject(new Error('the disk is full'));
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const follower = log.reader(Array.from({ length: 40 }, () => 1 + rng.int(5)));
  const watcher = await openWatcher({
    db,
    follower,
    truth: failing,
    models: () => models,
    clock: () => start,
    log: silent,
    emit: () => {},
  });
  let failures = 0;
  for (let isBusy = true; isBusy; ) {
    isBusy = await watcher.step().catch(() => {
      failures++;
      return true;
    });
  }
  expect(failures).toBeGreaterThan(2);
  expect(await dump(db)).toEqual(whole);
});

test('every window is judged once, also those that nothing happened in', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog();
  const rows: SampleRow[] = [
    ...sampleRows(2, 300, start, 12_000),
    ...sampleRows(3, 300, start + 3 * hourMs, 12_000),
    ...sampleRows(4, 10, start + 5 * hourMs + 60_000, 1000),
  ];
  for (let at = 0; at < rows.length; at += 37) log.predictions(rows.slice(at, at + 37));
  const models = [sampleModel({ baseline })];
  const heard: number[] = [];
  const emit: WatcherOptions['emit'] = event => void heard.push(event.windowStartMs);
  await settle({ db, follower: log, models: () => models, emit });
  const hours = [0, 1, 2, 3, 4].map(hour => start + hour * hourMs);
  expect(heard).toEqual(hours);
  const volume = await new MonitoringReader(db).verdicts('sample', { monitor: 'volume' });
  expect(volume.map(verdict => verdict.windowStartMs).sort((a, b) => a - b)).toEqual(hours);
});

test('late labels score a closed window again, with a raised revision and a new verdict', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog();
  const truth = new SampleTruth();
  const rows = sampleRows(7, 1000, start, 3600, { skill: 0.1 });
  log.predictions(rows).predictions(sampleRows(8, 10, start + 2 * hourMs, 1000));
  truth.add(rows);
  const good = sampleRows(6, 4000, 0, 1000, { skill: 0.8 });
  const models = [sampleModel({ baseline: { ...baseline, ...performanceOf(good) } })];
  let now = start;
  const settings = { db, follower: log, truth, models: () => models, clock: () => now };
  await settle(settings);
  const reader = new MonitoringReader(db);
  const [before] = (await reader.performance('sample', {})).points;
  expect(before).toMatchObject({ predictions: 1000, labelled: 0, revision: 0, windowStartMs: start });
  const undecided = await reader.verdicts('sample', { monitor: 'performance' });
  expect(undecided.every(verdict => verdict.outcome === 'undecided')).toBe(true);
  truth.reveal(start + hourMs / 2);
  log.labels(['1']);
  await settle(settings);
  now += 60_000;
  truth.reveal(start + hourMs);
  log.labels(['1']);
  await settle(settings);
  const { points, baseline: reference } = await reader.performance('sample', {}, 1);
  expect(points[0]).toMatchObject({ predictions: 1000, labelled: 1000, revision: 2 });
  expect(points[0]!.metrics.roc_auc).toBeLessThan(0.8);
  expect(reference.roc_auc).toBeGreaterThan(0.95);
  const auc = (await reader.verdicts('sample', { monitor: 'performance' })).find(one => one.subject === 'roc_auc')!;
  expect(auc).toMatchObject({ outcome: 'breached', revision: 2, windowRows: 1000 });
  expect(auc.id).toBeGreaterThan(Math.max(...undecided.map(verdict => verdict.id)));
  expect(auc.sentence).toMatch(
    /^ROC AUC fell to 0\.\d+ \(between .*\) against 0\.9\d+ on the baseline; a loss of 0\.02/,
  );
  expect(await reader.newVerdictsSince(auc.id - 1)).toContainEqual(auc);
  expect(await reader.summary('sample', 1, 'binary')).toMatchObject({
    performance: 'breached',
    leadingMetric: { name: 'roc_auc' },
  });
});

function performanceOf(rows: readonly SampleRow[]) {
  const truth = new SampleTruth();
  truth.add(rows);
  const positives = rows.filter(row => row.truth === '1').length;
  return {
    labelled: rows.length,
    performance: {
      roc_auc: { value: 0.99, standardError: 0.002 },
      accuracy: { value: 0.95, standardError: 0.003 },
      positive_rate: { value: positives / rows.length, standardError: null },
    },
  };
}

test('without a baseline the first rows become the reference, and verdicts say so', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog();
  const models = [sampleModel({})];
  const settings = { db, models: () => models };
  log.predictions(sampleRows(2, 1500, start, 2400)).predictions(sampleRows(3, 100, start + hourMs, 2400));
  await settle({ ...settings, follower: log });
  const reader = new MonitoringReader(db);
  const [early] = await reader.verdicts('sample', { monitor: 'data-drift' });
  expect(early).toMatchObject({ outcome: 'undecided', because: 'no-baseline' });
  expect(early?.sentence).toContain('its first 2,000 live rows will serve as one');
  log.predictions(sampleRows(4, 1400, start + hourMs + 240_000, 2400));
  log.predictions(sampleRows(5, 1500, start + 2 * hourMs, 2400, { shift: 10 }));
  log.predictions(sampleRows(6, 10, start + 4 * hourMs, 2400));
  await settle({ ...settings, follower: log.reader() });
  const drifted = (await reader.verdicts('sample', { monitor: 'data-drift', breached: true })).filter(
    verdict => verdict.subject === 'amount',
  );
  expect(drifted.map(verdict => verdict.windowStartMs)).toEqual([start + 2 * hourMs]);
  expect(drifted[0]?.sentence).toContain('rows against 2,000 of the first live traffic');
});

test('on the wall clock a window closes when its time is over, though nothing comes any more', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog().predictions(sampleRows(2, 300, start, 10_000), { isWall: true });
  const models = [sampleModel({ baseline })];
  let now = start + 0.9 * hourMs;
  const watcher = await openWatcher({
    db,
    follower: log,
    truth: new SampleTruth(),
    models: () => models,
    clock: () => now,
    log: silent,
    emit: () => {},
  });
  const reader = new MonitoringReader(db);
  const windows = async () => (await reader.verdicts('sample', { monitor: 'volume' })).map(one => one.windowStartMs);
  while (await watcher.step());
  expect(await windows()).toEqual([]);
  now = start + hourMs + 59_999;
  while (await watcher.step());
  expect(await windows()).toEqual([]);
  now = start + hourMs + 60_000;
  await watcher.step();
  while (await watcher.step());
  expect(await windows()).toEqual([start]);
  now = start + 3 * hourMs + 60_000;
  await watcher.step();
  while (await watcher.step());
  expect(await windows()).toEqual([start + 2 * hourMs, start + hourMs, start]);
  expect(await reader.clock('sample')).toBe('wall');
});

test('the first explicit event time puts a model on event time', async () => {
  await using db = await sampleDatabase();
  const now = Date.UTC(2030, 0, 1);
  const log = new SampleLog();
  log.predictions(sampleRows(2, 5, now - 5000, 1000), { isWall: true });
  log.predictions(sampleRows(3, 500, start, 10_000));
  log.predictions(sampleRows(4, 5, now - 5000, 1000), { isWall: true });
  log.predictions(sampleRows(5, 500, start + 500 * 10_000, 10_000));
  const models = [sampleModel({ baseline })];
  await settle({ db, follower: log, models: () => models, clock: () => now });
  const reader = new MonitoringReader(db);
  expect(await reader.clock('sample')).toBe('event');
  expect(await reader.span('sample')).toEqual({ fromMs: start, toMs: start + 999 * 10_000 });
  const { points } = await reader.traffic('sample', {}, 10);
  expect(points.reduce((sum, point) => sum + point.rows, 0)).toBe(1005);
});

test('chunks of a version nobody told about wait for its registration, and then are counted', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog().predictions(sampleRows(2, 100, start, 100));
  let models: readonly MonitoredModel[] = [];
  const watcher = await openWatcher({
    db,
    follower: log,
    truth: new SampleTruth(),
    models: () => models,
    clock: () => start,
    log: silent,
    emit: () => {},
  });
  expect(await watcher.step()).toBe(false);
  models = [sampleModel({ baseline })];
  expect(await watcher.step()).toBe(true);
  const { points } = await new MonitoringReader(db).traffic('sample', {}, 10);
  expect(points).toMatchObject([{ requests: 100, rows: 100, errors: 0, version: 1 }]);
  expect(points[0]!.p50Ms).toBeGreaterThan(1);
});

test('a cell of the heat map opens into both distributions', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog();
  log.predictions(sampleRows(2, 1000, start, 3600, { countries: ['de', 'nz'], missing: 0.1 }));
  log.predictions(sampleRows(4, 10, start + 2 * hourMs, 3600));
  const models = [sampleModel({ baseline })];
  await settle({ db, follower: log, models: () => models });
  const reader = new MonitoringReader(db);
  const cells = await reader.driftCells('sample', {});
  expect(cells.map(cell => `${cell.role} ${cell.column} ${cell.outcome}`)).toEqual([
    'input amount breached',
    'input age stable',
    'input country breached',
    'output score stable',
    'output label stable',
  ]);
  const of = (column: string) =>
    reader.driftDetail('sample', { column, version: 1, windowStartMs: start, windowEndMs: start + hourMs });
  const country = await of('country');
  expect(country).toMatchObject({ kind: 'categorical', baseline: { rows: 6000 }, current: { rows: 1000 } });
  expect(country!.current.unseen).toBeGreaterThan(400);
  expect(country!.verdicts.map(verdict => verdict.monitor).sort()).toEqual(['data-drift', 'data-quality']);
  const amount = await of('amount');
  expect(amount!.edges.length + 1).toBe(amount!.current.binCounts.length);
  expect(amount!.current.binCounts.reduce((sum, count) => sum + count, amount!.current.missing)).toBe(1000);
  expect(await of('no such column')).toBeUndefined();
});

test('when windows change, the open ones are made anew from what is stored', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog();
  const rows = sampleRows(2, 900, start, 10_000);
  log.predictions(rows);
  let models = [sampleModel({ baseline })];
  await settle({ db, follower: log, models: () => models });
  models = [sampleModel({ baseline, monitors: { window: { every: '30m' } } })];
  log.predictions(sampleRows(3, 10, start + 3 * hourMs, 10_000));
  await settle({ db, follower: log.reader(), models: () => models });
  const windows = await db
    .selectFrom('watch_window')
    .select(['start_ms', 'end_ms', 'rows'])
    .where('rows', '>', 0)
    .orderBy('start_ms')
    .execute();
  const halfHourMs = hourMs / 2;
  expect(
    windows.map(one => [(one.start_ms - start) / halfHourMs, (one.end_ms - start) / halfHourMs, one.rows]),
  ).toEqual([
    [0, 2, 360],
    [2, 4, 360],
    [4, 5, 180],
  ]);
});

test('a chunk that cannot be counted does not stop those after it', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog().predictions(sampleRows(2, 100, start, 100));
  log.predictions(sampleRows(3, 100, start + 20_000, 100)).predictions(sampleRows(4, 100, start + 40_000, 100));
  const broken = log.chunks[1]!;
  log.chunks[1] = new Proxy(broken, {
    get(target, name) {
      if (name === 'columns') throw new Error('these bytes make no sense');
      return Reflect.get(target, name);
    },
  });
  const models = [sampleModel({ baseline })];
  const watcher = await openWatcher({
    db,
    follower: log,
    truth: new SampleTruth(),
    models: () => models,
    clock: () => start,
    log: silent,
    emit: () => {},
  });
  await expect(watcher.step()).rejects.toThrow('make no sense');
  while (await watcher.step());
  const { points } = await new MonitoringReader(db).traffic('sample', {}, 10);
  expect(points).toMatchObject([{ rows: 200 }]);
});

test('a model that is removed takes all that was derived with it', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog().predictions(sampleRows(2, 1000, start, 36_000));
  let models: readonly MonitoredModel[] = [sampleModel({ baseline }), { ...sampleModel({}), name: 'other' }];
  const watcher = await openWatcher({
    db,
    follower: log,
    truth: new SampleTruth(),
    models: () => models,
    clock: () => start,
    log: silent,
    emit: () => {},
  });
  while (await watcher.step());
  const reader = new MonitoringReader(db);
  expect(await reader.verdicts('sample', {})).not.toEqual([]);
  models = models.slice(1);
  while (await watcher.step());
  const { progress, ...derived } = await dump(db);
  expect(progress).toHaveLength(1);
  for (const rows of Object.values(derived)) expect(rows).toEqual([]);
});
