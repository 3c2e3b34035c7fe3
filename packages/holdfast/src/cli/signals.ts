/** Resolves on the first SIGINT or SIGTERM; the second one ends the process at once. */
export function signalled(): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let isFirst = true;
    const on = (signal: NodeJS.Signals): void => {
      if (!isFirst) process.exit(signal === 'SIGINT' ? 130 : 143);
      isFirst = false;
      resolve(signal);
    };
    process.on('SIGINT', on);
    process.on('SIGTERM', on);
  });
}
