import { createLog, type Log } from '../telemetry/index.ts';

/**
 * The log of one process of the product. A person at a terminal sees what went wrong; a log collector sees every change
 * of state. `HOLDFAST_LOG` says otherwise.
 */
export function processLog(service: string): Log {
  return createLog(service, process.env.HOLDFAST_LOG ?? (process.stderr.isTTY ? 'warn' : 'info'));
}
