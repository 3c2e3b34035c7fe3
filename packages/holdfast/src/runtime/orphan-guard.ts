import { workerData } from 'node:worker_threads';

/**
 * Thread of a runner or validator process. A native run that never ends keeps the main thread from noticing that the
 * parent is gone; this one looks once a second and, after the grace, ends the process.
 */
export interface OrphanGuardData {
  readonly parentPid: number;
  /** How long a run under way may still take. */
  readonly graceMs: number;
}

const { parentPid, graceMs }: OrphanGuardData = workerData;

const watch = setInterval(() => {
  if (process.ppid === parentPid) return;
  clearInterval(watch);
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs);
}, 1000);
