import { type ModelName, parseModelName } from '@holdfast/api';
import type { LoadedState } from '../cluster/index.ts';
import type { Config } from '../config/index.ts';
import type { BlobStore, Registry } from '../registry/index.ts';
import type { ModelRepository } from '../repository/index.ts';
import { type Deployments, Fleet, type Rollouts, routedDeployment } from '../rollout/index.ts';
import { type RunnerEvents, type RunnerPool, startRunnerPool } from '../runtime/index.ts';
import { type ControlDoor, type GatewayReport, remoteModels } from '../serving/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { DataDirectory } from './data-directory.ts';
import type { Gateways } from './gateways.ts';
import { startGateways } from './start-processes.ts';

export type ConfigOf = (model: ModelName) => Config['defaults'];

export interface ServingPartOptions {
  readonly config: Config;
  readonly configOf: ConfigOf;
  readonly workers: number;
  readonly directory: DataDirectory;
  readonly registry: Registry;
  readonly blobs: BlobStore;
  readonly deployments: Deployments;
  /** Lays a rollout that is under way over the declared deployment; asked whenever the routing is made. */
  readonly overlay: Rollouts['overlay'];
  readonly onReport: (gateway: string, report: GatewayReport) => void;
  readonly onGatewayEnd: (gateway: string) => void;
  /** Where several machines serve: this one's numbers, and what is done before a version is routed. */
  readonly cluster?: {
    readonly firstInstance: number;
    readonly prepare: (model: ModelName, version: number) => Promise<void>;
    readonly wanted: (model: ModelName) => readonly number[];
  };
  readonly log: Log;
  readonly repository?: ModelRepository | undefined;
}

/** What answers requests on this machine: gateways, runners, and the fleet that keeps them as the registry says. */
export class ServingPart implements AsyncDisposable {
  readonly pool: RunnerPool;
  readonly fleet: Fleet;
  readonly #starting: Promise<Gateways>;
  readonly #listeners = new Set<(model: ModelName) => void>();
  readonly #quarantineListeners = new Set<(event: RunnerEvents['quarantined']) => void>();
  readonly #lifetime: AsyncDisposableStack;
  readonly #door = Promise.withResolvers<ControlDoor>();

  /**
   * Starts the gateways, which take requests while models are still being loaded; disposing drains them before the
   * runners end.
   */
  constructor(options: ServingPartOptions) {
    const { config, configOf, workers, directory, registry, blobs, deployments, overlay, cluster, log, repository } =
      options;
    this.#lifetime = new AsyncDisposableStack();
    const pool = this.#lifetime.use(startRunnerPool({ runDirectory: directory.run, log }));
    this.pool = pool;
    pool.on('quarantined', event => {
      for (const listener of this.#quarantineListeners) listener(event);
    });
    this.#starting = startGateways({
      config,
      workers,
      directory,
      log,
      firstInstance: cluster?.firstInstance,
      onReport: options.onReport,
      onEnd: options.onGatewayEnd,
      door: { ask: async question => (await this.#door.promise).ask(question) },
      onHung: (model, socket) => {
        const version = this.fleet.versionBehind(model, socket);
        if (version !== undefined) pool.replaceHung(model, version, socket);
      },
    });
    this.#lifetime.defer(async () => {
      const gateways = await this.#starting.catch(() => undefined);
      await gateways?.[Symbol.asyncDispose]();
    });
    this.fleet = new Fleet({
      registry,
      blobs,
      runners: pool,
      remotes: remoteModels(config.remote),
      gateways: { apply: async table => (await this.#starting).apply(table) },
      configOf,
      keptOf: model => repository?.keptOf(model) ?? [],
      deploymentOf: (model, aliases) => {
        const { spec, seq } = deployments.of(model);
        return overlay(model, spec && routedDeployment(spec, seq, aliases), aliases);
      },
      ...(cluster !== undefined && { prepare: cluster.prepare, alsoWanted: cluster.wanted }),
      log,
      onChange: model => {
        for (const listener of this.#listeners) listener(model);
      },
    });
  }

  /** From now on questions of gateways are answered; earlier ones waited. */
  openDoor(door: ControlDoor): void {
    this.#door.resolve(door);
  }

  /** How far this machine is with a version; undefined while it is being loaded, or is not wanted. */
  loadedState(model: string, version: number): LoadedState | undefined {
    const { state, reason } = this.fleet.stateOf(parseModelName(model), version);
    if (state === 'ready') return { kind: 'ready' };
    if (state === 'failed' || state === 'quarantined') return { kind: 'failed', reason: reason ?? state };
    return undefined;
  }

  /** Resolves when they listen. @throws Fault `bad_configuration` when an address cannot be listened on */
  gateways(): Promise<Gateways> {
    return this.#starting;
  }

  /** Calls `listener` after versions, states or aliases of a model changed, until the returned function is called. */
  onChange(listener: (model: ModelName) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls `listener` when runners of a version died too often, until the returned function is called. */
  onQuarantine(listener: (event: RunnerEvents['quarantined']) => void): () => void {
    this.#quarantineListeners.add(listener);
    return () => this.#quarantineListeners.delete(listener);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lifetime.disposeAsync();
  }
}
