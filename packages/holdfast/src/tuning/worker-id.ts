import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

/** The name under which this process holds trials: host, process and a part that no later process shares. */
export function newWorkerId(): string {
  return `${hostname()}/${process.pid}/${randomUUID().slice(0, 8)}`;
}

/** True when the worker is a process of this machine that has ended; a worker of another machine is never known gone. */
export function isGone(worker: string): boolean {
  const [host, pid] = worker.split('/');
  if (host !== hostname()) return false;
  const id = Number(pid);
  if (!Number.isSafeInteger(id) || id <= 0) return false;
  try {
    process.kill(id, 0);
    return false;
  } catch (error) {
    // EPERM: it lives, under another user.
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}
