import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDatabase, openReader } from './database.ts';
import type { Migration } from './migration.ts';

interface Schema {
  note: { id: number; text: string };
}

const first: Migration = {
  name: '0001-note',
  async up(db) {
    await db.schema
      .createTable('note')
      .addColumn('id', 'integer', column => column.primaryKey())
      .addColumn('text', 'text', column => column.notNull())
      .execute();
  },
};

function freshPath(): string {
  return join(mkdtempSync(join(tmpdir(), 'holdfast-db-')), 'meta.db');
}

test('a committed row is there after reopening, and a migration runs once', async () => {
  const path = freshPath();
  for (const id of [1, 2]) {
    const db = await openDatabase<Schema>({ path, migrations: [first], durability: 'full' });
    await db
      .insertInto('note')
      .values({ id, text: `n${id}` })
      .execute();
    await db.destroy();
  }
  const reader = openReader<Schema>(path);
  expect(await reader.selectFrom('note').selectAll().execute()).toEqual([
    { id: 1, text: 'n1' },
    { id: 2, text: 'n2' },
  ]);
  await reader.destroy();
});

test('a transaction that throws leaves nothing behind', async () => {
  const db = await openDatabase<Schema>({ path: ':memory:', migrations: [first], durability: 'full' });
  await expect(
    db.transaction().execute(async transaction => {
      await transaction.insertInto('note').values({ id: 1, text: 'half' }).execute();
      throw new Error('stop');
    }),
  ).rejects.toThrow('stop');
  expect(await db.selectFrom('note').selectAll().execute()).toEqual([]);
  await db.destroy();
});

test('concurrent transactions take turns on the one connection', async () => {
  const db = await openDatabase<Schema>({ path: ':memory:', migrations: [first], durability: 'full' });
  await Promise.all(
    Array.from({ length: 20 }, (_, id) =>
      db.transaction().execute(async transaction => {
        await transaction.insertInto('note').values({ id, text: 'x' }).execute();
      }),
    ),
  );
  expect(await db.selectFrom('note').selectAll().execute()).toHaveLength(20);
  await db.destroy();
});

test('a database written by a newer version is refused untouched', async () => {
  const path = freshPath();
  const newer = await openDatabase<Schema>({
    path,
    migrations: [first, { name: '0002-later', up: async () => {} }],
    durability: 'full',
  });
  await newer.destroy();
  await expect(openDatabase<Schema>({ path, migrations: [first], durability: 'full' })).rejects.toThrow(
    /newer Holdfast/,
  );
});

test('a file that is no database is refused by its path, and stays as it is', async () => {
  const path = freshPath();
  writeFileSync(path, 'x'.repeat(5000));
  await expect(openDatabase<Schema>({ path, migrations: [first], durability: 'full' })).rejects.toThrow(
    `${path}: cannot be used as a database: file is not a database`,
  );
});
