import {
  type Alias,
  type AliasMove,
  champion,
  type Ensemble,
  fault,
  type ModelName,
  type VersionState,
} from '@holdfast/api';
import type { ModelConfig } from '../config/index.ts';
import type { AliasChange, BlobStore, Change, RegisteredVersion, Registry } from '../registry/index.ts';
import type { RunnerTarget } from '../runtime/index.ts';
import type { RemoteModels, RoutedDeployment, RoutedModel, RoutedVersion, RoutingTable } from '../serving/index.ts';
import { KeyedTurns } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import { readEnsemble } from './ensemble-definition.ts';
import { remoteLinks, remoteOfVersion } from './remote-version.ts';
import { versionsOf } from './routed-deployment.ts';
import { withoutStates } from './without-states.ts';

/** The runner processes that the fleet starts and stops; `RunnerPool` in production. */
export interface Runners {
  /** Sockets of its processes once all of them answer. @throws Fault `model_rejected` when it cannot be loaded */
  start(target: RunnerTarget, instances: number): Promise<readonly string[]>;
  /** Lets runs under way finish, then ends the processes. */
  stop(model: string, version: number): Promise<void>;
}

/** The gateways; the promise resolves when each of them routes by this table. */
export interface RoutingTargets {
  apply(table: RoutingTable): Promise<void>;
}

export interface FleetOptions {
  readonly registry: Registry;
  readonly blobs: BlobStore;
  readonly runners: Runners;
  readonly remotes: Pick<RemoteModels, 'compare'>;
  readonly gateways: RoutingTargets;
  readonly configOf: (model: ModelName) => Omit<ModelConfig, 'file' | 'baseline' | 'task' | 'alias' | 'deployment'>;
  /** What is deployed beside the champion now; asked whenever the routing is made. */
  readonly deploymentOf: (model: ModelName, aliases: Readonly<Record<string, number>>) => RoutedDeployment | undefined;
  /** Versions that are served though neither an alias nor a deployment names them. @default none */
  readonly keptOf?: (model: ModelName) => readonly number[];
  /** Has other machines load a version before it is routed anywhere. @throws Fault when one of them cannot */
  readonly prepare?: (model: ModelName, version: number) => Promise<void>;
  /** Versions to be loaded although nothing routes to them yet. */
  readonly alsoWanted?: (model: ModelName) => readonly number[];
  readonly log: Log;
  /** Told after versions, states or aliases of a model changed. */
  readonly onChange: (model: ModelName) => void;
}

interface Live {
  state: VersionState;
  reason: string | undefined;
  sockets: readonly string[];
  ensemble?: Ensemble;
  /** What kept it from loading, to be told to whoever asked for it. */
  failure?: unknown;
}

const unloaded: Live = { state: 'unloaded', reason: undefined, sockets: [] };

function queueRowsOf(batching: ModelConfig['batching']): number {
  return batching.queueRows ?? Math.max(128, 2 * batching.maximumRows);
}

/**
 * The live routing of all models: keeps a warm runner for every version that an alias points at (and for the champion
 * before, so that a rollback is a pointer flip), and tells the gateways. Changes of one model happen one after the
 * other; an alias moves only after its new version answered its warm-up, and the old one drains after the flip.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #live = new Map<ModelName, Map<number, Live>>();
  /** What the last load of a model changed. */
  readonly #batching = new Map<ModelName, Partial<ModelConfig['batching']>>();
  readonly #turns = new KeyedTurns<ModelName>();
  readonly #routed = new Map<ModelName, RoutedModel>();
  #generation = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Loads what the registry says is live. A model that cannot be loaded does not keep the others from serving. */
  async open(): Promise<void> {
    const names = await this.#options.registry.modelNames();
    for (const name of names) await this.#expect(name);
    // The first table has every model, so that none is taken for unknown, nor the whole for ready, while one loads.
    const told = names.length > 0 ? this.#send() : undefined;
    await Promise.all([told, ...names.map(name => this.#turns.take(name, () => this.#reconcile(name)))]);
  }

  /** Routes a model whose versions are about to be loaded. */
  async #expect(model: ModelName): Promise<void> {
    const { registry } = this.#options;
    const aliases = Object.fromEntries((await registry.aliases(model)).map(({ alias, version }) => [alias, version]));
    const isHeld = await registry.isHeld(model);
    const wanted = new Set(isHeld ? [] : Object.values(aliases));
    const versions = (await registry.versions(model)).map(version => {
      const routed = this.#route(version);
      const isLoading = wanted.has(version.version) && version.quarantine === undefined;
      return isLoading ? { ...routed, state: 'loading' as const } : routed;
    });
    if (versions.length > 0) this.#routed.set(model, { name: model, aliases, versions });
  }

  /** Gateways wait for a table before they answer; where no model has made one, they get an empty one now. */
  async sendFirstTable(): Promise<void> {
    if (this.#generation === 0) await this.#send();
  }

  /** Follows what somebody else changed in the registry, model by model. */
  async refresh(): Promise<void> {
    const names = new Set([...(await this.#options.registry.modelNames()), ...this.#routed.keys()]);
    await Promise.all([...names].map(name => this.#turns.take(name, () => this.#reconcile(name))));
  }

  /** State of one version now. */
  stateOf(model: ModelName, version: number): { readonly state: VersionState; readonly reason: string | undefined } {
    return this.#live.get(model)?.get(version) ?? unloaded;
  }

  get table(): RoutingTable {
    return { generation: this.#generation, models: [...this.#routed.values()] };
  }

  /** The version whose runner listens on this socket. */
  versionBehind(model: string, socket: string): number | undefined {
    const versions = this.#routed.values().find(routed => routed.name === model)?.versions ?? [];
    return versions.find(version => version.sockets.includes(socket))?.version;
  }

  /** Versions that an alias points at, or that a deployment gives a part. */
  liveVersions(model: ModelName): ReadonlySet<number> {
    const { aliases = {}, deployment } = this.#routed.get(model) ?? {};
    return new Set([...Object.values(aliases), ...(deployment ? versionsOf(deployment) : [])]);
  }

  /**
   * Lets the gateways follow a changed deployment at once, with the versions as they are loaded now: a rollback waits
   * for no model that is just being loaded.
   */
  async reroute(model: ModelName): Promise<void> {
    const { deploymentOf } = this.#options;
    await this.#reroute(model, routed => ({ ...routed, deployment: deploymentOf(model, routed.aliases) }));
  }

  async #reroute(model: ModelName, change: (routed: RoutedModel) => RoutedModel): Promise<void> {
    const routed = this.#routed.get(model);
    if (routed === undefined) return;
    this.#routed.set(model, change(routed));
    await this.#send();
  }

  /** Points an alias at a version: load and warm up, commit, flip the gateways, drain what nobody points at. */
  async moveAlias(model: ModelName, alias: Alias, version: number, change: AliasChange): Promise<AliasMove> {
    return this.#turns.take(model, () => this.#moveAlias(model, alias, version, change));
  }

  async #moveAlias(model: ModelName, alias: Alias, version: number, change: AliasChange): Promise<AliasMove> {
    const target = await this.#options.registry.version(model, version);
    if (target.quarantine !== undefined) {
      await this.#options.registry.release(model, version);
      this.#live.get(model)?.delete(version);
    }
    await this.#options.registry.setHeld(model, false);
    const { state, failure } = await this.#load(target);
    await this.#checkRemote(target);
    if (state !== 'ready') throw failure ?? fault('version_not_ready', model, version);
    await this.#options.prepare?.(model, version);
    const move = await this.#options.registry.moveAlias(model, alias, version, change);
    await this.#reconcile(model);
    this.#options.log.info({ model, ...move }, 'rollout.alias_moved');
    return move;
  }

  /** Points the champion back at the version before. @throws Fault `no_previous_version` */
  async rollback(model: ModelName, change: Change): Promise<AliasMove> {
    return this.#turns.take(model, async () => {
      await this.#options.registry.versions(model);
      const previous = await this.#options.registry.previousVersion(model, champion);
      if (previous === undefined) throw fault('no_previous_version', model);
      return this.#moveAlias(model, champion, previous, change);
    });
  }

  async removeAlias(model: ModelName, alias: Alias, change: Change): Promise<AliasMove> {
    return this.#turns.take(model, async () => {
      const move = await this.#options.registry.removeAlias(model, alias, change);
      await this.#reconcile(model);
      return move;
    });
  }

  async removeVersion(model: ModelName, version: number): Promise<void> {
    await this.#turns.take(model, async () => {
      const deployment = this.#routed.get(model)?.deployment;
      if (deployment !== undefined && versionsOf(deployment).includes(version)) {
        throw fault('version_deployed', model, version);
      }
      await this.#options.registry.removeVersion(model, version);
      await this.#reconcile(model);
    });
  }

  async removeModel(model: ModelName): Promise<void> {
    await this.#turns.take(model, async () => {
      await this.#options.registry.removeModel(model);
      await this.#reconcile(model);
    });
  }

  /** Frees what a model holds: none of its versions answers until it is loaded again. @throws Fault `model_not_found` */
  async unload(model: ModelName): Promise<void> {
    await this.#turns.take(model, async () => {
      await this.#options.registry.setHeld(model, true);
      await this.#reconcile(model);
    });
  }

  /**
   * Serves a model again; `batching` holds until the next load.
   * @throws Fault `model_not_found`, `version_not_ready`, or why the champion cannot be loaded
   */
  async load(model: ModelName, batching: Partial<ModelConfig['batching']> = {}): Promise<void> {
    await this.#turns.take(model, async () => {
      const { registry } = this.#options;
      await registry.setHeld(model, false);
      this.#batching.set(model, batching);
      await this.#reconcile(model);
      const live = (await registry.aliases(model)).find(target => target.alias === champion);
      const loaded = live && this.#live.get(model)?.get(live.version);
      if (live === undefined || loaded?.state === 'ready') return;
      throw loaded?.failure ?? fault('version_not_ready', model, live.version);
    });
  }

  /** A version was added without moving an alias; gateways and the console should know of it. */
  async announce(model: ModelName): Promise<void> {
    await this.#turns.take(model, () => this.#reconcile(model));
  }

  /** A version whose runners died too often: it stops serving and its aliases fall back to the last good version. */
  async quarantine(model: ModelName, version: number, reason: string): Promise<void> {
    // Before its turn comes, which may be behind a long load: who waits for this version waits in vain.
    this.#set(model, version, { state: 'quarantined', reason, sockets: [] });
    await this.#reroute(model, ({ versions, ...routed }) => ({
      ...routed,
      versions: versions.map(one =>
        one.version === version ? { ...one, state: 'quarantined', reason, sockets: [] } : one,
      ),
    }));
    await this.#turns.take(model, async () => {
      const { registry, log } = this.#options;
      await registry.quarantine(model, version, reason);
      this.#set(model, version, { state: 'quarantined', reason, sockets: [] });
      for (const target of await registry.aliases(model)) {
        if (target.version !== version) continue;
        const fallback = await registry.previousVersion(model, target.alias);
        if (fallback === undefined) continue;
        const { state } = await this.#load(await registry.version(model, fallback));
        if (state !== 'ready') continue;
        await registry.moveAlias(model, target.alias, fallback, {
          actor: 'holdfast',
          reason: `version ${version}: ${reason}`,
        });
        log.error({ model, version, fallback, alias: target.alias }, 'rollout.fell_back');
      }
      await this.#reconcile(model);
    });
  }

  /** Makes what runs and what is routed equal to what the registry says. */
  async #reconcile(model: ModelName): Promise<void> {
    const { registry, runners, log } = this.#options;
    const known = (await registry.modelNames()).includes(model);
    const versions = known ? await registry.versions(model) : [];
    const aliases = known ? await registry.aliases(model) : [];
    const targets = Object.fromEntries(aliases.map(target => [target.alias, target.version]));
    const deployment = known ? this.#options.deploymentOf(model, targets) : undefined;
    const isHeld = known && (await registry.isHeld(model));
    const kept = [...(this.#options.keptOf?.(model) ?? []), ...this.#pinnedByEnsembles(model)];
    const wanted = new Set(
      isHeld ? [] : [...Object.values(targets), ...(deployment ? versionsOf(deployment) : []), ...kept],
    );
    for (const version of isHeld ? [] : (this.#options.alsoWanted?.(model) ?? [])) wanted.add(version);
    for (const spare of known && !isHeld ? await this.#warmSpares(model) : []) {
      // The history still tells of versions that were removed.
      const isThere = versions.some(({ version }) => version === spare);
      if (isThere && this.#live.get(model)?.get(spare)?.state === 'ready') wanted.add(spare);
    }
    await Promise.all(versions.filter(version => wanted.has(version.version)).map(version => this.#load(version)));
    const dropped = [...(this.#live.get(model) ?? [])].filter(
      ([version, live]) => !wanted.has(version) && (live.sockets.length > 0 || live.ensemble !== undefined),
    );
    for (const [version] of dropped) this.#live.get(model)?.delete(version);
    if (!known) this.#live.delete(model);
    await this.#publish(model, versions, targets);
    for (const [version] of dropped) {
      // Not awaited: the drain may take as long as the longest run, and nobody is routed there any more.
      runners
        .stop(model, version)
        .catch((error: unknown) => log.error({ model, version, error }, 'rollout.stop_failed'));
    }
    this.#options.onChange(model);
  }

  /** Versions that ensembles name by number. */
  #pinnedByEnsembles(model: ModelName): number[] {
    const live = [...this.#live.values()].flatMap(versions => [...versions.values()]);
    const steps = live.flatMap(({ ensemble }) => ensemble?.steps ?? []);
    return steps.flatMap(step => (step.model === model && typeof step.version === 'number' ? step.version : []));
  }

  /** An ensemble has no runner: it is ready once the versions that it names by number are loaded. */
  async #loadEnsemble({ model, version }: RegisteredVersion, ensemble: Ensemble): Promise<Live> {
    const live = this.#set(model, version, { state: 'ready', reason: undefined, sockets: [], ensemble });
    const pinned = new Set(ensemble.steps.flatMap(step => (typeof step.version === 'number' ? step.model : [])));
    // In the turns of the parts, which never wait for an ensemble.
    await Promise.all([...pinned].map(part => this.announce(part)));
    return live;
  }

  /** A version on another server is ready whether or not that is there now: it may come back at any time. */
  async #loadRemote(version: RegisteredVersion, source: string): Promise<Live> {
    const { configOf, remotes, log } = this.#options;
    const { model, signature } = version;
    const { runner, sequences } = configOf(model);
    if (sequences !== undefined)
      throw fault('model_rejected', 'a version on another server keeps no states of sequences');
    const missing = await remotes.compare(source, signature);
    if (missing !== undefined) log.warn({ model, version: version.version, why: missing.away }, 'rollout.remote_away');
    const sockets = remoteLinks(source, runner.instances);
    return this.#set(model, version.version, { state: 'ready', reason: undefined, sockets });
  }

  /** Whoever moves an alias to another server wants it to answer. @throws Fault `remote_unavailable`, `model_rejected` */
  async #checkRemote(version: RegisteredVersion): Promise<void> {
    const { blobs, remotes } = this.#options;
    const source = await remoteOfVersion(blobs, version);
    const missing = source === undefined ? undefined : await remotes.compare(source, version.signature);
    if (missing !== undefined) throw fault('remote_unavailable', version.model, missing.away);
  }

  /** Versions kept loaded though nobody is routed there: a rollback, or going back on one, is then only a flip. */
  async #warmSpares(model: ModelName): Promise<number[]> {
    const { registry } = this.#options;
    const [lastMove] = await registry.history(model, 1);
    const spares = [await registry.previousVersion(model, champion), lastMove?.fromVersion];
    return spares.filter(version => version !== undefined && version !== null);
  }

  async #load(version: RegisteredVersion): Promise<Live> {
    const current = this.#live.get(version.model)?.get(version.version);
    if (current?.state === 'ready' || current?.state === 'loading') return current;
    if (version.quarantine !== undefined) {
      return this.#set(version.model, version.version, {
        state: 'quarantined',
        reason: version.quarantine,
        sockets: [],
      });
    }
    const { runner, warmUp, sequences } = this.#options.configOf(version.model);
    this.#set(version.model, version.version, { state: 'loading', reason: undefined, sockets: [] });
    try {
      const ensemble = await readEnsemble(this.#options.blobs, version);
      if (ensemble !== undefined) return await this.#loadEnsemble(version, ensemble);
      const remote = await remoteOfVersion(this.#options.blobs, version);
      if (remote !== undefined) return await this.#loadRemote(version, remote);
      const sockets = await this.#options.runners.start(
        {
          model: version.model,
          version: version.version,
          modelPath: await this.#options.blobs.locate(version.digest),
          signature: version.signature,
          threads: runner.threads,
          hangTimeoutMs: runner.hangTimeout,
          ...(runner.memoryBytes !== undefined && { memoryBytes: runner.memoryBytes }),
          ...(warmUp.length > 0 && { warmUp }),
          ...(runner.executionProviders !== undefined && { executionProviders: runner.executionProviders }),
          ...(sequences !== undefined && { sequences: { states: sequences.states, idleMs: sequences.idleTimeout } }),
        },
        runner.instances,
      );
      return this.#set(version.model, version.version, { state: 'ready', reason: undefined, sockets });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log.error({ model: version.model, version: version.version, reason }, 'rollout.load_failed');
      return this.#set(version.model, version.version, { state: 'failed', reason, sockets: [], failure: error });
    }
  }

  #set(model: ModelName, version: number, live: Live): Live {
    const versions = this.#live.get(model) ?? new Map<number, Live>();
    this.#live.set(model, versions.set(version, live));
    return live;
  }

  async #publish(
    model: ModelName,
    versions: readonly RegisteredVersion[],
    aliases: Readonly<Record<string, number>>,
  ): Promise<void> {
    if (versions.length === 0) this.#routed.delete(model);
    else {
      // Asked again: it may have changed while a version was being loaded.
      const deployment = this.#options.deploymentOf(model, aliases);
      const routed = versions.map(version => this.#route(version));
      this.#routed.set(model, { name: model, aliases, versions: routed, deployment });
    }
    await this.#send();
  }

  /** Tables leave in the order of their generation; nobody waits for what an earlier one lets go of. */
  async #send(): Promise<void> {
    this.#generation++;
    await this.#options.gateways.apply(this.table);
  }

  #route(version: RegisteredVersion): RoutedVersion {
    const { state, reason, sockets, ensemble } = this.#live.get(version.model)?.get(version.version) ?? unloaded;
    const { batching: configured, runner, cache, sequences } = this.#options.configOf(version.model);
    const batching = { ...configured, ...this.#batching.get(version.model) };
    return {
      version: version.version,
      state,
      reason,
      signature: sequences === undefined ? version.signature : withoutStates(version.signature, sequences.states),
      sockets,
      batching: { ...batching, queueRows: queueRowsOf(batching) },
      hangTimeoutMs: runner.hangTimeout,
      ...(sequences !== undefined && {
        sequences: { idleMs: sequences.idleTimeout, maximum: sequences.maximum },
      }),
      // What an ensemble answers changes with its parts, so it is not remembered.
      ...(cache.bytes > 0 &&
        ensemble === undefined && { cache: { bytes: cache.bytes, maximumAgeMs: cache.maximumAge } }),
      ...(ensemble && { ensemble }),
    };
  }
}
