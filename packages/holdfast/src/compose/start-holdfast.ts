import { champion, parseModelName } from '@holdfast/api';
import { alertingMigrations } from '../alerting/index.ts';
import type { RunningHoldfast, StartRequest } from '../cli/index.ts';
import { startControlApi } from '../console/index.ts';
import { convertModel } from '../conversion/index.ts';
import { recoverLog } from '../predlog/index.ts';
import { BlobStore, Registry, registryMigrations } from '../registry/index.ts';
import { ModelRepository } from '../repository/index.ts';
import { Deployments, Publisher, Rollouts, rolloutMigrations } from '../rollout/index.ts';
import { validateModel } from '../runtime/index.ts';
import { openDatabase } from '../storage/index.ts';
import { prepareModelBaseline } from './baseline.ts';
import { ConfiguredModels } from './configured-models.ts';
import { ControlSide } from './control-door.ts';
import { openDataDirectory } from './data-directory.ts';
import { exampleCurl } from './example-request.ts';
import { type MetaSchema, startLeadingPart } from './leading-part.ts';
import { LiveTrafficMeter } from './live-traffic.ts';
import { pageDirectory } from './page-directory.ts';
import { processLog } from './process-log.ts';
import { type ConfigOf, ServingPart } from './serving-part.ts';

function urlOf(host: string, port: number): string {
  const shown = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host;
  return `http://${shown}:${port}`;
}

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
  const db = await openDatabase<MetaSchema>({
    path: directory.metaDatabase,
    migrations: [...registryMigrations, ...alertingMigrations, ...rolloutMigrations],
    durability: 'full',
  });
  stack.defer(() => db.destroy());
  const registry = new Registry(db, Date.now);
  const blobs = await BlobStore.open(directory.blobs, { maximumBytes: config.limits.artifactBytes });
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
  for (const [name, model] of Object.entries(config.models)) {
    await deployments.declare(parseModelName(name), model.deployment);
  }
  const rollouts = await Rollouts.open({
    db,
    registry,
    deployments,
    defaultsOf: model => configOf(model).rollout,
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
      rollouts,
      meter,
      log,
      repository,
    }),
  );
  // It stops following its folder before the fleet ends.
  if (repository !== undefined) stack.use(repository);
  const publisher = new Publisher({
    registry,
    blobs,
    fleet: serving.fleet,
    convert: (files, convert) =>
      convertModel([files], {
        convert,
        timeoutMs: config.limits.conversionTimeout,
        memoryBytes: config.limits.conversionMemoryBytes,
      }),
    validate: path => validateModel(path),
    prepareBaseline: request => prepareModelBaseline(request, serving.pool),
  });
  serving.openDoor(
    new ControlSide({ fleet: serving.fleet, publisher, blobs, gateways: () => serving.gateways(), repository }),
  );
  await serving.fleet.open();
  const problems = [
    ...(await new ConfiguredModels({ blobs, publisher }).register(config, progress)),
    ...((await repository?.start({ registry, blobs, publisher, fleet: serving.fleet }, progress)) ?? []),
  ];
  await serving.fleet.answerWithoutModels();
  const gateways = await serving.gateways();
  const inferenceUrl = urlOf(config.host, gateways.port);
  const grpcAddress = urlOf(config.host, gateways.grpcPort).replace('http://', '');
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
      addresses: () => ({ inferenceUrl, consoleUrl }),
      log,
    }),
  );
  const api = stack.use(
    await startControlApi({
      host: config.host,
      port: config.consolePort,
      hosts: config.hosts,
      pageDirectory: pageDirectory(),
      artifactBytes: config.limits.artifactBytes,
      services: leading.services,
      log,
    }),
  );
  consoleUrl = urlOf(config.host, api.port);
  await directory.publishAddress(consoleUrl, inferenceUrl);
  const examples = await examplesOf(registry, inferenceUrl);
  const lifetime = stack.move();
  return {
    inferenceUrl,
    grpcAddress,
    consoleUrl,
    examples,
    problems,
    [Symbol.asyncDispose]: () => lifetime.disposeAsync(),
  };
}
