import type { VersionReference } from '../profiles/version-reference.ts';
import type { EarlierWindow } from '../service/judge-volume.ts';
import type { Tally } from '../windows/tally.ts';
import type { SeriesName } from '../windows/window-series.ts';
import { decodeTally, noVersion, type WatchDatabase } from './watch-store.ts';

/** A closed window with the tallies of all its versions. */
export interface UnjudgedWindow {
  readonly model: string;
  readonly series: SeriesName;
  readonly startMs: number;
  readonly endMs: number;
  /** Empty when the model had no traffic. */
  readonly versions: ReadonlyMap<number, Tally>;
}

/** The oldest window that closed and was not judged yet; models whose references are unknown are passed over. */
export async function nextUnjudged(
  db: WatchDatabase,
  referencesOf: (model: string) => ReadonlyMap<number, VersionReference> | undefined,
): Promise<UnjudgedWindow | undefined> {
  const waiting = await db
    .selectFrom('watch_window')
    .select(['model', 'series', 'start_ms', 'end_ms'])
    .where('judged_at_ms', 'is', null)
    .orderBy('id')
    .limit(200)
    .execute();
  for (const { model, series, start_ms, end_ms } of waiting) {
    const references = referencesOf(model);
    if (references === undefined) continue;
    const rows = await db
      .selectFrom('watch_window')
      .select(['version', 'service', 'reference_id', 'profile'])
      .where('model', '=', model)
      .where('series', '=', series)
      .where('start_ms', '=', start_ms)
      .where('end_ms', '=', end_ms)
      .execute();
    const versions = new Map(
      rows.filter(row => row.version !== noVersion).map(row => [row.version, decodeTally(row, references)]),
    );
    return {
      model,
      series: series === 'performance' ? 'performance' : 'window',
      startMs: start_ms,
      endMs: end_ms,
      versions,
    };
  }
  return undefined;
}

export async function markJudged(db: WatchDatabase, window: UnjudgedWindow, judgedAtMs: number): Promise<void> {
  await db
    .updateTable('watch_window')
    .set({ judged_at_ms: judgedAtMs })
    .where('model', '=', window.model)
    .where('series', '=', window.series)
    .where('start_ms', '=', window.startMs)
    .where('end_ms', '=', window.endMs)
    .execute();
}

/** Earlier windows looked at for volume: eight weeks of the same hour of the week are more than enough. */
const mostEarlier = 1500;

/** Rows of the windows of this length before a time, all versions together, latest first. */
export async function earlierVolumes(
  db: WatchDatabase,
  model: string,
  beforeMs: number,
  lengthMs: number,
): Promise<readonly EarlierWindow[]> {
  const rows = await db
    .selectFrom('watch_window')
    .select(({ fn }) => ['start_ms', fn.sum<number>('rows').as('rows')])
    .where('model', '=', model)
    .where('series', '=', 'window')
    .where('start_ms', '<', beforeMs)
    .where(({ eb }) => eb('end_ms', '=', eb('start_ms', '+', lengthMs)))
    .groupBy('start_ms')
    .orderBy('start_ms', 'desc')
    .limit(mostEarlier)
    .execute();
  return rows.map(row => ({ startMs: row.start_ms, rows: Number(row.rows) }));
}

/** The version that answered most in the latest window with traffic before a time; undefined when there was none. */
export async function lastBusyVersion(db: WatchDatabase, model: string, beforeMs: number): Promise<number | undefined> {
  const row = await db
    .selectFrom('watch_window')
    .select('version')
    .where('model', '=', model)
    .where('series', '=', 'window')
    .where('start_ms', '<', beforeMs)
    .where('rows', '>', 0)
    .orderBy('start_ms', 'desc')
    .orderBy('rows', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row?.version;
}
