import { champion, type ModelName, type ProcessStatus, parseModelName } from '@holdfast/api';
import { type AlertingTables, alertingMigrations, startAlerting } from '../alerting/index.ts';
import type { RunningHoldfast, StartRequest } from '../cli/index.ts';
import type { Config } from '../config/index.ts';
import { startControlApi } from '../console/index.ts';
import { MonitoringReader, type MonitoringTables } from '../monitoring/index.ts';
import { openPredictionStore, type PredlogTables, recoverLog } from '../predlog/index.ts';
import { BlobStore, Registry, type RegistrySchema, registryMigrations } from '../registry/index.ts';
import {
  Deployments,
  Fleet,
  Publisher,
  type RolloutTables,
  rolloutMigrations,
  routedDeployment,
} from '../rollout/index.ts';
import { startRunnerPool, validateModel } from '../runtime/index.ts';
import { openDatabase, openReader } from '../storage/index.ts';
import { prepareModelBaseline } from './baseline.ts';
import { ConfiguredModels } from './configured-models.ts';
import { ControlMetrics } from './control-metrics.ts';
import { ControlRoom } from './control-room.ts';
import { openDataDirectory } from './data-directory.ts';
import { EventBus } from './event-bus.ts';
import { exampleCurl } from './example-request.ts';
import { LiveTrafficMeter } from './live-traffic.ts';
import { pageDirectory } from './page-directory.ts';
import { processLog } from './process-log.ts';
import { productVersion } from './product-version.ts';
import { startGateways, startWatch } from './start-processes.ts';
import { residentBytesOf } from './supervised-child.ts';
import type { WatchedVersion } from './watch-messages.ts';

const pulseMs = 1000;

function urlOf(host: string, port: number): string {
  const shown = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${shown}:${port}`;
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

type ConfigOf = (model: ModelName) => Config['defaults'];

async function examplesOf(registry: Registry, inferenceUrl: string): Promise<RunningHoldfast['examples']> {
  const names = await registry.modelNames();
  const examples = await Promise.all(
    names.map(async model => {
      const live = (await registry.aliases(model)).find(target => target.alias === champion);
      if (live === undefined) return undefined;
      const { signature } = await registry.version(model, live.version);
      return { model, curl: exampleCurl(inferenceUrl, model, signature) };
    }),
  );
  return examples.filter(example => example !== undefined);
}

/**
 * Starts the whole product on one data directory: takes the directory, opens the stores, starts gateways, runners and
 * the watcher, and serves the console. Disposing ends everything in the opposite order, gateways draining first.
 *
 * @throws DataDirectoryInUse, or Fault `bad_configuration` when an address cannot be listened on
 */
export async function startHoldfast({ config, workers, progress }: StartRequest): Promise<RunningHoldfast> {
  await using stack = new AsyncDisposableStack();
  const startedAtMs = Date.now();
  const log = processLog('control');
  const directory = stack.use(await openDataDirectory(config.data, Date.now));
  const db = await openDatabase<RegistrySchema & AlertingTables & RolloutTables>({
    path: directory.metaDatabase,
    migrations: [...registryMigrations, ...alertingMigrations, ...rolloutMigrations],
    durability: 'full',
  });
  stack.defer(() => db.destroy());
  const registry = new Registry(db, Date.now);
  const blobs = await BlobStore.open(directory.blobs, { maximumBytes: config.limits.artifactBytes });
  const configOf: ConfigOf = model => config.models[model] ?? config.defaults;
  const deployments = await Deployments.open(db, Date.now);
  for (const [name, model] of Object.entries(config.models)) {
    await deployments.declare(parseModelName(name), model.deployment);
  }
  const bus = new EventBus();
  const meter = new LiveTrafficMeter(Date.now);

  // Also of gateways that there were more of at the last start: nobody else would finish their segments.
  await recoverLog(directory.log);
  const pool = stack.use(startRunnerPool({ runDirectory: directory.run, log }));
  // Gateways start while the models are checked and loaded; the watcher and the console follow, so that the first
  // prediction does not wait for them.
  const starting = startGateways({
    config,
    workers,
    directory,
    log,
    meter,
    onHung: (model, socket) => {
      const version = fleet.versionBehind(model, socket);
      if (version !== undefined) pool.replaceHung(model, version, socket);
    },
  });
  stack.defer(async () => {
    const gateways = await starting.catch(() => undefined);
    await gateways?.[Symbol.asyncDispose]();
  });
  const onChange: ((model: ModelName) => void)[] = [];
  const fleet = new Fleet({
    registry,
    blobs,
    runners: pool,
    gateways: { apply: async table => (await starting).apply(table) },
    configOf,
    deploymentOf: (model, aliases) => {
      const { spec, seq } = deployments.of(model);
      return spec && routedDeployment(spec, seq, aliases);
    },
    log,
    onChange: model => {
      for (const listener of onChange) listener(model);
    },
  });
  const publisher = new Publisher({
    registry,
    blobs,
    fleet,
    validate: path => validateModel(path),
    prepareBaseline: request => prepareModelBaseline(request, pool),
  });
  await fleet.open();
  const problems = await new ConfiguredModels({ blobs, registry, publisher }).register(config, progress);
  const gateways = await starting;

  const watch = stack.use(startWatch({ config, directory, log, bus }));
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
  const inferenceUrl = urlOf(config.host, gateways.port);
  let consoleUrl = '';
  const room = new ControlRoom({
    registry,
    blobs,
    fleet,
    publisher,
    deployments,
    reader,
    predictions,
    alerts: alerting,
    meter,
    bus,
    processes,
    metrics,
    runDirectory: directory.run,
    version: productVersion(),
    startedAtMs,
    addresses: () => ({ inferenceUrl, consoleUrl }),
  });
  const api = stack.use(
    await startControlApi({
      host: config.host,
      port: config.consolePort,
      hosts: config.hosts,
      pageDirectory: pageDirectory(),
      artifactBytes: config.limits.artifactBytes,
      services: room,
      log,
    }),
  );
  consoleUrl = urlOf(config.host, api.port);
  await directory.publishAddress(consoleUrl, inferenceUrl);
  const failed = (event: string) => (error: unknown) => log.error({ error }, event);
  const tellWatcher = async (): Promise<void> => watch.watch(await watchedVersions(registry, blobs, configOf));
  onChange.push(
    model => room.announce(model),
    () => void tellWatcher().catch(failed('control.watcher_not_told')),
    model => void alerting.retire(model, fleet.liveVersions(model)).catch(failed('control.alerts_not_retired')),
  );
  pool.on('quarantined', ({ model, version, reason }) => {
    const name = parseModelName(model);
    fleet.quarantine(name, version, reason).catch(failed('control.quarantine_failed'));
    alerting.quarantined(name, version, reason).catch(failed('control.alert_failed'));
  });
  await tellWatcher();
  const pulse = setInterval(() => {
    room.pulse(Date.now()).catch(failed('control.pulse_failed'));
  }, pulseMs);
  stack.defer(() => clearInterval(pulse));
  const examples = await examplesOf(registry, inferenceUrl);
  const lifetime = stack.move();
  return { inferenceUrl, consoleUrl, examples, problems, [Symbol.asyncDispose]: () => lifetime.disposeAsync() };
}
