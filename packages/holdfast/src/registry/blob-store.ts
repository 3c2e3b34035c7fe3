import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Artifact, type Digest, digestSchema, fault } from '@holdfast/api';

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

/**
 * Content-addressed, immutable files: `blobs/ab/<sha256>`. A blob exists whole or not at all: bytes go to `tmp/`, are
 * synced, renamed, and the folder is synced before `put` returns.
 */
export class BlobStore {
  readonly #root: string;
  readonly #maximumBytes: number;

  private constructor(root: string, maximumBytes: number) {
    this.#root = root;
    this.#maximumBytes = maximumBytes;
  }

  /** Opens the store below `root` and removes what an interrupted upload left behind. */
  static async open(root: string, options: { readonly maximumBytes: number }): Promise<BlobStore> {
    const store = new BlobStore(root, options.maximumBytes);
    await mkdir(join(root, 'tmp'), { recursive: true });
    for (const name of await readdir(join(root, 'tmp'))) await rm(join(root, 'tmp', name), { force: true });
    return store;
  }

  /** Where the bytes of a digest lie, or would lie. */
  pathOf(digest: Digest): string {
    const hex = digest.slice('sha256:'.length);
    return join(this.#root, hex.slice(0, 2), hex);
  }

  /** @throws Fault `too_large` above the configured size; `storage_full` when the disk is full */
  async put(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Artifact> {
    const temporary = join(this.#root, 'tmp', randomUUID());
    try {
      const { digest, size } = await this.#write(temporary, bytes);
      const path = this.pathOf(digest);
      await mkdir(dirname(path), { recursive: true });
      await rename(temporary, path);
      await syncFolder(dirname(path));
      await syncFolder(this.#root);
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
    try {
      return (await stat(this.pathOf(digest))).size;
    } catch {
      throw fault('artifact_not_found', digest);
    }
  }

  /** True when the bytes on disk still have this digest. */
  async isIntact(digest: Digest): Promise<boolean> {
    const hash = createHash('sha256');
    try {
      for await (const part of createReadStream(this.pathOf(digest))) hash.update(part);
    } catch {
      return false;
    }
    return `sha256:${hash.digest('hex')}` === digest;
  }
}
