import { fault, isFault } from '@holdfast/api';
import type { Kysely } from 'kysely';
import type { Fence } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import { ChangeFeed } from './change-feed.ts';
import { currentLeader, fenceOf, giveUp, type Leader, leaseMs, takeOrRenew } from './leader-lease.ts';
import { beat, type Identity, joinCluster, type Member, members, readIdentity } from './membership.ts';
import { type ClusterTables, databaseNowMs } from './schema.ts';

/** How far this machine is with a version that is to be routed. */
export type LoadedState = { readonly kind: 'ready' } | { readonly kind: 'failed'; readonly reason: string };

/** What a machine does for as long as it leads. */
export interface Leadership<Database> {
  /** Grows with every change of leader. */
  readonly token: number;
  /** The shared database; a transaction of somebody who leads no more changes nothing. */
  readonly db: Database;
  /** Ends when another may lead. */
  readonly signal: AbortSignal;
}

export interface ClusterOptions<Database> {
  /** `postgres://` address. */
  readonly url: string;
  /** Opens the shared database, with the tables of `clusterMigrations` among others. */
  readonly open: (fence: Fence | undefined) => Promise<Database>;
  readonly tablesOf: (db: Database) => Kysely<ClusterTables>;
  readonly close: (db: Database) => Promise<void>;
  /** Makes this machine's copy of the routed tables equal to the shared ones. */
  readonly copy: (from: Database) => Promise<void>;
  /** The data directory. */
  readonly root: string;
  /** Where other machines reach this one's member listener. */
  readonly address: () => string;
  /** False for a machine that only serves. */
  readonly mayLead: boolean;
  /** Serves as the copy says, which has just changed. */
  readonly onRouted: () => Promise<void>;
  /** How far this machine is with a version; undefined while it is being loaded. */
  readonly loadedState: (model: string, version: number) => LoadedState | undefined;
  /** Starts what only a leader does; disposed as soon as this machine leads no more. */
  readonly lead: (leadership: Leadership<Database>) => Promise<AsyncDisposable>;
  readonly log: Log;
}

const tickMs = 1000;
const prepareMs = 120_000;
const prepareEveryMs = 100;

interface Leading {
  readonly token: number;
  readonly stop: AbortController;
  readonly part: Promise<AsyncDisposable | undefined>;
}

/**
 * This machine's part in a cluster: it keeps a copy of what is routed and serves by it, whether or not the database can
 * be reached, and it leads while it holds the lease.
 */
export class Cluster<Database> implements AsyncDisposable {
  readonly #options: ClusterOptions<Database>;
  readonly #stop = new AbortController();
  readonly #firstCopy = Promise.withResolvers<void>();
  #identity: Identity | undefined;
  #db: Database | undefined;
  #feed: ChangeFeed | undefined;
  #leader: Leader | undefined;
  #members: Awaited<ReturnType<typeof members>> = [];
  #leading: Leading | undefined;
  /** What this machine did as a leader before; it must have ended before it does it again. */
  #ending: Promise<void> = Promise.resolve();
  #renewedMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};
  #pulling: Promise<void> = Promise.resolve();

  private constructor(options: ClusterOptions<Database>) {
    this.#options = options;
  }

  /**
   * Joins. A data directory that was a member before starts from its copy when the database is away; a new one waits for
   * the database, until `signal`.
   */
  static async open<Database>(options: ClusterOptions<Database>): Promise<Cluster<Database>> {
    const cluster = new Cluster(options);
    cluster.#identity = await readIdentity(options.root);
    cluster.#running = cluster.#run();
    return cluster;
  }

  /** Resolves when this machine has a number and a copy to serve by. */
  get ready(): Promise<void> {
    return this.#identity?.ordinal === undefined ? this.#firstCopy.promise : Promise.resolve();
  }

  /** @throws Error before `ready` */
  get ordinal(): number {
    const ordinal = this.#identity?.ordinal;
    if (ordinal === undefined) throw new Error('this machine has no number yet');
    return ordinal;
  }

  get secret(): string | undefined {
    return this.#identity?.secret;
  }

  get isLeading(): boolean {
    return this.#leading !== undefined;
  }

  /** Who leads, as far as this machine knows. */
  get leader(): Leader | undefined {
    return this.#leader;
  }

  /** The other machines that ever joined. */
  get others(): readonly (Member & { readonly isPresent: boolean })[] {
    return this.#members.filter(member => member.ordinal !== this.#identity?.ordinal);
  }

  /** The shared database. @throws Fault `database_unavailable` while it was never reached */
  db(): Database {
    if (this.#db === undefined) throw fault('database_unavailable');
    return this.#db;
  }

  /** Copies what is routed; the machine's own changes are in its copy when it resolves. */
  async pull(): Promise<void> {
    const db = this.db();
    this.#pulling = this.#pulling.catch(() => {}).then(() => this.#options.copy(db));
    await this.#pulling;
  }

  /**
   * Has every machine that is present load a version, before it is routed.
   * @throws Fault `model_rejected` when one cannot, `version_not_ready` when one takes too long
   */
  async prepare(model: string, version: number): Promise<void> {
    const db = this.#tables();
    const { since } = await db.selectFrom('cluster_change').select(databaseNowMs.as('since')).executeTakeFirstOrThrow();
    const until_ms = since + prepareMs;
    await db
      .insertInto('cluster_wanted')
      .values({ model, version, until_ms })
      .onConflict(conflict => conflict.columns(['model', 'version']).doUpdateSet({ until_ms }))
      .execute();
    try {
      const deadline = Date.now() + prepareMs;
      for (;;) {
        const present = (await members(db)).filter(member => member.isPresent && member.ordinal !== this.ordinal);
        const loaded = await db
          .selectFrom('cluster_loaded')
          .selectAll()
          .where('model', '=', model)
          .where('version', '=', version)
          .where('at_ms', '>=', since)
          .execute();
        const failed = loaded.find(row => row.state === 'failed');
        if (failed !== undefined) throw fault('model_rejected', `machine ${failed.ordinal}: ${failed.reason ?? ''}`);
        const ready = new Set(loaded.map(row => row.ordinal));
        if (present.every(member => ready.has(member.ordinal))) return;
        if (Date.now() > deadline) throw fault('version_not_ready', model, version);
        await pause(prepareEveryMs, this.#stop.signal);
        this.#stop.signal.throwIfAborted();
      }
    } finally {
      await db.deleteFrom('cluster_wanted').where('model', '=', model).where('version', '=', version).execute();
    }
  }

  /** Versions that are to be loaded, though they are not routed yet. */
  wanted(model: string): readonly number[] {
    return this.#wanted.filter(row => row.model === model).map(row => row.version);
  }

  #wanted: readonly { readonly model: string; readonly version: number }[] = [];

  #tables(): Kysely<ClusterTables> {
    return this.#options.tablesOf(this.db());
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        await this.#tick();
      } catch (error) {
        this.#options.log.warn({ error: isFault(error) ? error.code : error }, 'cluster.tick_failed');
      }
      // Whatever the database does not say in time is taken as a no.
      if (this.#leading !== undefined && performance.now() - this.#renewedMs > leaseMs)
        this.#endLeading('lease_ran_out');
      await pause(tickMs, this.#stop.signal, wake => {
        this.#wake = wake;
      });
    }
  }

  async #tick(): Promise<void> {
    if (this.#db === undefined) await this.#connect();
    const db = this.#tables();
    await beat(db, this.ordinal);
    this.#members = await members(db);
    if (this.#options.mayLead) {
      const asked = performance.now();
      const token = await takeOrRenew(db, this.ordinal);
      if (token !== undefined) this.#renewedMs = asked;
      if (this.#leading !== undefined && token !== this.#leading.token) this.#endLeading('another_leads');
      if (token !== undefined && this.#leading === undefined) this.#startLeading(token);
    }
    this.#leader = await currentLeader(db);
  }

  async #connect(): Promise<void> {
    const { url, root, address, open, close, tablesOf, log } = this.#options;
    const db = await open(undefined);
    try {
      this.#identity = await joinCluster(tablesOf(db), root, address());
      this.#db = db;
      await this.pull();
    } catch (error) {
      this.#db = undefined;
      await close(db);
      throw error;
    }
    this.#firstCopy.resolve();
    this.#feed = new ChangeFeed({ url, db: this.#tables(), onChange: () => this.#follow(), log });
  }

  /** Takes over a change: copy, serve by it, and say how far this machine is with what is wanted. */
  async #follow(): Promise<void> {
    const db = this.#tables();
    await this.pull();
    this.#wanted = await db.selectFrom('cluster_wanted').select(['model', 'version']).execute();
    await this.#options.onRouted();
    for (const { model, version } of this.#wanted) {
      const state = this.#options.loadedState(model, version);
      if (state === undefined) continue;
      const row = {
        state: state.kind,
        reason: state.kind === 'failed' ? state.reason : null,
        at_ms: databaseNowMs,
      };
      await db
        .insertInto('cluster_loaded')
        .values({ ordinal: this.ordinal, model, version, ...row })
        .onConflict(conflict => conflict.columns(['ordinal', 'model', 'version']).doUpdateSet(row))
        .execute();
    }
  }

  #startLeading(token: number): void {
    const { open, close, lead, log } = this.#options;
    const stop = new AbortController();
    const { ordinal } = this;
    log.info({ ordinal, token }, 'cluster.leading');
    const before = this.#ending;
    const start = async (): Promise<AsyncDisposable | undefined> => {
      await before;
      stop.signal.throwIfAborted();
      await using stack = new AsyncDisposableStack();
      const db = await open(fenceOf(ordinal, token));
      stack.defer(() => close(db));
      stack.use(await lead({ token, db, signal: stop.signal }));
      return stack.move();
    };
    const part = start().catch((error: unknown) => {
      if (!stop.signal.aborted) log.error({ error }, 'cluster.leading_failed');
      // Somebody else may manage; this machine tries again when the lease is free.
      if (this.#leading?.stop === stop) this.#leading = undefined;
      return undefined;
    });
    this.#leading = { token, stop, part };
  }

  #endLeading(why: string): void {
    const leading = this.#leading;
    if (leading === undefined) return;
    this.#leading = undefined;
    this.#options.log.warn({ token: leading.token, why }, 'cluster.not_leading');
    leading.stop.abort();
    this.#ending = leading.part
      .then(part => part?.[Symbol.asyncDispose]())
      .catch((error: unknown) => this.#options.log.error({ error }, 'cluster.leading_not_ended'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
    await this.#feed?.[Symbol.asyncDispose]();
    const leading = this.#leading;
    this.#leading = undefined;
    leading?.stop.abort();
    await (await leading?.part)?.[Symbol.asyncDispose]();
    await this.#ending;
    if (leading !== undefined && this.#db !== undefined)
      await giveUp(this.#tables(), this.ordinal, leading.token).catch(() => {});
    if (this.#db !== undefined) await this.#options.close(this.#db);
  }
}

function pause(ms: number, signal: AbortSignal, onWake: (wake: () => void) => void = () => {}): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const wake = (): void => {
    clearTimeout(timer);
    resolve();
  };
  onWake(wake);
  signal.addEventListener('abort', wake, { once: true });
  if (signal.aborted) wake();
  return promise.finally(() => signal.removeEventListener('abort', wake));
}
