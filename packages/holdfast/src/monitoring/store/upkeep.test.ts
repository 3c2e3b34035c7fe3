import { expect, test } from 'vitest';
import { versionReference } from '../profiles/version-reference.ts';
import { sampleBaseline, sampleDatabase, sampleRows } from '../sample-log.ts';
import { Tally } from '../windows/tally.ts';
import { saveReference } from './reference-store.ts';
import { removeBefore, rollUpMinutes } from './upkeep.ts';
import { decodeTally, saveMinutes } from './watch-store.ts';

const hourMs = 3_600_000;
const reference = { ...versionReference(1, sampleBaseline(sampleRows(1, 300, 0, 1000))), version: 1, digest: 'd' };
const references = new Map([[1, reference]]);

function minute(startMs: number, rows: number, more: { readonly version?: number } = {}) {
  const tally = new Tally();
  tally.service.rows = rows;
  tally.service.addRequest(1000 * rows);
  tally.service.addErrors('overloaded', 1);
  tally.profileFor(reference).rows = rows;
  tally.profileFor(reference).counts[0] = rows;
  return { version: more.version ?? 1, startMs, tally };
}

test('minutes become hours without losing a row, also those that come late', async () => {
  await using db = await sampleDatabase();
  await saveReference(db, 'sample', reference);
  const deltas = [0, 1, 59, 60, 61, 119, 120].map((at, i) => minute(at * 60_000, i + 1));
  await saveMinutes(db, 'sample', 60_000, [...deltas, minute(0, 100, { version: 2 })], references);
  await rollUpMinutes(db, 'sample', 2 * hourMs + 1, references);
  await saveMinutes(db, 'sample', 60_000, [minute(30 * 60_000, 1000)], references);
  await rollUpMinutes(db, 'sample', 2 * hourMs + 1, references);
  const stored = await db.selectFrom('watch_minute').selectAll().orderBy('start_ms').orderBy('version').execute();
  const summary = stored.map(row => {
    const { service, profile } = decodeTally(row, references);
    return [
      row.version,
      row.bucket_ms,
      row.start_ms,
      service.rows,
      service.requests,
      service.errors,
      profile?.counts[0],
    ];
  });
  expect(summary).toEqual([
    [1, hourMs, 0, 1006, 4, 4, 1006],
    [2, hourMs, 0, 100, 1, 1, 100],
    [1, hourMs, hourMs, 15, 3, 3, 15],
    [1, 60_000, 2 * hourMs, 7, 1, 1, 7],
  ]);
});

test('what is too old is removed', async () => {
  await using db = await sampleDatabase();
  await saveMinutes(db, 'sample', 60_000, [minute(0, 1), minute(hourMs, 2)], references);
  await removeBefore(db, 'sample', hourMs);
  expect(await db.selectFrom('watch_minute').select('start_ms').execute()).toEqual([{ start_ms: hourMs }]);
});
