import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Longest path of a Unix socket that every system takes (macOS: 104 bytes with the terminating zero). */
const maxSocketPathBytes = 103;
const ownedFolder = /^r-(\d+)-/;
const longestFile = 'r-4194304-XXXXXX/99999.sock';

/** A private folder for the sockets of one pool, and the empty folder that its processes work in. */
export interface SocketFolder extends Disposable {
  readonly path: string;
  readonly emptyFolder: string;
}

/**
 * Makes the folder inside `runDirectory`, or in the system's temporary folder when the socket paths would be too long,
 * and removes those that dead owners left behind.
 */
export function openSocketFolder(runDirectory: string): SocketFolder {
  const isShort = Buffer.byteLength(join(runDirectory, longestFile)) <= maxSocketPathBytes;
  const base = isShort ? runDirectory : join(tmpdir(), 'holdfast');
  mkdirSync(base, { recursive: true, mode: 0o700 });
  removeStale(base);
  const path = mkdtempSync(join(base, `r-${process.pid}-`));
  const emptyFolder = join(path, 'empty');
  mkdirSync(emptyFolder);
  return { path, emptyFolder, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function removeStale(base: string): void {
  for (const name of readdirSync(base)) {
    const owner = ownedFolder.exec(name)?.[1];
    if (owner === undefined || !isStale(join(base, name), Number(owner))) continue;
    rmSync(join(base, name), { recursive: true, force: true });
  }
}

/** In a container the successor often has the process id of its predecessor, so the folder's age decides then. */
function isStale(folder: string, owner: number): boolean {
  if (owner === process.pid) return statSync(folder).ctimeMs < performance.timeOrigin;
  try {
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'EPERM');
  }
}
