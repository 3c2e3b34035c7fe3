import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Fence, type Migration, openDatabase } from '../storage/index.ts';
import { hasPostgres, PostgresServer } from '../storage/testing/postgres-server.ts';
import { Cluster, type Leadership } from './cluster.ts';
import { currentLeader, fenceOf, giveUp, leaseMs, takeOrRenew } from './leader-lease.ts';
import { joinCluster } from './membership.ts';
import { type ClusterTables, clusterMigrations, routedTables } from './schema.ts';

const routed: Migration = {
  name: '0000-routed',
  async up(db) {
    for (const name of routedTables) await sql`create table ${sql.table(name)} (value bigint)`.execute(db);
  },
};
type Schema = ClusterTables & { model: { value: number } };

describe.skipIf(!hasPostgres)('leading (skipped where Postgres is not installed)', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  function open(path: string, fence?: Fence): Promise<Kysely<Schema>> {
    const migrations = [routed, ...clusterMigrations];
    return openDatabase<Schema>({ path, migrations, durability: 'full', isShared: true, ...(fence && { fence }) });
  }

  async function memberOf(db: Kysely<Schema>): Promise<number> {
    const root = mkdtempSync(join(tmpdir(), 'holdfast-member-'));
    return (await joinCluster(db, root, 'http://127.0.0.1:1')).ordinal;
  }

  /** As if this much time had passed since the lease was taken. */
  async function age(db: Kysely<Schema>, ms: number): Promise<void> {
    await db
      .updateTable('cluster_leader')
      .set(eb => ({ until_ms: eb('until_ms', '-', ms) }))
      .execute();
  }

  test('one machine holds the lease until it runs out or is given back, and the token grows with each holder', async () => {
    await using db = await open(await server.createDatabase('lease'));
    const [first, second] = [await memberOf(db), await memberOf(db)];
    expect(await currentLeader(db)).toBeUndefined();
    expect(await takeOrRenew(db, first)).toBe(1);
    expect(await takeOrRenew(db, second)).toBeUndefined();
    expect(await takeOrRenew(db, first)).toBe(1);
    await age(db, 2 * leaseMs);
    expect(await currentLeader(db)).toBeUndefined();
    expect(await takeOrRenew(db, second)).toBe(2);
    expect(await currentLeader(db)).toMatchObject({ ordinal: second, token: 2 });
    await giveUp(db, second, 2);
    expect(await takeOrRenew(db, first)).toBe(3);
    // Its own lease that ran out is a new one: somebody else may have led in between.
    await age(db, 2 * leaseMs);
    expect(await takeOrRenew(db, first)).toBe(4);
    // Giving back an old lease takes nothing from the new one.
    await giveUp(db, first, 3);
    expect(await currentLeader(db)).toMatchObject({ ordinal: first, token: 4 });
  });

  test('machines that ask at the same time get one lease', async () => {
    const path = await server.createDatabase('race');
    await using one = await open(path);
    await using other = await open(path);
    const members = [await memberOf(one), await memberOf(one)];
    const asked = await Promise.all(members.map((ordinal, i) => takeOrRenew(i === 0 ? one : other, ordinal)));
    expect(asked.filter(token => token !== undefined)).toEqual([1]);
  });

  test('a leader that was stopped and wakes is refused, and its transaction changes nothing', async () => {
    const path = await server.createDatabase('fence');
    await using db = await open(path);
    const [first, second] = [await memberOf(db), await memberOf(db)];
    const token = await takeOrRenew(db, first);
    await using former = await open(path, fenceOf(first, token ?? 0));
    const write = (value: number): Promise<unknown> =>
      former.transaction().execute(transaction => transaction.insertInto('model').values({ value }).execute());
    await write(1);
    await age(db, 2 * leaseMs);
    await takeOrRenew(db, second);
    await expect(write(2)).rejects.toMatchObject({ code: 'not_leader' });
    expect(await db.selectFrom('model').select('value').execute()).toEqual([{ value: 1 }]);
  });

  test('a machine that loses the lease and gets it again leads again only when its first part has ended', async () => {
    const url = await server.createDatabase('again');
    const led: Leadership<Kysely<Schema>>[] = [];
    const events: string[] = [];
    const mayEnd = Promise.withResolvers<void>();
    await using db = await open(url);
    await using cluster = await Cluster.open<Kysely<Schema>>({
      url,
      open: fence => open(url, fence),
      tablesOf: opened => opened,
      close: opened => opened.destroy(),
      copy: async () => {},
      root: mkdtempSync(join(tmpdir(), 'holdfast-member-')),
      address: () => 'http://127.0.0.1:1',
      mayLead: true,
      onRouted: async () => {},
      loadedState: () => undefined,
      lead: async now => {
        led.push(now);
        events.push(`leads under ${now.token}`);
        return {
          async [Symbol.asyncDispose]() {
            if (now.token === 1) await mayEnd.promise;
            events.push(`ended ${now.token}`);
          },
        };
      },
      log: pino({ level: 'silent' }),
    });
    const until = (is: () => boolean): Promise<unknown> => vi.waitUntil(is, { timeout: 30_000 });
    await until(() => led.length === 1);
    // Another led for a moment, as the database tells.
    await db.updateTable('cluster_leader').set({ token: 7, until_ms: 0 }).execute();
    await until(() => led[0]?.signal.aborted === true);
    await until(() => cluster.isLeading);
    expect(events).toEqual(['leads under 1']);
    mayEnd.resolve();
    await until(() => led.length === 2);
    expect(events).toEqual(['leads under 1', 'ended 1', 'leads under 8']);
  });
});
