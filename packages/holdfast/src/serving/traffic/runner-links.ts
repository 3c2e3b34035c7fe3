import type { Signature } from '@holdfast/api';
import type { Runner } from '../../runtime/index.ts';
import type { Log } from '../../telemetry/index.ts';
import type { FreeRunners } from '../batching/batcher.ts';

export interface ConnectOptions {
  /** For error sentences. */
  readonly model: string;
  /** A run longer than this is given up. */
  readonly hangTimeoutMs: number;
  readonly signature: Signature;
}

/** A runner that may say whether its process is there; its runs wait for a process that is being replaced. */
export interface ConnectedRunner extends Runner {
  readonly isConnected?: boolean;
  /** Of a runner on another server: why its runs would fail at once. */
  readonly away?: string | undefined;
}

/** Opens the link to the runner process behind a Unix socket, or to another server; rejects when none answers. */
export type Connect = (socket: string, options: ConnectOptions) => Promise<ConnectedRunner>;

export interface RunnerLinksOptions extends ConnectOptions {
  readonly connect: Connect;
  /** Called when a runner became free. */
  readonly wake: () => void;
  readonly log: Log;
}

/** A table is not held up longer than this by a runner that does not answer; its link is opened all the same. */
const openTimeoutMs = 3000;
const firstRetryMs = 50;
const lastRetryMs = 2000;

/** One socket: connected, or on the way to be. */
interface Link {
  readonly socket: string;
  /** 1 for the first of the version; reused after it is gone. */
  readonly instance: number;
  runner: ConnectedRunner | undefined;
  isBusy: boolean;
  /** No longer wanted: closed as soon as it is idle. */
  isRetired: boolean;
  readonly closed: PromiseWithResolvers<void>;
  retryMs: number;
  timer: NodeJS.Timeout | undefined;
}

function newLink(socket: string, instance: number): Link {
  return {
    socket,
    instance,
    runner: undefined,
    isBusy: false,
    isRetired: false,
    closed: Promise.withResolvers(),
    retryMs: firstRetryMs,
    timer: undefined,
  };
}

/** The links of one version to its runner processes, each lent for one batch at a time. */
export class RunnerLinks implements FreeRunners {
  readonly #options: RunnerLinksOptions;
  readonly #links = new Map<string, Link>();
  readonly #lent = new Map<Runner, Link>();

  constructor(options: RunnerLinksOptions) {
    this.#options = options;
  }

  /** Opens links to the sockets that are new; settles when each is connected, was refused, or takes too long. */
  async open(sockets: readonly string[]): Promise<void> {
    const added: Link[] = [];
    for (const socket of sockets) {
      if (this.#links.has(socket)) continue;
      const link = newLink(socket, this.#freeInstance());
      this.#links.set(socket, link);
      added.push(link);
    }
    if (added.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>(resolve => {
      timer = setTimeout(resolve, openTimeoutMs);
    });
    await Promise.race([Promise.all(added.map(link => this.#connect(link))), late]);
    clearTimeout(timer);
  }

  /** Closes the links to all other sockets, each after the run it is in; settles when they are closed. */
  async keepOnly(sockets: readonly string[]): Promise<void> {
    const wanted = new Set(sockets);
    const leaving = [...this.#links.values()].filter(link => !wanted.has(link.socket));
    for (const link of leaving) {
      this.#links.delete(link.socket);
      link.isRetired = true;
      clearTimeout(link.timer);
      if (!link.isBusy) void this.#dispose(link);
    }
    await Promise.all(leaving.map(link => link.closed.promise));
  }

  /** Closes all links at once: what waits for a process behind them learns that none will come. */
  async abandon(): Promise<void> {
    const links = [...this.#links.values()];
    this.#links.clear();
    for (const link of links) {
      link.isRetired = true;
      clearTimeout(link.timer);
    }
    await Promise.all(links.map(link => this.#dispose(link)));
  }

  async #connect(link: Link): Promise<void> {
    const { connect, model, hangTimeoutMs, signature, log, wake } = this.#options;
    try {
      link.runner = await connect(link.socket, { model, hangTimeoutMs, signature });
    } catch (error) {
      if (link.isRetired) return;
      log.warn({ model, socket: link.socket, error }, 'runner.unreachable');
      link.timer = setTimeout(() => void this.#connect(link), link.retryMs);
      link.timer.unref();
      link.retryMs = Math.min(2 * link.retryMs, lastRetryMs);
      return;
    }
    if (link.isRetired) await this.#dispose(link);
    else wake();
  }

  #freeInstance(): number {
    const taken = new Set([...this.#links.values()].map(({ instance }) => instance));
    let instance = 1;
    while (taken.has(instance)) instance++;
    return instance;
  }

  /** Whether the runners are on another server. */
  get isRemote(): boolean {
    for (const { runner } of this.#links.values()) if (runner !== undefined && 'away' in runner) return true;
    return false;
  }

  /** Why no runner would answer; undefined when one might. */
  get away(): string | undefined {
    let why: string | undefined;
    for (const { runner } of this.#links.values()) {
      if (runner?.away === undefined) return undefined;
      why = runner.away;
    }
    return why;
  }

  has(runner: Runner): boolean {
    for (const link of this.#links.values()) if (link.runner === runner) return true;
    return false;
  }

  /** The number of the instance that a lent runner is. */
  instanceOf(runner: Runner): number | undefined {
    return this.#lent.get(runner)?.instance;
  }

  take(): Runner | undefined {
    let chosen: Link | undefined;
    for (const link of this.#links.values()) {
      if (link.isBusy || link.runner === undefined) continue;
      chosen = link;
      // A process that is being replaced is used only when there is no other: the run waits for it.
      if (link.runner.isConnected !== false) break;
    }
    if (chosen?.runner === undefined) return undefined;
    chosen.isBusy = true;
    this.#lent.set(chosen.runner, chosen);
    return chosen.runner;
  }

  giveBack(runner: Runner): void {
    const link = this.#lent.get(runner);
    if (link === undefined) return;
    this.#lent.delete(runner);
    link.isBusy = false;
    if (link.isRetired) void this.#dispose(link);
  }

  async #dispose(link: Link): Promise<void> {
    const { runner } = link;
    link.runner = undefined;
    try {
      await runner?.[Symbol.asyncDispose]();
    } catch (error) {
      this.#options.log.warn({ socket: link.socket, error }, 'runner.close_failed');
    }
    link.closed.resolve();
  }
}
