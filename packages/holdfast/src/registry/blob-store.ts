import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Artifact, type Digest, digestSchema, fault } from '@holdfast/api';
import { ObjectMissing, type ObjectStore } from '../storage/index.ts';

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function sizeOfFile(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}

async function digestOfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const part of createReadStream(path)) hash.update(part);
  return `sha256:${hash.digest('hex')}`;
}

function keyOf(digest: Digest): string {
  return `blobs/${hexOf(digest)}`;
}

function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

export interface BlobStoreOptions {
  readonly maximumBytes: number;
  /** Where all machines keep the same blobs; the folder is then a cache of it. */
  readonly shared?: ObjectStore | undefined;
}

/**
 * Content-addressed, immutable files: `blobs/ab/<sha256>`. A blob exists whole or not at all: bytes go to `tmp/`, are
 * synced, renamed, and the folder is synced before `put` returns. With a shared store, `put` also waits until it is
 * there, and a blob that another machine put is fetched, and its digest checked, when it is first needed.
 */
export class BlobStore {
  readonly #root: string;
  readonly #maximumBytes: number;
  readonly #shared: ObjectStore | undefined;
  /** One fetch per blob, however many ask for it at once. */
  readonly #fetching = new Map<Digest, Promise<string>>();

  private constructor(root: string, options: BlobStoreOptions) {
    this.#root = root;
    this.#maximumBytes = options.maximumBytes;
    this.#shared = options.shared;
  }

  /** Opens the store below `root` and removes what an interrupted upload left behind. */
  static async open(root: string, options: BlobStoreOptions): Promise<BlobStore> {
    const store = new BlobStore(root, options);
    await mkdir(join(root, 'tmp'), { recursive: true });
    for (const name of await readdir(join(root, 'tmp'))) await rm(join(root, 'tmp', name), { force: true });
    return store;
  }

  #pathOf(digest: Digest): string {
    const hex = hexOf(digest);
    return join(this.#root, hex.slice(0, 2), hex);
  }

  /** The local file with these bytes, fetched from the shared store when need be. @throws Fault `artifact_not_found` */
  async locate(digest: Digest): Promise<string> {
    const path = this.#pathOf(digest);
    if ((await sizeOfFile(path)) !== undefined) return path;
    if (this.#shared === undefined) throw fault('artifact_not_found', digest);
    const fetching = this.#fetching.get(digest) ?? this.#fetch(this.#shared, digest);
    this.#fetching.set(digest, fetching);
    return fetching.finally(() => this.#fetching.delete(digest));
  }

  async #fetch(shared: ObjectStore, digest: Digest): Promise<string> {
    const temporary = join(this.#root, 'tmp', randomUUID());
    try {
      await shared.download(keyOf(digest), temporary);
      if ((await digestOfFile(temporary)) !== digest) throw fault('artifact_not_found', digest);
      return await this.#keep(temporary, digest);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error instanceof ObjectMissing ? fault('artifact_not_found', digest) : error;
    }
  }

  async #keep(temporary: string, digest: Digest): Promise<string> {
    const path = this.#pathOf(digest);
    await mkdir(dirname(path), { recursive: true });
    await rename(temporary, path);
    await syncFolder(dirname(path));
    await syncFolder(this.#root);
    return path;
  }

  /** @throws Fault `too_large` above the configured size; `storage_full` when the disk is full */
  async put(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Artifact> {
    const temporary = join(this.#root, 'tmp', randomUUID());
    try {
      const { digest, size } = await this.#write(temporary, bytes);
      const path = await this.#keep(temporary, digest);
      const key = keyOf(digest);
      if (this.#shared !== undefined && (await this.#shared.sizeOf(key)) !== size) await this.#shared.upload(key, path);
      return { digest, bytes: size };
    } catch (error) {
      await rm(temporary, { force: true });
      if (isFull(error)) throw fault('storage_full');
      throw error;
    }
  }

  async #write(
    path: string,
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<{ digest: Digest; size: number }> {
    const hash = createHash('sha256');
    let size = 0;
    const file = await open(path, 'wx');
    try {
      for await (const part of bytes) {
        size += part.byteLength;
        if (size > this.#maximumBytes) throw fault('too_large', size, this.#maximumBytes);
        hash.update(part);
        await file.writeFile(part);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    return { digest: digestSchema.parse(`sha256:${hash.digest('hex')}`), size };
  }

  /** @throws Fault `artifact_not_found` */
  async sizeOf(digest: Digest): Promise<number> {
    const size = (await sizeOfFile(this.#pathOf(digest))) ?? (await this.#shared?.sizeOf(keyOf(digest)));
    if (size === undefined) throw fault('artifact_not_found', digest);
    return size;
  }

  /** True when the bytes on disk still have this digest. */
  async isIntact(digest: Digest): Promise<boolean> {
    return (await digestOfFile(this.#pathOf(digest)).catch(() => undefined)) === digest;
  }
}
