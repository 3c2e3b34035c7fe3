import { join } from 'node:path';
import { studyNameSchema } from '@holdfast/api';
import type { Log } from '../telemetry/index.ts';
import { openTuning, type Studies } from '../tuning/index.ts';
import type { EventBus } from './event-bus.ts';

const lookMs = 1000;

/**
 * Opens the studies of the data directory and announces what changes in them, also when workers that opened the database
 * themselves write to it.
 */
export async function startStudies(options: {
  readonly root: string;
  /** Server that several machines share; a file of the data directory when undefined. */
  readonly database: string | undefined;
  readonly bus: EventBus;
  readonly log: Log;
}): Promise<{ readonly studies: Studies } & AsyncDisposable> {
  const { root, database, bus, log } = options;
  const tuning = await openTuning(database ?? join(root, 'tune.db'), Date.now);
  const known = new Map<string, number>();
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking || !bus.hasListeners) return;
    isLooking = true;
    try {
      const rows = await tuning.studies.revisions();
      const names = new Set(rows.map(row => row.name));
      const gone = [...known.keys()].filter(name => !names.has(name)).map(name => ({ name, revision: -1 }));
      for (const { name, revision } of [...rows, ...gone]) {
        if (known.get(name) === revision) continue;
        if (revision < 0) known.delete(name);
        else known.set(name, revision);
        bus.emit({ kind: 'study', study: studyNameSchema.parse(name), revision });
      }
    } finally {
      isLooking = false;
    }
  };
  const timer = setInterval(() => void look().catch(error => log.error({ error }, 'studies.look_failed')), lookMs);
  return {
    studies: tuning.studies,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await tuning[Symbol.asyncDispose]();
    },
  };
}
