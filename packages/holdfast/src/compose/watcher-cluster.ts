import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { LogMirror, WatchCopy } from '../cluster/index.ts';
import { openObjectStore } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { FromWatcher, ToWatcher } from './watch-messages.ts';
import type { WatcherSettings } from './watcher-settings.ts';

const mirrorEveryMs = 300;
const publishTimeoutMs = 15_000;

/** What the watcher process of a leader does for the cluster: it mirrors other machines' logs and shares what it derived. */
export class WatcherCluster<Schema> implements AsyncDisposable {
  readonly #copy: WatchCopy;
  readonly #db: Kysely<Schema>;
  readonly #tell: (message: FromWatcher) => void;
  readonly #published = new Map<string, () => void>();
  readonly #stop = new AbortController();
  #members: readonly { readonly ordinal: number; readonly address: string }[] = [];
  #mirroring: Promise<void> = Promise.resolve();

  private constructor(copy: WatchCopy, db: Kysely<Schema>, tell: (message: FromWatcher) => void) {
    this.#copy = copy;
    this.#db = db;
    this.#tell = tell;
  }

  /** @param settings of a watcher whose machine leads a cluster */
  static async open<Schema>(
    settings: WatcherSettings & { readonly cluster: NonNullable<WatcherSettings['cluster']> },
    db: Kysely<Schema>,
    tell: (message: FromWatcher) => void,
  ): Promise<WatcherCluster<Schema>> {
    const copy = new WatchCopy({
      store: await openObjectStore(settings.cluster.store),
      sealedDirectory: join(settings.logDirectory, 'sealed'),
      temporaryDirectory: settings.runDirectory,
    });
    return new WatcherCluster(copy, db, tell);
  }

  /** Takes messages of control that are for it. */
  hear(message: ToWatcher): void {
    if (message.kind === 'members') this.#members = message.members;
    else if (message.kind === 'published') this.#published.get(message.key)?.();
  }

  /** Stores a copy of what was derived and waits until the next leader would go on from it. */
  async share(files: ReadonlySet<string>): Promise<void> {
    const key = await this.#copy.save(this.#db, files, Date.now());
    const published = Promise.withResolvers<void>();
    this.#published.set(key, published.resolve);
    const timer = setTimeout(() => published.reject(new Error('the copy was not published in time')), publishTimeoutMs);
    try {
      this.#tell({ kind: 'copied', key });
      await published.promise;
    } finally {
      clearTimeout(timer);
      this.#published.delete(key);
    }
    await this.#copy.tidy(key, files);
  }

  /** Mirrors until it is disposed. */
  mirror(settings: WatcherSettings, isSealed: (segment: string) => boolean, log: Log): void {
    const mirror = new LogMirror({
      directory: settings.logDirectory,
      members: () => this.#members,
      secret: settings.cluster?.secret ?? '',
      isSealed,
      log,
    });
    this.#mirroring = this.#run(mirror, log);
  }

  async #run(mirror: LogMirror, log: Log): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const hasMore = await mirror.step().catch((error: unknown) => {
        log.error({ error }, 'cluster.mirror_failed');
        return false;
      });
      if (!hasMore) await pause(mirrorEveryMs, this.#stop.signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#mirroring;
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise.finally(() => clearTimeout(timer));
}
