import { fault } from '@holdfast/api';
import type { Kysely } from 'kysely';
import type { RunningHoldfast, StartRequest } from '../cli/index.ts';
import {
  Cluster,
  type ClusterTables,
  clusterMigrations,
  copyRouted,
  type Leadership,
  logShelf,
  startMemberListener,
} from '../cluster/index.ts';
import { type HttpHandler, makeControlApi, openControlListener } from '../console/index.ts';
import { recoverLog } from '../predlog/index.ts';
import { BlobStore, type Primary, Registry } from '../registry/index.ts';
import { Deployments, Rollouts, type RolloutTables } from '../rollout/index.ts';
import type { GatewayReport } from '../serving/index.ts';
import { openDatabase, openObjectStore } from '../storage/index.ts';
import { ConfiguredModels } from './configured-models.ts';
import { ControlSide } from './control-door.ts';
import { openDataDirectory } from './data-directory.ts';
import { forwardToLeader } from './forward-to-leader.ts';
import { type MetaSchema, startLeadingPart } from './leading-part.ts';
import { LiveTrafficMeter } from './live-traffic.ts';
import { reportRoute, sendReport } from './member-reports.ts';
import { pageDirectory } from './page-directory.ts';
import { processLog } from './process-log.ts';
import { type ConfigOf, ServingPart } from './serving-part.ts';
import { declareDeployments, examplesOf, makePublisher, metaMigrations, urlOf } from './starting.ts';
import { claimWatch, publishCopy } from './watch-ownership.ts';

type SharedSchema = MetaSchema & ClusterTables;

/** Gateways of one machine have numbers of their own: 64 per machine. */
const instancesPerMachine = 64;

function machineOf(instance: string): number {
  return Math.floor(Number(/-(\d+)$/.exec(instance)?.[1] ?? 0) / instancesPerMachine);
}

/**
 * Starts this machine's part of a cluster: it serves what the shared database says is routed, and, while it holds the
 * lease, watches, alerts and answers the control API for all of them.
 */
export async function startMember(request: StartRequest & { readonly database: string }): Promise<RunningHoldfast> {
  const { config, workers, progress, database, signal } = request;
  if (config.artifacts === undefined) {
    throw fault(
      'bad_configuration',
      'artifacts',
      'machines that share a database need a bucket: --artifacts s3://BUCKET',
    );
  }
  if (config.modelRepository !== undefined) {
    throw fault(
      'bad_configuration',
      'modelRepository',
      'a folder is served by a machine of its own; deploy to the cluster',
    );
  }
  const artifacts = config.artifacts;
  await using stack = new AsyncDisposableStack();
  const startedAtMs = Date.now();
  const log = processLog('control');
  const directory = stack.use(await openDataDirectory(config.data, Date.now));
  const copy = await openDatabase<MetaSchema>({
    path: directory.metaDatabase,
    migrations: metaMigrations,
    durability: 'full',
  });
  stack.defer(() => copy.destroy());
  const store = await openObjectStore(artifacts);
  const blobs = await BlobStore.open(directory.blobs, { maximumBytes: config.limits.artifactBytes, shared: store });
  const configOf: ConfigOf = model => config.models[model] ?? config.defaults;
  const meter = new LiveTrafficMeter(Date.now);

  let leadership: Leadership<Kysely<SharedSchema>> | undefined;
  let leaderHandler: HttpHandler | undefined;
  const noLeader: HttpHandler = (_request, response) => {
    const refusal = fault('no_leader');
    response.writeHead(refusal.httpStatus, { 'content-type': 'application/json', 'retry-after': '1' });
    response.end(JSON.stringify(refusal.toJSON()));
  };
  /** While this machine leads: the one that moves rollouts on. */
  let leaderRollouts: Rollouts | undefined;
  /** What the copy says of rollouts, to serve by. */
  let copiedRollouts: Rollouts | undefined;
  const onReport = (gateway: string, report: GatewayReport): void => {
    meter.report(gateway, report);
    leaderRollouts?.take(report.arms);
  };
  const members: { readonly port: number } = stack.use(
    await startMemberListener({
      host: config.cluster.host,
      port: config.cluster.port,
      secret: () => cluster.secret,
      routes: [
        logShelf(directory.log, instance => machineOf(instance) === cluster.ordinal),
        reportRoute((gateway, report) => {
          if (leadership !== undefined) onReport(gateway, report);
        }),
        async (from, response) => {
          (leaderHandler ?? noLeader)(from, response);
          return true;
        },
      ],
      log,
    }),
  );
  const door = stack.use(await openControlListener(config.host, config.consolePort));
  const consoleUrl = urlOf(config.host, door.port);
  const hosts = [...config.hosts, config.host];
  const forward = forwardToLeader({
    hosts,
    leaderAddress: () => (cluster.leader?.ordinal === cluster.ordinal ? undefined : cluster.leader?.address),
    secret: () => cluster.secret,
  });

  const started = Promise.withResolvers<ServingPart>();
  // Whoever waits for it is told; nobody may.
  started.promise.catch(() => {});
  let inferenceUrl = '';
  const lead = async (now: Leadership<Kysely<SharedSchema>>): Promise<AsyncDisposable> => {
    await using leaderStack = new AsyncDisposableStack();
    const serving = await started.promise;
    leadership = now;
    leaderStack.defer(() => {
      leadership = undefined;
    });
    await claimWatch({ db: now.db, ordinal: cluster.ordinal, store, directory, log });
    await declareDeployments(config, deployments);
    const rollouts = await openRollouts(now.db);
    rollouts.attach(serving.fleet);
    leaderRollouts = rollouts;
    leaderStack.defer(() => {
      leaderRollouts = undefined;
    });
    const publisher = makePublisher({ config, registry, blobs, serving, log });
    const problems = await new ConfiguredModels({ blobs, publisher }).register(config, progress, now.signal);
    for (const { model, why } of problems) log.error({ model, why }, 'control.model_not_registered');
    const leading = leaderStack.use(
      await startLeadingPart({
        config,
        configOf,
        directory,
        db: now.db,
        registry,
        blobs,
        serving,
        publisher,
        deployments,
        rollouts,
        meter,
        startedAtMs,
        cluster: {
          secret: cluster.secret ?? '',
          store: artifacts,
          ordinal: cluster.ordinal,
          members: () => cluster.others.map(({ ordinal, address }) => ({ ordinal, address })),
          publish: key => publishCopy(now.db, cluster.ordinal, key),
        },
        addresses: () => ({ inferenceUrl, consoleUrl }),
        log,
      }),
    );
    const api = leaderStack.use(
      await makeControlApi({
        hosts,
        pageDirectory: pageDirectory(),
        artifactBytes: config.limits.artifactBytes,
        services: leading.services,
        log,
      }),
    );
    now.signal.throwIfAborted();
    leaderHandler = api.handler;
    door.use(api.handler);
    leaderStack.defer(() => {
      leaderHandler = undefined;
      door.use(forward);
    });
    return leaderStack.move();
  };

  const cluster: Cluster<Kysely<SharedSchema>> = stack.use(
    await Cluster.open<Kysely<SharedSchema>>({
      url: database,
      root: directory.root,
      address: () => config.cluster.advertise ?? urlOf(config.cluster.host, members.port),
      mayLead: config.cluster.role === 'all',
      open: fence =>
        openDatabase<SharedSchema>({
          path: database,
          migrations: [...metaMigrations, ...clusterMigrations],
          durability: 'full',
          isShared: true,
          onBroken: error => log.warn({ error }, 'cluster.connection_broken'),
          ...(fence !== undefined && { fence }),
        }),
      tablesOf: db => db,
      close: db => db.destroy(),
      copy: db => copyRouted(db, copy),
      onRouted: async () => {
        await deployments.reload();
        copiedRollouts = await openRollouts(copy);
        await (await started.promise).fleet.refresh();
      },
      loadedState: (model, version) => serving?.loadedState(model, version),
      lead,
      log,
    }),
  );
  // A leader that waits for this machine to serve ends before the cluster is left.
  stack.defer(() => started.reject(fault('draining')));
  const primary: Primary<SharedSchema> = { db: () => leadership?.db ?? cluster.db(), pull: () => cluster.pull() };
  const registry = new Registry(copy, Date.now, primary);
  const deployments = await Deployments.open(copy, Date.now, primary);
  const openRollouts = (db: Kysely<RolloutTables>): Promise<Rollouts> =>
    Rollouts.open({
      db,
      registry,
      deployments,
      defaultsOf: model => configOf(model).rollout,
      keepsStates: model => configOf(model).sequences !== undefined,
      clock: Date.now,
      log,
    });
  let serving: ServingPart | undefined;
  await waitFor(cluster.ready, { database, progress, signal });
  await recoverLog(directory.log, { isOwn: instance => machineOf(instance) === cluster.ordinal });
  const part = new ServingPart({
    config,
    configOf,
    workers,
    directory,
    registry,
    blobs,
    deployments,
    overlay: (model, declared, aliases) =>
      (leaderRollouts ?? copiedRollouts)?.overlay(model, declared, aliases) ?? declared,
    onReport: (gateway, report) => {
      const name = `${cluster.ordinal}/${gateway}`;
      const { leader, secret } = cluster;
      if (leadership !== undefined) onReport(name, report);
      else if (leader !== undefined && secret !== undefined)
        sendReport(leader.address, secret, { gateway: name, report }).catch(() => {});
    },
    onGatewayEnd: gateway => meter.forget(`${cluster.ordinal}/${gateway}`),
    cluster: {
      firstInstance: cluster.ordinal * instancesPerMachine + 1,
      prepare: (model, version) => cluster.prepare(model, version),
      wanted: model => cluster.wanted(model),
    },
    log,
    repository: undefined,
  });
  stack.use(part);
  serving = part;
  const publisher = makePublisher({ config, registry, blobs, serving: part, log });
  part.openDoor(
    new ControlSide({ fleet: part.fleet, publisher, blobs, gateways: () => part.gateways(), repository: undefined }),
  );
  await deployments.reload();
  copiedRollouts = await openRollouts(copy);
  await part.fleet.open();
  signal.throwIfAborted();
  await part.fleet.sendFirstTable();
  const gateways = await part.gateways();
  inferenceUrl = urlOf(config.host, gateways.port);
  if (leaderHandler === undefined) door.use(forward);
  started.resolve(part);
  await directory.publishAddress(consoleUrl, inferenceUrl);
  const examples = await examplesOf(registry, inferenceUrl);
  const lifetime = stack.move();
  return {
    inferenceUrl,
    grpcAddress: urlOf(config.host, gateways.grpcPort).replace('http://', ''),
    consoleUrl,
    examples,
    problems: [],
    [Symbol.asyncDispose]: () => lifetime.disposeAsync(),
  };
}

/** Waits for the database on the very first start, and says so. @throws the signal's reason */
async function waitFor(
  ready: Promise<void>,
  { database, progress, signal }: Pick<StartRequest, 'progress' | 'signal'> & { readonly database: string },
): Promise<void> {
  const { host } = new URL(database);
  const timer = setTimeout(() => progress(`holdfast: waiting for the database at ${host}\n`), 2000);
  const given = Promise.withResolvers<never>();
  const giveUp = (): void => given.reject(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  if (signal.aborted) giveUp();
  try {
    await Promise.race([ready, given.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}
