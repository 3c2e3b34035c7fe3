import type { Kysely } from 'kysely';
import { Client } from 'pg';
import type { Log } from '../telemetry/index.ts';
import { type ClusterTables, changeChannel } from './schema.ts';

export interface ChangeFeedOptions {
  readonly url: string;
  readonly db: Kysely<ClusterTables>;
  /** Called with the count of changes whenever it differs; the next call waits until this one is done. */
  readonly onChange: (count: number) => Promise<void>;
  readonly log: Log;
  /** A notification can be lost with its connection, so the count is also asked for. @default 500 */
  readonly pollMs?: number;
}

/** Tells of every change of what is routed: at once by notification, and by asking when that fails. */
export class ChangeFeed implements AsyncDisposable {
  readonly #options: ChangeFeedOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #client: Client | undefined;
  #wake: (() => void) | undefined;
  #seen = -1;
  #isAway = false;

  constructor(options: ChangeFeedOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Asks now, as after a change of one's own. */
  nudge(): void {
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        if (this.#client === undefined) await this.#listen();
        const { count } = await this.#options.db.selectFrom('cluster_change').select('count').executeTakeFirstOrThrow();
        if (this.#isAway) this.#options.log.info({}, 'cluster.database_back');
        this.#isAway = false;
        if (count !== this.#seen) {
          await this.#options.onChange(count);
          this.#seen = count;
        }
      } catch (error) {
        if (!this.#isAway) this.#options.log.warn({ error }, 'cluster.database_away');
        this.#isAway = true;
      }
      await this.#pause();
    }
  }

  async #listen(): Promise<void> {
    const client = new Client({
      connectionString: this.#options.url,
      connectionTimeoutMillis: 2000,
      keepAlive: true,
      application_name: 'holdfast-feed',
    });
    const forget = (): void => {
      if (this.#client === client) this.#client = undefined;
    };
    client.on('error', forget);
    client.on('end', forget);
    client.on('notification', () => this.#wake?.());
    await client.connect();
    await client.query(`listen ${changeChannel}`);
    this.#client = client;
  }

  #pause(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#options.pollMs ?? 500);
    this.#wake = () => {
      clearTimeout(timer);
      resolve();
    };
    if (this.#stop.signal.aborted) this.#wake();
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await this.#running;
    await this.#client?.end().catch(() => {});
  }
}
