import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { namesFree, takeLock } from './process-lock.ts';

/** Where everything of one Holdfast lies. */
export interface DataDirectory extends AsyncDisposable {
  readonly root: string;
  readonly metaDatabase: string;
  readonly watchDatabase: string;
  readonly blobs: string;
  readonly log: string;
  /** Sockets, the owner's note, empty working folders; nothing in it outlives the processes. */
  readonly run: string;
  /** Writes where this Holdfast can be reached, for commands that are given the directory only. */
  publishAddress(consoleUrl: string, inferenceUrl: string): Promise<void>;
}

/** Another live process owns the data directory. */
export class DataDirectoryInUse extends Error {
  override readonly name = 'DataDirectoryInUse';
}

const ownerSchema = z.object({ pid: z.int(), host: z.string(), startedAtMs: z.number() });

function describeOwner(path: string): string {
  try {
    const owner = ownerSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    return `process ${owner.pid} on ${owner.host}, started ${new Date(owner.startedAtMs).toISOString()}`;
  } catch {
    return 'another process';
  }
}

/**
 * Creates the directory and takes it for this process, once the processes of an owner that was killed have left.
 *
 * @param orphanTimeoutMs how long they may take. @default 10000
 * @throws DataDirectoryInUse naming the owner
 */
export async function openDataDirectory(
  path: string,
  now: () => number,
  orphanTimeoutMs?: number,
): Promise<DataDirectory> {
  const root = resolve(path);
  const run = join(root, 'run');
  await mkdir(join(run, 'empty'), { recursive: true });
  await mkdir(join(root, 'log'), { recursive: true });
  const ownerPath = join(run, 'owner.json');
  const lock = takeLock(join(run, 'lock.db'));
  const inUse = (by: string): Error =>
    new DataDirectoryInUse(`${root} is in use by ${by}; stop it, or start with another --data directory`);
  if (lock === undefined) throw inUse(describeOwner(ownerPath));
  const left = await namesFree(run, orphanTimeoutMs);
  if (left.length > 0) {
    lock[Symbol.dispose]();
    throw inUse(`${left.join(', ')} of a Holdfast that was killed`);
  }
  const owner = { pid: process.pid, host: hostname(), startedAtMs: now() };
  await writeFile(ownerPath, JSON.stringify(owner));
  return {
    root,
    run,
    metaDatabase: join(root, 'meta.db'),
    watchDatabase: join(root, 'watch.db'),
    blobs: join(root, 'blobs'),
    log: join(root, 'log'),
    publishAddress: (consoleUrl, inferenceUrl) =>
      writeFile(ownerPath, JSON.stringify({ ...owner, consoleUrl, inferenceUrl })),
    async [Symbol.asyncDispose]() {
      await rm(ownerPath, { force: true });
      lock[Symbol.dispose]();
    },
  };
}
