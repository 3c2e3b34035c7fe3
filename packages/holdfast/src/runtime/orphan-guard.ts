import { Worker } from 'node:worker_threads';

/**
 * Ends this process after its parent is gone, even when a native run that never ends keeps the main thread from
 * noticing: a thread looks once a second and, when the grace has passed, kills the process.
 *
 * @param graceMs how long a run under way may still take
 */
export function guardAgainstOrphanhood(graceMs: number): void {
  // The thread runs the function's own text, so that it starts at once and needs no module loader.
  const guard = new Worker(`(${watchParent.toString()})(${process.ppid}, ${graceMs})`, {
    eval: true,
    // Without a bound V8 reserves another 512 MB for code, which counts against a memory limit of the process.
    resourceLimits: { codeRangeSizeMb: 4, maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 },
  });
  // Without the guard the channel's end still stops every process whose main thread is not stuck.
  guard.on('error', () => {});
  guard.unref();
}

function watchParent(parentPid: number, graceMs: number): void {
  const watch = setInterval(() => {
    if (process.ppid === parentPid) return;
    clearInterval(watch);
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), graceMs);
  }, 1000);
}
