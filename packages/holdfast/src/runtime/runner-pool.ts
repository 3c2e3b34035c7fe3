import { join } from 'node:path';
import { fault, type ProcessStatus } from '@holdfast/api';
import type { Log } from '../telemetry/index.ts';
import { startChild } from './child.ts';
import type { RunnerTarget } from './runner.ts';
import type { ToRunner } from './runner-messages.ts';
import { RunnerSlot, type SpawnRunner } from './runner-slot.ts';
import { openSocketFolder, type SocketFolder } from './socket-folder.ts';

/** What a pool tells its owner. */
export interface RunnerEvents {
  /** A process answers on its socket, for the first time or after a restart. */
  readonly ready: RunnerEvent & { readonly loadMs: number; readonly note: string | undefined };
  /** A process ended without being asked to; unless the version is quarantined, its replacement is on its way. */
  readonly died: RunnerEvent & { readonly reason: string };
  /** Its processes died too often: none is left and none will be started until `start` is called again. */
  readonly quarantined: { readonly model: string; readonly version: number; readonly reason: string };
}

export interface RunnerEvent {
  readonly model: string;
  readonly version: number;
  readonly socketPath: string;
  readonly pid: number;
}

export interface RunnerPoolOptions {
  /** Folder for sockets; made when missing. */
  readonly runDirectory: string;
  readonly log: Log;
  /** Milliseconds from a monotonic clock. @default performance.now */
  readonly clock?: () => number;
  /** Longest time from start to ready, in ms. @default 60000 */
  readonly loadTimeoutMs?: number;
  /** How long a process that is asked to end may finish its runs, in ms. @default 10000 */
  readonly stopGraceMs?: number;
  /** Period of the questions for a sign of life, in ms. @default 2000 */
  readonly heartbeatMs?: number;
  /** Starts processes; for tests. */
  readonly spawn?: SpawnRunner;
}

/** Deaths of one version within the window that end its service. */
const deathsToQuarantine = 3;
const deathWindowMs = 60_000;

interface Group {
  target: RunnerTarget;
  readonly slots: RunnerSlot[];
  readonly deathsMs: number[];
  /** Settles those who wait in `start`; undefined when nobody does. */
  starting: PromiseWithResolvers<void> | undefined;
}

/** The runner processes of all versions on this machine; control's side. Use `startRunnerPool`. */
export class RunnerPool implements AsyncDisposable {
  readonly #options: RunnerPoolOptions;
  readonly #clock: () => number;
  readonly #folder: SocketFolder;
  readonly #spawn: SpawnRunner;
  readonly #groups = new Map<string, Group>();
  /** Asked to end and not gone yet. */
  readonly #stopping = new Set<Promise<void>>();
  readonly #listeners: { [K in keyof RunnerEvents]: Set<(event: RunnerEvents[K]) => void> } = {
    ready: new Set(),
    died: new Set(),
    quarantined: new Set(),
  };
  readonly #heartbeat: NodeJS.Timeout;
  #nextSocket = 1;
  #isClosed = false;

  constructor(options: RunnerPoolOptions) {
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#folder = openSocketFolder(options.runDirectory);
    const cwd = this.#folder.emptyFolder;
    this.#spawn = options.spawn ?? (wanted => startChild<ToRunner>({ ...wanted, entry: 'runner-process', cwd }));
    this.#heartbeat = setInterval(() => this.#checkLives(), options.heartbeatMs ?? 2000).unref();
  }

  /**
   * Brings the version to `instances` processes and gives their sockets once all are ready; a version in quarantine gets
   * another chance. A surplus of processes is stopped.
   * @throws Fault `model_rejected` when the model cannot be loaded, `draining` when it is stopped meanwhile
   */
  async start(target: RunnerTarget, instances: number): Promise<readonly string[]> {
    if (this.#isClosed) throw fault('draining');
    const key = keyOf(target.model, target.version);
    const group = this.#groups.get(key) ?? { target, slots: [], deathsMs: [], starting: undefined };
    this.#groups.set(key, group);
    group.target = target;
    for (const surplus of group.slots.splice(instances)) void this.#stop(surplus);
    while (group.slots.length < instances) group.slots.push(this.#openSlot(group));
    if (group.slots.some(slot => slot.state !== 'ready')) {
      group.starting ??= Promise.withResolvers();
      await group.starting.promise;
    }
    return group.slots.map(slot => slot.socketPath);
  }

  /** Lets the runs under way finish and ends the version's processes; resolves when they are gone. */
  async stop(model: string, version: number): Promise<void> {
    const key = keyOf(model, version);
    const group = this.#groups.get(key);
    if (group === undefined) return;
    this.#groups.delete(key);
    group.starting?.reject(fault('draining'));
    await Promise.all(group.slots.map(slot => this.#stop(slot)));
  }

  /**
   * Kills the process behind a socket because a run on it hangs; its replacement begins at once. A report that comes
   * when the process has been replaced already (two gateways may see the same hang) does nothing.
   */
  replaceHung(model: string, version: number, socketPath: string): void {
    const group = this.#groups.get(keyOf(model, version));
    const slot = group?.slots.find(candidate => candidate.socketPath === socketPath);
    if (group === undefined || slot === undefined || !slot.canHaveHung(group.target.hangTimeoutMs)) return;
    slot.kill(`a run took longer than ${group.target.hangTimeoutMs} ms`);
  }

  /** Listens to one kind of event; the answer ends it. */
  on<K extends keyof RunnerEvents>(kind: K, listener: (event: RunnerEvents[K]) => void): () => void {
    this.#listeners[kind].add(listener);
    return () => this.#listeners[kind].delete(listener);
  }

  /** All processes, for the status page. */
  processes(): ProcessStatus[] {
    return [...this.#groups.values()].flatMap(({ target, slots }) =>
      slots.map((slot, index) => ({
        name: `runner ${target.model}/${target.version}${slots.length > 1 ? ` #${index + 1}` : ''}`,
        kind: 'runner' as const,
        pid: slot.pid,
        state: slot.state,
        restarts: slot.restarts,
        residentBytes: slot.residentBytes(),
      })),
    );
  }

  /** Ends every process; none is left when this resolves. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#heartbeat);
    await Promise.all([...this.#groups.values()].map(({ target }) => this.stop(target.model, target.version)));
    await Promise.all(this.#stopping);
    this.#folder[Symbol.dispose]();
  }

  #openSlot(group: Group): RunnerSlot {
    return new RunnerSlot({
      target: group.target,
      socketPath: join(this.#folder.path, `${this.#nextSocket++}.sock`),
      spawn: this.#spawn,
      clock: this.#clock,
      loadTimeoutMs: this.#options.loadTimeoutMs ?? 60_000,
      onReady: (slot, loadMs, note) => this.#ready(group, slot, loadMs, note),
      onDeath: (slot, reason, errors) => this.#died(group, slot, reason, errors),
    });
  }

  #stop(slot: RunnerSlot): Promise<void> {
    const stopped = slot.stop(this.#options.stopGraceMs ?? 10_000).finally(() => this.#stopping.delete(stopped));
    this.#stopping.add(stopped);
    return stopped;
  }

  #ready(group: Group, slot: RunnerSlot, loadMs: number, note: string | undefined): void {
    const event = this.#event(group, slot);
    this.#options.log.info({ ...event, loadMs: Math.round(loadMs), note, restarts: slot.restarts }, 'runner.ready');
    this.#emit('ready', { ...event, loadMs, note });
    if (group.slots.every(other => other.state === 'ready')) {
      group.starting?.resolve();
      group.starting = undefined;
    }
  }

  #died(group: Group, slot: RunnerSlot, reason: string, errors: string): void {
    const { model, version } = group.target;
    const key = keyOf(model, version);
    if (this.#groups.get(key) !== group) return;
    const event = this.#event(group, slot);
    this.#options.log.warn({ ...event, reason, errors }, 'runner.died');
    if (!slot.hasBeenReady) {
      // A second attempt would end the same way.
      this.#abandon(key, group, fault('model_rejected', `it cannot be loaded: ${reason}`));
      return;
    }
    this.#emit('died', { ...event, reason });
    const nowMs = this.#clock();
    group.deathsMs.push(nowMs);
    while (nowMs - group.deathsMs[0]! > deathWindowMs) group.deathsMs.shift();
    if (group.deathsMs.length < deathsToQuarantine) {
      slot.restart();
      return;
    }
    const why = `${deathsToQuarantine} deaths of its process within ${deathWindowMs / 1000} s; the last: ${reason}`;
    this.#options.log.error({ model, version, reason: why }, 'runner.quarantined');
    this.#abandon(key, group, fault('model_rejected', why));
    this.#emit('quarantined', { model, version, reason: why });
  }

  /** Gives the version up; whoever waits for it learns why. */
  #abandon(key: string, group: Group, why: Error): void {
    this.#groups.delete(key);
    group.starting?.reject(why);
    for (const slot of group.slots) void this.#stop(slot);
  }

  #checkLives(): void {
    for (const { target, slots } of this.#groups.values()) {
      // A process answers nothing while it runs, and a run may take as long as the hang timeout.
      const silenceMs = target.hangTimeoutMs + 2 * (this.#options.heartbeatMs ?? 2000);
      for (const slot of slots) slot.checkLife(silenceMs);
    }
  }

  #event(group: Group, slot: RunnerSlot): RunnerEvent {
    const { model, version } = group.target;
    return { model, version, socketPath: slot.socketPath, pid: slot.pid };
  }

  #emit<K extends keyof RunnerEvents>(kind: K, event: RunnerEvents[K]): void {
    for (const listener of this.#listeners[kind]) listener(event);
  }
}

/** Opens the pool: makes the socket folder and removes what dead owners left there. */
export function startRunnerPool(options: RunnerPoolOptions): RunnerPool {
  return new RunnerPool(options);
}

function keyOf(model: string, version: number): string {
  return `${model}/${version}`;
}
