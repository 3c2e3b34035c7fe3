import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Migration, openDatabase } from './index.ts';
import { hasPostgres, PostgresServer } from './testing/postgres-server.ts';

interface Schema {
  counter: { id: number | undefined; value: number; ratio: number };
}

const counter: Migration = {
  name: '0001-counter',
  async up(db, { id, integer, real, strict }) {
    await sql
      .raw(`create table counter (id ${id}, value ${integer} not null, ratio ${real} not null)${strict}`)
      .execute(db);
  },
};

describe.skipIf(!hasPostgres)('Postgres (skipped where it is not installed)', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await PostgresServer.start();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });

  test('two processes that open an empty database at once both find it migrated', async () => {
    const path = await server.createDatabase('both');
    const open = () => openDatabase<Schema>({ path, migrations: [counter], durability: 'full' });
    const opened = await Promise.all([open(), open()]);
    for (const db of opened) expect(await db.selectFrom('counter').selectAll().execute()).toEqual([]);
    for (const db of opened) await db.destroy();
  });

  test('whole numbers beyond 32 bits and fractions come back as the numbers they were', async () => {
    const path = await server.createDatabase('numbers');
    const db = await openDatabase<Schema>({ path, migrations: [counter], durability: 'full' });
    const now = 1_796_000_000_123;
    const inserted = await db
      .insertInto('counter')
      .values({ value: now, ratio: 0.1, id: undefined })
      .returning(['id', 'value', 'ratio'])
      .executeTakeFirstOrThrow();
    expect(inserted).toEqual({ id: 1, value: now, ratio: 0.1 });
    await db.destroy();
  });

  test('read-then-write transactions of several connections lose no update', async () => {
    const path = await server.createDatabase('turns');
    const open = () => openDatabase<Schema>({ path, migrations: [counter], durability: 'full' });
    const opened = [await open(), await open()];
    await opened[0]?.insertInto('counter').values({ id: 1, value: 0, ratio: 0 }).execute();
    await Promise.all(
      Array.from({ length: 40 }, (_, turn) =>
        opened[turn % 2]?.transaction().execute(async transaction => {
          const { value } = await transaction.selectFrom('counter').select('value').executeTakeFirstOrThrow();
          await transaction
            .updateTable('counter')
            .set({ value: value + 1 })
            .execute();
        }),
      ),
    );
    expect(await opened[1]?.selectFrom('counter').select('value').execute()).toEqual([{ value: 40 }]);
    for (const db of opened) await db.destroy();
  });

  test('what was committed is there after the server died, and the same handle goes on', async () => {
    const path = await server.createDatabase('power');
    const db = await openDatabase<Schema>({ path, migrations: [counter], durability: 'full' });
    await db.insertInto('counter').values({ id: 7, value: 1, ratio: 1 }).execute();
    await server.kill();
    await expect(db.selectFrom('counter').selectAll().execute()).rejects.toThrow();
    await server.resume();
    expect(await db.selectFrom('counter').select('id').execute()).toEqual([{ id: 7 }]);
    await db.destroy();
  });

  test('a connection that breaks between two queries of a transaction fails the transaction, and not the process', async () => {
    const path = await server.createDatabase('between');
    const broken = Promise.withResolvers<Error>();
    const onBroken = (error: Error): void => broken.resolve(error);
    const db = await openDatabase<Schema>({ path, migrations: [counter], durability: 'full', onBroken });
    const written = db.transaction().execute(async transaction => {
      await transaction.insertInto('counter').values({ id: 1, value: 1, ratio: 1 }).execute();
      await server.kill();
      await broken.promise;
      await transaction.insertInto('counter').values({ id: 2, value: 2, ratio: 2 }).execute();
    });
    await expect(written).rejects.toThrow();
    await server.resume();
    expect(await db.selectFrom('counter').selectAll().execute()).toEqual([]);
    await db.destroy();
  });
});
