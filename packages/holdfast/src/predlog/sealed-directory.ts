import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileKind, SealedFile } from './catalog.ts';
import { type Duck, literal } from './duck.ts';
import { syncDirectory } from './log-recovery.ts';

const draftSuffix = '.draft';

async function unlinkIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  });
}

/** The Parquet files below the log, and how one comes into being without ever being seen half-written. */
export class SealedDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async open(logDirectory: string): Promise<SealedDirectory> {
    const path = join(logDirectory, 'sealed');
    await mkdir(path, { recursive: true });
    return new SealedDirectory(path);
  }

  static at(logDirectory: string): SealedDirectory {
    return new SealedDirectory(join(logDirectory, 'sealed'));
  }

  newName(kind: FileKind, model: string, version: number, nowMs: number): string {
    const of = kind === 'pending' ? '' : `-${model}-${version}`;
    return `${kind}${of}-${Math.floor(nowMs)}-${randomBytes(4).toString('hex')}.parquet`;
  }

  /** Writes the rows of a query as a Parquet file of this name; durable, with its name, when it resolves to its size. */
  async write(duck: Duck, query: string, name: string): Promise<number> {
    const draft = join(this.path, `${name}${draftSuffix}`);
    const options = 'format parquet, compression zstd, row_group_size 32768';
    await duck.run(`copy (${query}) to ${literal(draft)} (${options})`);
    const handle = await open(draft, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, join(this.path, name));
    await syncDirectory(this.path);
    return (await stat(join(this.path, name))).size;
  }

  /** Removes every file that is not named: drafts, and files whose entry in the catalog was never committed. */
  async removeAllBut(names: ReadonlySet<string>): Promise<number> {
    let removed = 0;
    for (const name of await readdir(this.path)) {
      const isOurs = name.endsWith('.parquet') || name.endsWith(draftSuffix);
      if (!isOurs || names.has(name)) continue;
      await unlinkIfThere(join(this.path, name));
      removed += 1;
    }
    return removed;
  }

  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) await unlinkIfThere(join(this.path, name));
  }

  /** The files as the source of a query; they must have one layout and be at least one. */
  source(files: readonly Pick<SealedFile, 'name'>[]): string {
    return `read_parquet([${files.map(file => literal(join(this.path, file.name))).join(', ')}])`;
  }
}
