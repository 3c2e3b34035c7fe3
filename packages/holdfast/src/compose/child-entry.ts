/** The settings that control gave this child process. @throws Error when it was not started by control */
export function childSettings(): unknown {
  const raw = process.env.HOLDFAST_CHILD;
  if (raw === undefined || process.send === undefined) {
    throw new Error('this file is a process of Holdfast; start it with: holdfast up');
  }
  return JSON.parse(raw);
}

/**
 * Ends the process in order when control says so or is gone. Control handles the terminal's Ctrl-C for everybody, so
 * children ignore it.
 */
export function endWith(drain: () => Promise<void>): void {
  let isEnding = false;
  const end = async (): Promise<void> => {
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
  process.on('message', message => {
    if (typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'drain') endOrFail();
  });
}

/** Sends to control; when control is gone there is nobody to tell. */
export function tellControl(message: object): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
