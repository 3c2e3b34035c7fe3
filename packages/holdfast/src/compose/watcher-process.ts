import { readFile } from 'node:fs/promises';
import {
  compareArms,
  type MonitoredModel,
  type MonitoringTables,
  monitoringMigrations,
  parseBaselineProfile,
  startWatcher,
} from '../monitoring/index.ts';
import { followLog, openHistory, type PredlogTables, predlogMigrations } from '../predlog/index.ts';
import { openDatabase } from '../storage/index.ts';
import { childSettings, endWith, tellControl } from './child-entry.ts';
import { holdName } from './process-lock.ts';
import { processLog } from './process-log.ts';
import type { ArmsQuestion, FromWatcher, ToWatcher, WatchedVersion } from './watch-messages.ts';
import type { WatcherCluster } from './watcher-cluster.ts';
import { watcherSettingsSchema } from './watcher-settings.ts';

const tell = (message: FromWatcher): void => tellControl(message);

const settings = watcherSettingsSchema.parse(childSettings());
const log = processLog('watcher');
const clock = Date.now;
/** Each seal of a leader stores a copy of the watch database elsewhere. */
const sharedSealEveryMs = 20_000;
let cluster: WatcherCluster<PredlogTables & MonitoringTables> | undefined;

let models: readonly MonitoredModel[] = [];
let telling: Promise<void> = Promise.resolve();

async function monitored(version: WatchedVersion): Promise<MonitoredModel> {
  const { baselinePath, ...rest } = version;
  if (baselinePath === undefined) return { ...rest, baseline: undefined };
  return { ...rest, baseline: parseBaselineProfile(await readFile(baselinePath, 'utf8')) };
}

const firstModels = Promise.withResolvers<void>();
let questions: readonly ArmsQuestion[] = [];
process.on('message', (message: ToWatcher) => {
  cluster?.hear(message);
  if (message.kind === 'arms') questions = message.questions;
  if (message.kind !== 'models') return;
  // In the order in which control said them, although profiles take time to read.
  telling = telling.then(async () => {
    models = await Promise.all(message.models.map(monitored));
    firstModels.resolve();
  });
  telling = telling.catch((error: unknown) => log.error({ error }, 'watcher.models_unreadable'));
});

const lifetime = new AsyncDisposableStack();
endWith(() => lifetime.disposeAsync());

lifetime.use(await holdName(settings.runDirectory, 'watcher'));
const db = await openDatabase<PredlogTables & MonitoringTables>({
  path: settings.database,
  migrations: [...predlogMigrations, ...monitoringMigrations],
  durability: 'normal',
});
lifetime.defer(() => db.destroy());
if (settings.cluster !== undefined) {
  // Loaded only here: it brings the drivers of the database server and the object store.
  const { WatcherCluster } = await import('./watcher-cluster.ts');
  cluster = await WatcherCluster.open({ ...settings, cluster: settings.cluster }, db, tell);
}
const history = lifetime.use(
  await openHistory({
    directory: settings.logDirectory,
    db,
    retentionMs: settings.retentionMs,
    clock,
    log,
    ...(cluster !== undefined && { share: files => cluster?.share(files) ?? Promise.resolve() }),
  }),
);
tell({ kind: 'watching' });
await firstModels.promise;
const isSealed = (segment: string): boolean => history.isSealed(segment);
if (cluster !== undefined) {
  lifetime.use(cluster);
  cluster.mirror(settings, isSealed, log);
}

/** Comparing takes at most about a tenth of the watcher's time, however much ground truth there is. */
const restMs = 2000;
const costFactor = 10;
async function answerArms(): Promise<void> {
  const startedMs = clock();
  for (const question of questions) {
    const signatureOf = (version: number) =>
      models.find(one => one.name === question.model && one.version === version)?.signature;
    const compared = await compareArms(query => history.scoredWindow(query), question, signatureOf);
    if (compared !== undefined) tell({ kind: 'arms', question, compared });
  }
  comparing = setTimeout(compareAgain, Math.max(restMs, costFactor * (clock() - startedMs)));
}
function compareAgain(): void {
  answerArms().catch((error: unknown) => {
    log.error({ error }, 'watcher.arms_not_compared');
    comparing = setTimeout(compareAgain, restMs);
  });
}
let comparing = setTimeout(compareAgain, restMs);
lifetime.defer(() => clearTimeout(comparing));
lifetime.use(
  await startWatcher({
    db,
    follower: followLog({ directory: settings.logDirectory, isSkipped: isSealed, log }),
    truth: history,
    models: () => models,
    clock,
    log,
    ...(cluster !== undefined && { isGone: isSealed, sealEveryMs: sharedSealEveryMs }),
    emit: event => tell({ kind: 'event', event }),
  }),
);
