import type { VersionReference } from '../profiles/version-reference.ts';
import { Tally } from '../windows/tally.ts';
import { decodeTally, encodeTally, type StoredTally, type WatchDatabase } from './watch-store.ts';

const hourMs = 3_600_000;
/** Minutes stay minutes for so long behind a model's latest time. */
export const minutesKeptMs = 48 * hourMs;
/** Minutes merged in one transaction, so that nothing else has to wait for long. */
const minutesPerPass = 2000;

/**
 * Merges minutes before a time into hours, which is exact. Where the version got another reference within the hour, the
 * profile of the later one is kept.
 * @returns whether there may be more to merge
 */
export async function rollUpMinutes(
  db: WatchDatabase,
  model: string,
  beforeMs: number,
  references: ReadonlyMap<number, VersionReference>,
): Promise<boolean> {
  return db.transaction().execute(async transaction => {
    const minutes = await transaction
      .selectFrom('watch_minute')
      .selectAll()
      .where('model', '=', model)
      .where('bucket_ms', '<', hourMs)
      .where('start_ms', '<', Math.floor(beforeMs / hourMs) * hourMs)
      .orderBy('start_ms')
      .limit(minutesPerPass)
      .execute();
    const hours = Map.groupBy(minutes, minute => `${minute.version}:${hourOf(minute.start_ms)}`);
    for (const group of hours.values()) {
      const { version, start_ms } = group[0]!;
      const place = { model, version, bucket_ms: hourMs, start_ms: hourOf(start_ms) };
      const before = await transaction
        .selectFrom('watch_minute')
        .select(['service', 'reference_id', 'profile'])
        .where('model', '=', model)
        .where('start_ms', '=', place.start_ms)
        .where('bucket_ms', '=', hourMs)
        .where('version', '=', version)
        .executeTakeFirst();
      const merged = mergeAll(before === undefined ? group : [before, ...group], references);
      await transaction
        .insertInto('watch_minute')
        .values({ ...place, ...encodeTally(merged) })
        .orReplace()
        .execute();
      await transaction
        .deleteFrom('watch_minute')
        .where('model', '=', model)
        .where('version', '=', version)
        .where('bucket_ms', '<', hourMs)
        .where('start_ms', '>=', place.start_ms)
        .where('start_ms', '<=', Math.max(...group.map(minute => minute.start_ms)))
        .execute();
    }
    return minutes.length === minutesPerPass;
  });
}

function hourOf(startMs: number): number {
  return Math.floor(startMs / hourMs) * hourMs;
}

function mergeAll(parts: readonly StoredTally[], references: ReadonlyMap<number, VersionReference>): Tally {
  const merged = new Tally();
  for (const part of parts) merged.merge(decodeTally(part, references));
  return merged;
}

/** Removes what was derived from times before this: minutes, windows, verdicts and performance. */
export async function removeBefore(db: WatchDatabase, model: string, beforeMs: number): Promise<void> {
  await db.transaction().execute(async transaction => {
    await transaction.deleteFrom('watch_minute').where('model', '=', model).where('start_ms', '<', beforeMs).execute();
    await transaction
      .deleteFrom('watch_window')
      .where('model', '=', model)
      .where('end_ms', '<', beforeMs)
      .where('judged_at_ms', 'is not', null)
      .execute();
    await transaction
      .deleteFrom('watch_verdict')
      .where('model', '=', model)
      .where('window_end_ms', '<', beforeMs)
      .execute();
    await transaction
      .deleteFrom('watch_performance')
      .where('model', '=', model)
      .where('end_ms', '<', beforeMs)
      .execute();
  });
}

/** Removes everything about a model, so that another one of its name starts afresh. */
export async function forgetModel(db: WatchDatabase, model: string): Promise<void> {
  await db.transaction().execute(async transaction => {
    const references = transaction.selectFrom('watch_reference').select('id').where('model', '=', model);
    await transaction.deleteFrom('watch_calibration').where('reference_id', 'in', references).execute();
    for (const table of tablesByModel) await transaction.deleteFrom(table).where('model', '=', model).execute();
  });
}

const tablesByModel = [
  'watch_model',
  'watch_reference',
  'watch_learning',
  'watch_minute',
  'watch_open',
  'watch_window',
  'watch_verdict',
  'watch_performance',
  'watch_rescore',
] as const;
