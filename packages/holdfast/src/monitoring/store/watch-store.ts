import type { Signature } from '@holdfast/api';
import type { Kysely } from 'kysely';
import { Profile } from '../profiles/profile.ts';
import { ServiceProfile } from '../profiles/service-profile.ts';
import type { VersionReference } from '../profiles/version-reference.ts';
import { LearningBuffer } from '../windows/learning-buffer.ts';
import type { ClosedInSeries, MinuteDelta, ModelWatch, StoredModelState } from '../windows/model-watch.ts';
import { Tally } from '../windows/tally.ts';
import type { SeriesName } from '../windows/window-series.ts';
import type { MonitoringTables } from './schema.ts';

export type WatchDatabase = Kysely<MonitoringTables>;

/** How a stored tally looks in a table. */
export interface StoredTally {
  readonly service: Uint8Array;
  readonly reference_id: number | null;
  readonly profile: Uint8Array | null;
}

export function encodeTally(tally: Tally): StoredTally {
  return {
    service: tally.service.encode(),
    reference_id: tally.reference?.id ?? null,
    profile: tally.profile?.encode() ?? null,
  };
}

/** A profile whose reference is gone cannot be read any more and is left out. */
export function decodeTally(stored: StoredTally, references: ReadonlyMap<number, VersionReference>): Tally {
  const service = ServiceProfile.decode(stored.service);
  const reference = stored.reference_id === null ? undefined : references.get(stored.reference_id);
  if (reference === undefined || stored.profile === null) return new Tally(service);
  return new Tally(service, reference, Profile.decode(reference.plan, stored.profile));
}

export async function loadModelState(db: WatchDatabase, model: string): Promise<StoredModelState | undefined> {
  const row = await db.selectFrom('watch_model').select('state').where('model', '=', model).executeTakeFirst();
  if (row === undefined) return undefined;
  const state: StoredModelState = JSON.parse(row.state);
  return state;
}

/** One version's share of an open window. */
export interface StoredOpenWindow {
  readonly series: SeriesName;
  readonly startMs: number;
  readonly endMs: number;
  readonly version: number;
  readonly tally: Tally;
}

export async function loadOpenWindows(
  db: WatchDatabase,
  model: string,
  references: ReadonlyMap<number, VersionReference>,
): Promise<readonly StoredOpenWindow[]> {
  const rows = await db.selectFrom('watch_open').selectAll().where('model', '=', model).execute();
  return rows.map(row => ({
    series: row.series === 'performance' ? 'performance' : 'window',
    startMs: row.start_ms,
    endMs: row.end_ms,
    version: row.version,
    tally: decodeTally(row, references),
  }));
}

export async function loadLearning(
  db: WatchDatabase,
  model: string,
  version: number,
  signature: Signature,
): Promise<LearningBuffer | undefined> {
  const row = await db
    .selectFrom('watch_learning')
    .select('payload')
    .where('model', '=', model)
    .where('version', '=', version)
    .executeTakeFirst();
  return row && LearningBuffer.decode(signature, row.payload);
}

export async function saveLearning(
  db: WatchDatabase,
  model: string,
  version: number,
  learning: LearningBuffer | undefined,
): Promise<void> {
  if (learning === undefined) {
    await db.deleteFrom('watch_learning').where('model', '=', model).where('version', '=', version).execute();
    return;
  }
  const values = { model, version, rows: learning.rows, payload: learning.encode() };
  await db.insertInto('watch_learning').values(values).orReplace().execute();
}

/** Stores the state of a model: its clock, and its open windows as they are now. */
export async function saveModel(db: WatchDatabase, watch: ModelWatch): Promise<void> {
  const { model } = watch;
  const state = watch.state();
  await db
    .insertInto('watch_model')
    .values({ model, clock: state.clock.kind, state: JSON.stringify(state) })
    .orReplace()
    .execute();
  await db.deleteFrom('watch_open').where('model', '=', model).execute();
  for (const { series, window } of watch.open()) {
    for (const [version, tally] of window.versions) {
      await db
        .insertInto('watch_open')
        .values({ model, version, series, start_ms: window.startMs, end_ms: window.endMs, ...encodeTally(tally) })
        .execute();
    }
  }
}

/** Rows written by one statement. */
const minutesPerInsert = 50;

/** Adds what was seen since the last time to the stored minutes. */
export async function saveMinutes(
  db: WatchDatabase,
  model: string,
  bucketMs: number,
  deltas: readonly MinuteDelta[],
  references: ReadonlyMap<number, VersionReference>,
): Promise<void> {
  if (deltas.length === 0) return;
  const stored = await storedMinutes(db, model, bucketMs, deltas);
  const rows = deltas.map(({ version, startMs, tally }) => {
    const before = stored.get(`${version}:${startMs}`);
    const merged = before === undefined ? tally : decodeTally(before, references).merge(tally);
    return { model, version, bucket_ms: bucketMs, start_ms: startMs, ...encodeTally(merged) };
  });
  for (let from = 0; from < rows.length; from += minutesPerInsert) {
    await db
      .insertInto('watch_minute')
      .values(rows.slice(from, from + minutesPerInsert))
      .orReplace()
      .execute();
  }
}

/** What is stored of these minutes, by version and start. */
async function storedMinutes(
  db: WatchDatabase,
  model: string,
  bucketMs: number,
  deltas: readonly MinuteDelta[],
): Promise<ReadonlyMap<string, StoredTally>> {
  const stored = new Map<string, StoredTally>();
  for (let from = 0; from < deltas.length; from += 500) {
    const starts = deltas.slice(from, from + 500).map(delta => delta.startMs);
    const rows = await db
      .selectFrom('watch_minute')
      .select(['version', 'start_ms', 'service', 'reference_id', 'profile'])
      .where('model', '=', model)
      .where('bucket_ms', '=', bucketMs)
      .where('start_ms', 'in', starts)
      .execute();
    for (const row of rows) stored.set(`${row.version}:${row.start_ms}`, row);
  }
  return stored;
}

/** Stored minutes from a time on. */
export async function loadMinutes(
  db: WatchDatabase,
  model: string,
  fromMs: number,
  references: ReadonlyMap<number, VersionReference>,
): Promise<readonly MinuteDelta[]> {
  const rows = await db
    .selectFrom('watch_minute')
    .select(['version', 'start_ms', 'service', 'reference_id', 'profile'])
    .where('model', '=', model)
    .where('start_ms', '>=', fromMs)
    .orderBy('start_ms')
    .execute();
  return rows.map(row => ({ version: row.version, startMs: row.start_ms, tally: decodeTally(row, references) }));
}

/** The version that stands for a window in which no version had traffic. */
export const noVersion = 0;

/** Stores windows that closed, to be judged. A window that is there already is left as it is. */
export async function saveClosed(db: WatchDatabase, model: string, closed: readonly ClosedInSeries[]): Promise<void> {
  for (const { series, window } of closed) {
    const shared = { model, series, start_ms: window.startMs, end_ms: window.endMs, judged_at_ms: null };
    const versions = window.versions.size > 0 ? window.versions : new Map([[noVersion, new Tally()]]);
    for (const [version, tally] of versions) {
      await db
        .insertInto('watch_window')
        .values({ ...shared, version, rows: tally.service.rows, ...encodeTally(tally) })
        .onConflict(conflict => conflict.doNothing())
        .execute();
    }
  }
}

export async function loadProgress(db: WatchDatabase): Promise<Readonly<Record<string, number>>> {
  const rows = await db.selectFrom('watch_progress').selectAll().execute();
  return Object.fromEntries(rows.map(row => [row.segment, row.consumed]));
}

/** Stores how far the log was read; never goes back. */
export async function saveProgress(db: WatchDatabase, watermarks: Readonly<Record<string, number>>): Promise<void> {
  const before = await loadProgress(db);
  for (const [segment, consumed] of Object.entries(watermarks)) {
    if ((before[segment] ?? 0) >= consumed) continue;
    await db.insertInto('watch_progress').values({ segment, consumed }).orReplace().execute();
  }
}

/** Forgets the progress in segments that no longer exist; their names never come back. */
export async function pruneProgress(db: WatchDatabase, existing: Readonly<Record<string, number>>): Promise<void> {
  for (const segment of Object.keys(await loadProgress(db))) {
    if (!(segment in existing)) await db.deleteFrom('watch_progress').where('segment', '=', segment).execute();
  }
}
