import { join } from 'node:path';
import { champion, type Ensemble, fault, isFault, type ModelName, parseModelName } from '@holdfast/api';
import type { Config, WarmUpConfig } from '../config/index.ts';
import type { BlobStore, Registry } from '../registry/index.ts';
import { type Fleet, type Publisher, storeSource } from '../rollout/index.ts';
import { Turns } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import { mismatch } from './check-signature.ts';
import { type FolderProblem, labelsOf, type ModelFolder, readRepository, versionSource } from './model-folder.ts';
import type { ConfiguredStep, TritonConfig } from './triton-config.ts';

type RunConfig = Config['defaults'];

export interface ModelRepositoryOptions {
  readonly folder: string;
  /** How often it is looked through for changes; only at start when undefined. */
  readonly pollMs: number | undefined;
  /** Models are served only when a client loads them. */
  readonly isExplicit: boolean;
  /** What the configuration file says of a model. */
  readonly configOf: (model: ModelName) => RunConfig;
  readonly log: Log;
}

/** Where the models of the folder go. */
export interface RepositoryRooms {
  readonly registry: Pick<Registry, 'aliases' | 'history' | 'isHeld' | 'modelNames'>;
  readonly blobs: BlobStore;
  readonly publisher: Pick<Publisher, 'publish' | 'publishEnsemble' | 'isRegistered' | 'describe'>;
  readonly fleet: Pick<Fleet, 'announce' | 'load' | 'moveAlias' | 'unload'>;
}

/** A change is taken up when it looks the same after this time: a file that is being copied is left alone. */
const settleMs = 500;
const actor = 'holdfast';

function withFile(name: string, request: WarmUpConfig, folder: string): WarmUpConfig {
  const inputs = Object.entries(request.inputs).map(([input, one]) => [
    input,
    { ...one, ...(one.file !== undefined && { file: join(folder, name, 'warmup', one.file) }) },
  ]);
  return { ...request, inputs: Object.fromEntries(inputs) };
}

function orderOf({ config }: ModelFolder): number {
  return config?.ensemble === undefined ? 0 : 1;
}

/** The declared steps with the declared order of inputs and outputs. @throws Fault `bad_model_name` */
function ensembleOf(steps: readonly ConfiguredStep[], { inputs, outputs }: TritonConfig): Ensemble {
  return {
    ...(inputs.length > 0 && { inputs: inputs.map(({ name }) => name) }),
    steps: steps.map(({ model, version, ...maps }) => ({
      model: parseModelName(model),
      version: version ?? champion,
      inputs: Object.fromEntries(maps.inputs),
      outputs: Object.fromEntries(maps.outputs),
    })),
    ...(outputs.length > 0 && { outputs: outputs.map(({ name }) => name) }),
  };
}

/**
 * A folder of models that is served as it lies there: its numbers are the version numbers of the registry, its newest
 * served version is the champion. A version that cannot be served leaves the one before in place.
 */
export class ModelRepository implements AsyncDisposable {
  readonly #options: ModelRepositoryOptions;
  readonly #served = new Map<ModelName, ModelFolder>();
  /** The state of each folder that was taken up, or refused, last. */
  readonly #handled = new Map<string, string>();
  /** Changes that were seen once. */
  readonly #pending = new Map<string, string>();
  #rooms: RepositoryRooms | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #turns = new Turns();
  #isClosed = false;

  private constructor(options: ModelRepositoryOptions) {
    this.#options = options;
  }

  /**
   * Reads the folder, so that what is in the registry already is loaded as the folder says.
   * @throws Fault `bad_configuration` when the folder cannot be read, or would be polled and explicit at once
   */
  static async open(options: ModelRepositoryOptions): Promise<ModelRepository> {
    const { folder, pollMs, isExplicit } = options;
    if (isExplicit && pollMs !== undefined) {
      const why = 'is either polled or left to clients that load models; leave out the poll or the explicit control';
      throw fault('bad_configuration', folder, why);
    }
    const repository = new ModelRepository(options);
    const { folders } = await repository.#read();
    for (const one of folders) repository.#served.set(one.name, one);
    return repository;
  }

  /** How a model is run: what its `config.pbtxt` says over what the configuration file says. */
  configOf(model: ModelName): RunConfig {
    const base = this.#options.configOf(model);
    const config = this.#served.get(model)?.config;
    if (config === undefined) return base;
    const { maximumBatch, instances, warmUp } = config;
    const batching = {
      ...base.batching,
      ...(maximumBatch !== undefined && { maximumRows: Math.max(1, maximumBatch) }),
      ...config.batching,
    };
    const runner = { ...base.runner, ...(instances !== undefined && { instances }) };
    const requests = warmUp.map(request => withFile(model, request, this.#options.folder));
    return { ...base, batching, runner, warmUp: requests.length > 0 ? requests : base.warmUp };
  }

  /** The versions that the folder wants served. */
  keptOf(model: ModelName): readonly number[] {
    const folder = this.#served.get(model);
    return folder?.config?.ensemble === undefined ? (folder?.versions ?? []) : [];
  }

  /**
   * Registers and serves what is in the folder, and from then on follows it when it is polled.
   * @returns what cannot be served, with the reason
   */
  async start(
    rooms: RepositoryRooms,
    progress: (text: string) => void,
  ): Promise<readonly { readonly model: string; readonly why: string }[]> {
    this.#rooms = rooms;
    if (this.#options.isExplicit) return [];
    const { folders, problems } = await this.#read();
    const found: { model: string; why: string }[] = problems.map(({ model, why }) => ({ model, why }));
    for (const problem of problems) this.#handled.set(problem.model, problem.fingerprint);
    // Ensembles last: they are checked against their models.
    for (const folder of folders.toSorted((a, b) => orderOf(a) - orderOf(b))) {
      progress(`holdfast: taking ${folder.name} from the model repository\n`);
      const why = await this.#take(folder);
      if (why !== undefined) found.push({ model: folder.name, why });
    }
    this.#schedule(this.#options.pollMs);
    return found;
  }

  /**
   * Registers what is in the folder of one model now.
   * @returns false when there is no such folder
   * @throws Fault when it cannot be served
   */
  async load(model: string): Promise<boolean> {
    const { folders, problems } = await this.#read();
    const problem = problems.find(one => one.model === model);
    if (problem !== undefined) throw fault('load_failed', model, problem.why);
    const folder = folders.find(one => one.name === model);
    if (folder === undefined) return false;
    // The models of an ensemble are loaded with it.
    const parts = new Set(folder.config?.ensemble?.map(step => step.model));
    for (const part of folders) if (parts.has(part.name)) await this.#turns.take(() => this.#sync(part));
    await this.#turns.take(() => this.#sync(folder));
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#turns.ended();
  }

  #read(): ReturnType<typeof readRepository> {
    const { folder, configOf } = this.#options;
    return readRepository(folder, model => configOf(parseModelName(model)).versions);
  }

  #schedule(afterMs: number | undefined): void {
    if (afterMs === undefined || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      void this.#turns.take(async () => {
        const hasUnsettled = await this.#look().catch((error: unknown) => {
          // A disk that is away for a moment takes no model out of service.
          this.#options.log.warn({ error, folder: this.#options.folder }, 'repository.unreadable');
          return false;
        });
        const { pollMs = settleMs } = this.#options;
        this.#schedule(hasUnsettled ? Math.min(pollMs, settleMs) : pollMs);
      });
    }, afterMs);
    this.#timer.unref();
  }

  /** One look for changes. @returns whether a change must be looked at again before it is taken up */
  async #look(): Promise<boolean> {
    const { log } = this.#options;
    const { folders, problems } = await this.#read();
    if (folders.length + problems.length === 0 && this.#served.size > 0)
      throw fault('bad_configuration', this.#options.folder, 'the model repository is empty; what is served stays');
    const ordered = folders.toSorted((a, b) => orderOf(a) - orderOf(b));
    const settled = [...ordered, ...problems].filter(one => this.#hasSettled(one));
    for (const one of settled) {
      if (this.#isClosed) return false;
      if ('why' in one) this.#refuse(one);
      else await this.#take(one);
    }
    const present = new Set<string>([...folders.map(one => one.name), ...problems.map(one => one.model)]);
    // What was gone again before it was taken up waits for nothing.
    for (const name of this.#pending.keys()) if (!present.has(name)) this.#pending.delete(name);
    for (const name of this.#served.keys()) {
      if (present.has(name)) continue;
      // Before it is forgotten, so that one that cannot be unloaded now is tried again at the next look.
      await this.#unload(name);
      log.info({ model: name }, 'repository.model_removed');
      this.#served.delete(name);
      this.#handled.delete(name);
    }
    return this.#pending.size > 0;
  }

  async #unload(model: ModelName): Promise<void> {
    try {
      await this.#rooms?.fleet.unload(model);
    } catch (error) {
      // Somebody removed it from the registry, too.
      if (!isFault(error) || error.code !== 'model_not_found') throw error;
    }
  }

  #hasSettled(one: ModelFolder | FolderProblem): boolean {
    const name = 'name' in one ? one.name : one.model;
    const hasChanged = this.#handled.get(name) !== one.fingerprint;
    const isSettled = hasChanged && this.#pending.get(name) === one.fingerprint;
    if (hasChanged && !isSettled) this.#pending.set(name, one.fingerprint);
    else this.#pending.delete(name);
    return isSettled;
  }

  #refuse({ model, why, fingerprint }: FolderProblem): void {
    this.#handled.set(model, fingerprint);
    this.#options.log.warn({ model, why }, 'repository.load_failed');
  }

  /** Serves what a folder holds, or says why not; what served before goes on then. */
  async #take(folder: ModelFolder): Promise<string | undefined> {
    try {
      await this.#sync(folder);
      this.#handled.set(folder.name, folder.fingerprint);
      return undefined;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#refuse({ model: folder.name, why, fingerprint: folder.fingerprint });
      return why;
    }
  }

  async #sync(folder: ModelFolder): Promise<void> {
    const { log } = this.#options;
    const rooms = this.#rooms;
    if (rooms === undefined) return;
    const { name, config } = folder;
    for (const note of config?.notes ?? []) log.info({ model: name, note }, 'repository.field_ignored');
    if (config?.ensemble !== undefined) {
      await rooms.publisher.publishEnsemble(name, ensembleOf(config.ensemble, config), {
        actor,
        reason: 'model repository',
      });
      this.#served.set(name, folder);
      if (await rooms.registry.isHeld(name)) await rooms.fleet.load(name);
      return;
    }
    for (const version of folder.versions) await this.#register(rooms, folder, version);
    const before = this.#served.get(name);
    this.#served.set(name, folder);
    try {
      await this.#serve(rooms, folder);
    } catch (error) {
      if (before === undefined) this.#served.delete(name);
      else this.#served.set(name, before);
      throw error;
    }
  }

  /** @throws Fault when the version is none, or not what the configuration says */
  async #register({ publisher, blobs }: RepositoryRooms, folder: ModelFolder, version: number): Promise<void> {
    const { name, config } = folder;
    const labels = await labelsOf(folder);
    const path = await versionSource(folder, version);
    const request = {
      ...(await storeSource(blobs, path)),
      version,
      fileName: `${name}/${version}`,
      alias: null,
      ...(labels && { labels }),
    };
    if (!(await publisher.isRegistered(name, version, request)))
      await publisher.publish(name, request, { actor, reason: 'model repository' });
    if (config === undefined) return;
    const { signature } = await publisher.describe(name, version);
    const why = mismatch(config, signature);
    if (why !== undefined) throw fault('model_rejected', `version ${version}: ${why}`);
  }

  /** The newest version answers, unless somebody took it back by hand. */
  async #serve({ registry, fleet }: RepositoryRooms, { name, versions }: ModelFolder): Promise<void> {
    const newest = versions.at(-1);
    if (newest === undefined) return;
    const current = (await registry.aliases(name)).find(target => target.alias === champion)?.version;
    const hasServed = (await registry.history(name)).some(move => move.alias === champion && move.toVersion === newest);
    const isGone = current === undefined || !versions.includes(current);
    if (current !== newest && (isGone || !hasServed))
      await fleet.moveAlias(name, champion, newest, { actor, reason: `version ${newest} of the model repository` });
    if (await registry.isHeld(name)) await fleet.load(name);
    else await fleet.announce(name);
  }
}
