import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';

const suffix = '.lock';
const lookEveryMs = 25;
/** Longer than an orphan takes to leave. */
const defaultTimeoutMs = 10_000;

/**
 * Takes a lock that ends with this process, however that ends: an operating-system lock on a file that SQLite holds.
 * Undefined while another process has it.
 */
export function takeLock(path: string): Disposable | undefined {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE');
    lock.exec('BEGIN EXCLUSIVE');
  } catch {
    lock.close();
    return undefined;
  }
  return {
    [Symbol.dispose]() {
      lock.exec('ROLLBACK');
      lock.close();
    },
  };
}

async function waitForLock(path: string, timeoutMs: number): Promise<Disposable | undefined> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const lock = takeLock(path);
    if (lock !== undefined || performance.now() > end) return lock;
    await pause(lookEveryMs);
  }
}

/**
 * Makes this process the only one of its name on a data directory; it stays so until it ends. An orphan of a killed
 * control still finishes what it was given, and must be gone before another writes in its name.
 * @throws Error when the other one does not leave in time
 */
export async function holdName(runDirectory: string, name: string, timeoutMs = defaultTimeoutMs): Promise<Disposable> {
  const lock = await waitForLock(join(runDirectory, name + suffix), timeoutMs);
  if (lock === undefined) throw new Error(`another ${name} still runs on ${runDirectory}`);
  return lock;
}

/** Waits until nobody holds a name; resolves to those that are still held after the timeout. */
export async function namesFree(runDirectory: string, timeoutMs = defaultTimeoutMs): Promise<readonly string[]> {
  const files = (await readdir(runDirectory)).filter(file => file.endsWith(suffix));
  const held = await Promise.all(
    files.map(async file => {
      using lock = await waitForLock(join(runDirectory, file), timeoutMs);
      return lock === undefined ? [file.slice(0, -suffix.length)] : [];
    }),
  );
  return held.flat();
}
