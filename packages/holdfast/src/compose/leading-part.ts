import { type ModelName, type ProcessStatus, parseModelName } from '@holdfast/api';
import type { Kysely } from 'kysely';
import { type AlertingTables, startAlerting } from '../alerting/index.ts';
import type { Config } from '../config/index.ts';
import type { ControlServices } from '../console/index.ts';
import { MonitoringReader, type MonitoringTables } from '../monitoring/index.ts';
import { openPredictionStore, type PredlogTables } from '../predlog/index.ts';
import type { BlobStore, Registry, RegistrySchema } from '../registry/index.ts';
import type { Deployments, Publisher, Rollouts, RolloutTables } from '../rollout/index.ts';
import { openReader } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import { ControlMetrics } from './control-metrics.ts';
import { ControlRoom } from './control-room.ts';
import type { DataDirectory } from './data-directory.ts';
import { EventBus } from './event-bus.ts';
import type { LiveTrafficMeter } from './live-traffic.ts';
import { productVersion } from './product-version.ts';
import type { ConfigOf, ServingPart } from './serving-part.ts';
import { startWatch } from './start-processes.ts';
import { startStudies } from './studies.ts';
import { residentBytesOf } from './supervised-child.ts';
import type { WatchCluster } from './watch.ts';
import type { WatchedVersion } from './watch-messages.ts';

const pulseMs = 1000;

/** Every table of the metadata database. */
export type MetaSchema = RegistrySchema & AlertingTables & RolloutTables;

export interface LeadingPartOptions {
  readonly config: Config;
  readonly configOf: ConfigOf;
  readonly directory: DataDirectory;
  readonly db: Kysely<MetaSchema>;
  readonly registry: Registry;
  readonly blobs: BlobStore;
  readonly serving: ServingPart;
  readonly publisher: Publisher;
  readonly deployments: Deployments;
  readonly rollouts: Rollouts;
  readonly meter: LiveTrafficMeter;
  readonly startedAtMs: number;
  /** Where several machines record, and this one leads. */
  readonly cluster: WatchCluster | undefined;
  readonly addresses: () => { readonly inferenceUrl: string; readonly consoleUrl: string };
  readonly log: Log;
}

/** What exists once, however many machines serve: watching, alerting, and what the control API answers with. */
export interface LeadingPart extends AsyncDisposable {
  readonly services: ControlServices;
}

/** Every registered version with its monitors, as the watcher wants to know it. */
async function watchedVersions(registry: Registry, blobs: BlobStore, configOf: ConfigOf): Promise<WatchedVersion[]> {
  const names = await registry.modelNames();
  const versions = await Promise.all(names.map(name => registry.versions(name)));
  return Promise.all(
    versions.flat().map(async version => ({
      name: version.model,
      version: version.version,
      signature: version.signature,
      monitors: configOf(version.model).monitors,
      baselinePath: version.baseline && (await blobs.locate(version.baseline.profileDigest)),
    })),
  );
}

/** Starts the watcher process, alerting and the services of the control API. */
export async function startLeadingPart(options: LeadingPartOptions): Promise<LeadingPart> {
  const { config, configOf, directory, db, registry, blobs, serving, publisher, deployments, rollouts, meter, log } =
    options;
  await using stack = new AsyncDisposableStack();
  const { fleet, pool } = serving;
  const bus = new EventBus();
  const watch = stack.use(startWatch({ config, directory, log, bus, cluster: options.cluster, rollouts }));
  await watch.ready;
  const watchReader = openReader<MonitoringTables & PredlogTables>(directory.watchDatabase);
  stack.defer(() => watchReader.destroy());
  const reader = new MonitoringReader(watchReader);
  const alerting = stack.use(
    startAlerting({
      db,
      verdicts: reader,
      hysteresisOf: model => configOf(parseModelName(model)).monitors,
      webhooks: config.alerting.webhooks,
      clock: Date.now,
      log,
      emit: alert => bus.emit({ kind: 'alert', alert }),
    }),
  );
  const predictions = stack.use(await openPredictionStore({ directory: directory.log, db: watchReader }));
  const metrics = new ControlMetrics({
    reader,
    recording: () => meter.recording(),
    firing: () => alerting.list({ state: 'firing' }),
  });
  const tuning = stack.use(await startStudies({ root: directory.root, database: config.database, bus, log }));
  const gateways = await serving.gateways();
  const processes = (): ProcessStatus[] => [
    {
      name: 'control',
      kind: 'control',
      pid: process.pid,
      state: 'running',
      restarts: 0,
      residentBytes: residentBytesOf(process.pid),
    },
    ...gateways.status(),
    watch.status(),
    ...pool.processes(),
  ];
  const room = new ControlRoom({
    registry,
    blobs,
    fleet,
    publisher,
    deployments,
    rollouts,
    reader,
    predictions,
    alerts: alerting,
    studies: tuning.studies,
    meter,
    bus,
    processes,
    metrics,
    runDirectory: directory.run,
    version: productVersion(),
    startedAtMs: options.startedAtMs,
    addresses: options.addresses,
  });
  stack.defer(rollouts.listen(rollout => bus.emit({ kind: 'rollout', rollout })));
  const failed = (event: string) => (error: unknown) => log.error({ error }, event);
  const tellWatcher = async (): Promise<void> => watch.watch(await watchedVersions(registry, blobs, configOf));
  const changed = (model: ModelName): void => {
    room.announce(model);
    void tellWatcher().catch(failed('control.watcher_not_told'));
    void alerting.retire(model, fleet.liveVersions(model)).catch(failed('control.alerts_not_retired'));
  };
  stack.defer(serving.onChange(changed));
  stack.defer(
    serving.onQuarantine(({ model, version, reason }) => {
      const name = parseModelName(model);
      rollouts.quarantined(name, version, reason).catch(failed('control.rollout_not_stopped'));
      fleet.quarantine(name, version, reason).catch(failed('control.quarantine_failed'));
      alerting.quarantined(name, version, reason).catch(failed('control.alert_failed'));
    }),
  );
  await tellWatcher();
  const pulse = setInterval(() => {
    room.pulse(Date.now()).catch(failed('control.pulse_failed'));
    watch.askArms(rollouts.questions());
    rollouts.tick().catch(failed('control.rollout_failed'));
  }, pulseMs);
  stack.defer(() => clearInterval(pulse));
  const lifetime = stack.move();
  return { services: room, [Symbol.asyncDispose]: () => lifetime.disposeAsync() };
}
