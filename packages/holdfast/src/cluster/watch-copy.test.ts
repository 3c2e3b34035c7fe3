import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { ObjectMissing, type ObjectStore, openDatabase, openReader } from '../storage/index.ts';
import { restoreWatch, WatchCopy } from './watch-copy.ts';

/** Objects are files of a folder. */
class FakeObjectStore implements ObjectStore {
  readonly #folder = mkdtempSync(join(tmpdir(), 'holdfast-objects-'));
  /** Calls in order. */
  readonly calls: string[] = [];
  /** Fails uploads of keys that start so. */
  refused: string | undefined;

  async upload(key: string, path: string): Promise<void> {
    this.calls.push(`upload ${key}`);
    if (this.refused !== undefined && key.startsWith(this.refused)) throw new Error('the bucket is away');
    mkdirSync(dirname(join(this.#folder, key)), { recursive: true });
    copyFileSync(path, join(this.#folder, key));
  }

  async download(key: string, path: string): Promise<void> {
    this.calls.push(`download ${key}`);
    if (!existsSync(join(this.#folder, key))) throw new ObjectMissing(key);
    copyFileSync(join(this.#folder, key), path);
  }

  async sizeOf(key: string): Promise<number | undefined> {
    return existsSync(join(this.#folder, key)) ? statSync(join(this.#folder, key)).size : undefined;
  }

  async list(prefix: string): Promise<string[]> {
    const folder = join(this.#folder, prefix);
    return existsSync(folder)
      ? readdirSync(folder)
          .sort()
          .map(name => prefix + name)
      : [];
  }

  async remove(key: string): Promise<void> {
    this.calls.push(`remove ${key}`);
    rmSync(join(this.#folder, key), { force: true });
  }
}

interface Schema {
  fact: { value: number };
}

/** A machine's watch database and sealed files. */
async function machine(store: ObjectStore) {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-watch-'));
  const sealedDirectory = join(root, 'sealed');
  const databasePath = join(root, 'watch.db');
  mkdirSync(sealedDirectory);
  const open = () =>
    openDatabase<Schema>({
      path: databasePath,
      durability: 'normal',
      migrations: [
        {
          name: '0001-fact',
          async up(db) {
            await sql`create table fact (value integer not null)`.execute(db);
          },
        },
      ],
    });
  const copy = new WatchCopy({ store, sealedDirectory, temporaryDirectory: root });
  const seal = (name: string): void => writeFileSync(join(sealedDirectory, name), `rows of ${name}`);
  const restore = (key: string, files: readonly string[]): Promise<void> =>
    restoreWatch({ store, key, databasePath, sealedDirectory, filesOf: async () => new Set(files) });
  const facts = async (): Promise<number[]> => {
    await using reader = openReader<Schema>(databasePath);
    return (await reader.selectFrom('fact').select('value').orderBy('value').execute()).map(({ value }) => value);
  };
  return { root, sealedDirectory, databasePath, open, copy, seal, restore, facts };
}

test('a new leader goes on from the newest copy: the database as it was, and every sealed file it speaks of', async () => {
  const store = new FakeObjectStore();
  const [former, next] = [await machine(store), await machine(store)];
  await using db = await former.open();
  await db.insertInto('fact').values({ value: 1 }).execute();
  former.seal('a.parquet');
  await former.copy.save(db, new Set(['a.parquet']), 1000);
  await db.insertInto('fact').values({ value: 2 }).execute();
  former.seal('b.parquet');
  const key = await former.copy.save(db, new Set(['a.parquet', 'b.parquet']), 2000);
  await db.insertInto('fact').values({ value: 3 }).execute();

  // What it derived itself, when it led some time ago, is overtaken.
  await using stale = await next.open();
  await stale.insertInto('fact').values({ value: 99 }).execute();
  await stale.destroy();
  next.seal('a.parquet');
  await next.restore(key, ['a.parquet', 'b.parquet']);
  expect(await next.facts()).toEqual([1, 2]);
  expect(readFileSync(join(next.sealedDirectory, 'b.parquet'), 'utf8')).toBe('rows of b.parquet');
  // A file that is there already is not fetched: its name is never used twice.
  expect(store.calls).not.toContain('download sealed/a.parquet');
});

test('the database is stored after the files it speaks of, and not at all when one of them could not be', async () => {
  const store = new FakeObjectStore();
  const leader = await machine(store);
  await using db = await leader.open();
  leader.seal('a.parquet');
  store.refused = 'sealed/';
  await expect(leader.copy.save(db, new Set(['a.parquet']), 1000)).rejects.toThrow('the bucket is away');
  expect(await store.list('watch/')).toEqual([]);
  store.refused = undefined;
  const key = await leader.copy.save(db, new Set(['a.parquet']), 2000);
  expect(store.calls.slice(-2)).toEqual(['upload sealed/a.parquet', `upload ${key}`]);
  expect(readdirSync(leader.root).filter(name => name === basename(key))).toEqual([]);
});

test('older copies and files that nothing speaks of are removed; a copy that another leader made since is kept', async () => {
  const store = new FakeObjectStore();
  const leader = await machine(store);
  await using db = await leader.open();
  for (const name of ['a.parquet', 'b.parquet']) leader.seal(name);
  const old = await leader.copy.save(db, new Set(['a.parquet', 'b.parquet']), 1000);
  const key = await leader.copy.save(db, new Set(['b.parquet']), 2000);
  const newer = await (await machine(store)).copy.save(db, new Set(), 3000);
  await leader.copy.tidy(key, new Set(['b.parquet']));
  expect(await store.list('watch/')).toEqual([key, newer]);
  expect(await store.list('sealed/')).toEqual(['sealed/b.parquet']);
  expect(old < key && key < newer).toBe(true);
});

test('a restore that breaks off leaves the local database as it was', async () => {
  const store = new FakeObjectStore();
  const [former, next] = [await machine(store), await machine(store)];
  await using db = await former.open();
  const key = await former.copy.save(db, new Set(), 1000);
  await using own = await next.open();
  await own.insertInto('fact').values({ value: 7 }).execute();
  await own.destroy();
  await expect(next.restore(key, ['lost.parquet'])).rejects.toThrow(ObjectMissing);
  expect(await next.facts()).toEqual([7]);
  expect(readdirSync(next.sealedDirectory).filter(name => !name.endsWith('.incoming'))).toEqual([]);
});
