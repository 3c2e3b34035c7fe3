import type { RunningHoldfast, StartRequest } from '../cli/index.ts';
import { makeControlApi, openControlListener } from '../console/index.ts';
import { recoverLog } from '../predlog/index.ts';
import { BlobStore, Registry } from '../registry/index.ts';
import { ModelRepository } from '../repository/index.ts';
import { Deployments, Rollouts } from '../rollout/index.ts';
import { openDatabase, openObjectStore } from '../storage/index.ts';
import { ConfiguredModels } from './configured-models.ts';
import { ControlSide } from './control-door.ts';
import { openDataDirectory } from './data-directory.ts';
import { type MetaSchema, startLeadingPart } from './leading-part.ts';
import { LiveTrafficMeter } from './live-traffic.ts';
import { pageDirectory } from './page-directory.ts';
import { processLog } from './process-log.ts';
import { type ConfigOf, ServingPart } from './serving-part.ts';
import { declareDeployments, examplesOf, makePublisher, metaMigrations, urlOf } from './starting.ts';

/**
 * Starts Holdfast on one data directory, alone or as a machine of a cluster.
 *
 * @throws DataDirectoryInUse, or Fault `bad_configuration` when an address cannot be listened on
 */
export async function startHoldfast(request: StartRequest): Promise<RunningHoldfast> {
  const { database } = request.config;
  if (database === undefined) return startAlone(request);
  // Loaded only here: it brings the driver of the database server.
  const { startMember } = await import('./start-member.ts');
  return startMember({ ...request, database });
}

/**
 * Starts the whole product in this one place: takes the directory, opens the stores, starts gateways, runners and the
 * watcher, and serves the console. Disposing ends everything in the opposite order, gateways draining first.
 */
async function startAlone({ config, workers, progress, signal }: StartRequest): Promise<RunningHoldfast> {
  await using stack = new AsyncDisposableStack();
  const startedAtMs = Date.now();
  const log = processLog('control');
  const directory = stack.use(await openDataDirectory(config.data, Date.now));
  const db = await openDatabase<MetaSchema>({
    path: directory.metaDatabase,
    migrations: metaMigrations,
    durability: 'full',
  });
  stack.defer(() => db.destroy());
  const registry = new Registry(db, Date.now);
  const blobs = await BlobStore.open(directory.blobs, {
    maximumBytes: config.limits.artifactBytes,
    ...(config.artifacts !== undefined && { shared: await openObjectStore(config.artifacts) }),
  });
  const written: ConfigOf = model => config.models[model] ?? config.defaults;
  const repository =
    config.modelRepository &&
    (await ModelRepository.open({
      folder: config.modelRepository.folder,
      pollMs: config.modelRepository.poll,
      isExplicit: config.modelControl === 'explicit',
      configOf: written,
      log,
    }));
  const configOf: ConfigOf = model => repository?.configOf(model) ?? written(model);
  const deployments = await Deployments.open(db, Date.now);
  await declareDeployments(config, deployments);
  const rollouts = await Rollouts.open({
    db,
    registry,
    deployments,
    defaultsOf: model => configOf(model).rollout,
    keepsStates: model => configOf(model).sequences !== undefined,
    clock: Date.now,
    log,
  });
  const meter = new LiveTrafficMeter(Date.now);

  // Also of gateways that there were more of at the last start: nobody else would finish their segments.
  await recoverLog(directory.log);
  // Gateways start while the models are checked and loaded; the watcher and the console follow, so that the first
  // prediction does not wait for them.
  const serving = stack.use(
    new ServingPart({
      config,
      configOf,
      workers,
      directory,
      registry,
      blobs,
      deployments,
      overlay: (...asked) => rollouts.overlay(...asked),
      onReport: (gateway, report) => {
        meter.report(gateway, report);
        rollouts.take(report.arms);
      },
      onGatewayEnd: gateway => meter.forget(gateway),
      log,
      repository,
    }),
  );
  // It stops following its folder before the fleet ends.
  if (repository !== undefined) stack.use(repository);
  rollouts.attach(serving.fleet);
  const publisher = makePublisher({ config, registry, blobs, serving, log });
  serving.openDoor(
    new ControlSide({ fleet: serving.fleet, publisher, blobs, gateways: () => serving.gateways(), repository }),
  );
  await serving.fleet.open();
  const configured = new ConfiguredModels({ blobs, publisher });
  const problems = [
    ...(await configured.register(config, progress, signal)),
    ...((await repository?.start({ registry, blobs, publisher, fleet: serving.fleet }, progress)) ?? []),
    ...(await configured.registerEnsembles(Object.entries(config.ensembles))),
  ];
  signal.throwIfAborted();
  await serving.fleet.sendFirstTable();
  const gateways = await serving.gateways();
  const inferenceUrl = urlOf(config.host, gateways.port);
  let consoleUrl = '';
  const leading = stack.use(
    await startLeadingPart({
      config,
      configOf,
      directory,
      db,
      registry,
      blobs,
      serving,
      publisher,
      deployments,
      rollouts,
      meter,
      startedAtMs,
      cluster: undefined,
      addresses: () => ({ inferenceUrl, consoleUrl }),
      log,
    }),
  );
  const api = stack.use(
    await makeControlApi({
      hosts: [...config.hosts, config.host],
      pageDirectory: pageDirectory(),
      artifactBytes: config.limits.artifactBytes,
      services: leading.services,
      log,
    }),
  );
  const door = stack.use(await openControlListener(config.host, config.consolePort));
  door.use(api.handler);
  consoleUrl = urlOf(config.host, door.port);
  await directory.publishAddress(consoleUrl, inferenceUrl);
  const examples = await examplesOf(registry, inferenceUrl);
  const lifetime = stack.move();
  return {
    inferenceUrl,
    grpcAddress: urlOf(config.host, gateways.grpcPort).replace('http://', ''),
    consoleUrl,
    examples,
    problems,
    [Symbol.asyncDispose]: () => lifetime.disposeAsync(),
  };
}
