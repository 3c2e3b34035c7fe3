import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Kysely, sql } from 'kysely';
import type { ObjectStore } from '../storage/index.ts';

const copies = 'watch/';
const sealed = 'sealed/';

export interface WatchCopyOptions {
  readonly store: ObjectStore;
  /** Folder of the sealed files. */
  readonly sealedDirectory: string;
  /** Folder for the copy on its way. */
  readonly temporaryDirectory: string;
}

/** A name that sorts by time. */
function newKey(nowMs: number): string {
  return `${copies}${Math.floor(nowMs).toString().padStart(14, '0')}-${randomBytes(4).toString('hex')}.db`;
}

/**
 * Keeps a copy of everything that the leader's watcher derived in the shared store: the sealed files, and the watch
 * database that knows them and how far the log was read. Another leader goes on from the newest copy; whatever came
 * after it is still in the segments of the machines, which are let go of only once a copy has their rows.
 */
export class WatchCopy {
  readonly #options: WatchCopyOptions;
  #uploaded: Set<string> | undefined;

  constructor(options: WatchCopyOptions) {
    this.#options = options;
  }

  /**
   * Stores the sealed files that are new, then a copy of the database; resolves to its key.
   * @param files names of the sealed files that the database speaks of
   */
  async save<Schema>(db: Kysely<Schema>, files: ReadonlySet<string>, nowMs: number): Promise<string> {
    const { store, sealedDirectory, temporaryDirectory } = this.#options;
    this.#uploaded ??= new Set((await store.list(sealed)).map(key => key.slice(sealed.length)));
    const there = new Set(await readdir(sealedDirectory));
    for (const name of files) {
      if (this.#uploaded.has(name) || !there.has(name)) continue;
      await store.upload(sealed + name, join(sealedDirectory, name));
      this.#uploaded.add(name);
    }
    const key = newKey(nowMs);
    const path = join(temporaryDirectory, key.slice(copies.length));
    try {
      await sql`vacuum into ${sql.lit(path)}`.execute(db);
      await store.upload(key, path);
    } finally {
      await rm(path, { force: true });
    }
    return key;
  }

  /** Removes what the copy of this key does not need; call it once the key is published. */
  async tidy(key: string, files: ReadonlySet<string>): Promise<void> {
    const { store } = this.#options;
    for (const other of await store.list(copies)) if (other < key) await store.remove(other);
    for (const name of this.#uploaded ?? []) {
      if (files.has(name)) continue;
      await store.remove(sealed + name);
      this.#uploaded?.delete(name);
    }
  }
}

/**
 * Replaces the local watch database and sealed files by a copy.
 * @param databasePath where the watch database lies; nobody may have it open
 * @param filesOf the sealed files that a database speaks of
 */
export async function restoreWatch(options: {
  readonly store: ObjectStore;
  readonly key: string;
  readonly databasePath: string;
  readonly sealedDirectory: string;
  readonly filesOf: (databasePath: string) => Promise<ReadonlySet<string>>;
}): Promise<void> {
  const { store, key, databasePath, sealedDirectory, filesOf } = options;
  const incoming = `${databasePath}.incoming`;
  await rm(incoming, { force: true });
  await store.download(key, incoming);
  const files = await filesOf(incoming);
  await mkdir(sealedDirectory, { recursive: true });
  const there = new Set(await readdir(sealedDirectory));
  for (const name of files) {
    if (there.has(name)) continue;
    const draft = join(sealedDirectory, `${name}.incoming`);
    await rm(draft, { force: true });
    await store.download(sealed + name, draft);
    await rename(draft, join(sealedDirectory, name));
  }
  await discardWatch(databasePath);
  await mkdir(dirname(databasePath), { recursive: true });
  await rename(incoming, databasePath);
}

/** Removes a local watch database that another leader's has overtaken. */
export async function discardWatch(databasePath: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) await rm(databasePath + suffix, { force: true });
}
