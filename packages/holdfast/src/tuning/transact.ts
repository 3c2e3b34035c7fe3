import { setTimeout as pause } from 'node:timers/promises';
import type { Kysely, Transaction } from 'kysely';
import type { TuningTables } from './schema.ts';

const giveUpAfterMs = 60_000;

/** SQLite's "database is locked" and Postgres' serialization failure and deadlock: nothing was written, try again. */
function isContention(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('errcode' in error && typeof error.errcode === 'number') return (error.errcode & 0xff) === 5;
  return 'code' in error && (error.code === '40001' || error.code === '40P01');
}

/**
 * Runs a short transaction, again when others were in the way. SQLite's own busy handler wakes up at fixed times, so
 * under many writers an unlucky one can wait out its five seconds; the random pause here gives it a fresh start.
 */
export async function transact<T>(
  db: Kysely<TuningTables>,
  work: (transaction: Transaction<TuningTables>) => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  for (let attempt = 1; ; attempt++) {
    try {
      return await db.transaction().execute(work);
    } catch (error) {
      if (!isContention(error) || performance.now() - startedAt > giveUpAfterMs) throw error;
      await pause(Math.random() * 20 * Math.min(attempt, 10));
    }
  }
}
