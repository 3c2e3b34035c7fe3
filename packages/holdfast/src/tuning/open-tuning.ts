import { setTimeout as pause } from 'node:timers/promises';
import { openDatabase } from '../storage/index.ts';
import { type TuningTables, tuningMigrations } from './schema.ts';
import { StudyBook } from './study-book.ts';

const attempts = 200;

/**
 * The studies of a database: a file, created when it is not there, or a `postgres://` address. Any number of processes on
 * any number of machines may have it open.
 */
export async function openTuning(
  path: string,
  now: () => number,
): Promise<{ readonly studies: StudyBook } & AsyncDisposable> {
  for (let attempt = 1; ; attempt++) {
    try {
      const db = await openDatabase<TuningTables>({
        path,
        migrations: tuningMigrations,
        durability: 'full',
        isShared: true,
      });
      return { studies: new StudyBook(db, now), [Symbol.asyncDispose]: () => db.destroy() };
    } catch (error) {
      // Changing to write-ahead logging is refused at once while another process does the same.
      const isLocked = error instanceof Error && /database is locked/.test(error.message);
      if (!isLocked || attempt >= attempts) throw error;
      await pause(5 + Math.random() * 20);
    }
  }
}
