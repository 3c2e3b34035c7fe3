import { join } from 'node:path';
import { openDatabase } from '../storage/index.ts';
import { type PredlogDatabase, type PredlogTables, predlogMigrations } from './catalog.ts';
import { type History, openHistory } from './history.ts';
import type { JoinerOptions } from './joiner.ts';
import { openLabelLog, type ReceivedLabel } from './label-log.ts';
import { followLog, type LogFollower } from './log-follower.ts';
import { openRecorder } from './recorder.ts';
import { freshDirectory, silentLog } from './sample-model.ts';
import type { SealStep } from './seal.ts';

/** For tests of this room: a gateway and a watcher over one directory, in one process; time stands still unless a test moves it. */
export async function openSampleWatch(directory = freshDirectory(), joiner: JoinerOptions = {}) {
  const time = { nowMs: 1_700_000_100_000 };
  const shared = { directory, instance: 'g', clock: () => time.nowMs, log: silentLog };
  let recorder = await openRecorder(shared);
  let labels = await openLabelLog(shared);
  const stepped: { crashAt: SealStep | undefined } = { crashAt: undefined };
  const openWatcher = async () => {
    const db = await openDatabase<PredlogTables>({
      path: join(directory, 'watch.db'),
      migrations: predlogMigrations,
      durability: 'normal',
    });
    const history = await openHistory({
      directory,
      db,
      clock: () => time.nowMs,
      log: silentLog,
      joiner: { keyPassMs: 0, ...joiner },
      onSealStep: step => {
        if (step === stepped.crashAt) throw new Error(`crash at ${step}`);
      },
    });
    return { db, history, follower: followLog({ directory, log: silentLog }) };
  };
  let watcher = await openWatcher();
  return {
    directory,
    time,
    get history(): History {
      return watcher.history;
    },
    get db(): PredlogDatabase {
      return watcher.db;
    },
    get follower(): LogFollower {
      return watcher.follower;
    },
    get recorder() {
      return recorder;
    },
    get labels() {
      return labels;
    },
    async follow() {
      await recorder.flush();
      for (;;) {
        const chunks = await watcher.follower.readNew();
        if (chunks.length === 0) return;
        await watcher.history.ingest(chunks);
      }
    },
    /** Ends the open segments, as age or size would. */
    async finishSegments() {
      await recorder[Symbol.asyncDispose]();
      await labels[Symbol.asyncDispose]();
      recorder = await openRecorder(shared);
      labels = await openLabelLog(shared);
    },
    async restartWatcher() {
      stepped.crashAt = undefined;
      await watcher.history[Symbol.asyncDispose]();
      await watcher.db.destroy();
      watcher = await openWatcher();
    },
    /** Everything up to now in sealed files. */
    async sealAll() {
      await this.finishSegments();
      await this.follow();
      await watcher.history.matchNew();
      return watcher.history.seal(watcher.follower.finished);
    },
    /** A seal that stops dead at a step, and the start of a new watcher after it. */
    async crashWhileSealing(step: SealStep) {
      stepped.crashAt = step;
      const outcome = await watcher.history.seal(watcher.follower.finished).catch(String);
      if (outcome !== `Error: crash at ${step}`) throw new Error(`the seal was to stop at ${step}, not: ${outcome}`);
      await this.restartWatcher();
    },
    async [Symbol.asyncDispose]() {
      await watcher.history[Symbol.asyncDispose]();
      await watcher.db.destroy();
      await recorder[Symbol.asyncDispose]();
      await labels[Symbol.asyncDispose]();
    },
  };
}

export function labelFor(id: string, value: string, eventMs = 1): ReceivedLabel {
  return { predictionId: id, key: undefined, value, eventMs };
}
