/** The settings that control gave this child process. @throws Error when it was not started by control */
export function childSettings(): unknown {
  const raw = process.env.HOLDFAST_CHILD;
  if (raw === undefined || process.send === undefined) {
    throw new Error('this file is a process of Holdfast; start it with: holdfast up');
  }
  return JSON.parse(raw);
}

/** Longest time to end in order. Control kills before that; this bound is for a process that it forgot. */
const drainTimeoutMs = 35_000;
/** A process without control has no use, and a new control waits for it. */
const orphanTimeoutMs = 3000;

/**
 * Ends the process in order when control says so or is gone. Control handles the terminal's Ctrl-C for everybody, so
 * children ignore it.
 */
export function endWith(drain: () => Promise<void>): void {
  let isEnding = false;
  const end = async (): Promise<void> => {
    setTimeout(() => process.exit(1), process.connected ? drainTimeoutMs : orphanTimeoutMs);
    if (isEnding) return;
    isEnding = true;
    await drain();
    process.exit(0);
  };
  const endOrFail = (): void => {
    end().catch(() => process.exit(1));
  };
  process.on('SIGINT', () => {});
  process.on('SIGTERM', endOrFail);
  process.on('disconnect', endOrFail);
  // Control that was killed while this process started: its leaving was told before anybody listened.
  if (!process.connected) endOrFail();
  process.on('message', message => {
    if (typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'drain') endOrFail();
  });
}

/** Sends to control; when control is gone there is nobody to tell. */
export function tellControl(message: object): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
