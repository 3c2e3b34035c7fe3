import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

/** When this process began: in a container that was started again, another process has the same number. */
const startedAt = Math.round(performance.timeOrigin).toString(36);

/** The name under which this process holds trials: host, process, its start, and a part that no other worker shares. */
export function newWorkerId(): string {
  return `${hostname()}/${process.pid}/${startedAt}/${randomUUID().slice(0, 8)}`;
}

/** True when the worker is a process of this machine that has ended; a worker of another machine is never known gone. */
export function isGone(worker: string): boolean {
  const [host, pid, start, isOurs] = worker.split('/');
  if (host !== hostname()) return false;
  const id = Number(pid);
  if (!Number.isSafeInteger(id) || id <= 0) return false;
  if (id === process.pid && isOurs !== undefined) return start !== startedAt;
  try {
    process.kill(id, 0);
    return false;
  } catch (error) {
    // EPERM: it lives, under another user.
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}
