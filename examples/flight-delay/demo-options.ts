import { parseArgs } from 'node:util';
import { laterMonths } from './months.ts';

/** February to June, 150 days, in three minutes. */
const defaultSpeed = (150 * 86_400) / 180;

export interface DemoOptions {
  /** Event seconds per second. */
  readonly speed: number;
  /** Event times to replay, ms since epoch. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Folder for computed features and for the data of the demo's own server. */
  readonly data: string;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly consolePort: number | undefined;
  /** End after the replay instead of staying up for a look around. */
  readonly once: boolean;
  /** Print the summary as JSON on stdout, and everything else on stderr. */
  readonly json: boolean;
}

export const usage = `usage: npm run demo -- [options]

Serves a model that predicts late flights and replays the US flights of February to June 2001 against it.

  --speed N          event seconds per second (default ${defaultSpeed}: five months in about three minutes)
  --from DATE        first day (default 2001-02-01)
  --until DATE       the day after the last one (default 2001-07-01)
  --once             end after the replay
  --json             print a summary as JSON at the end; progress goes to stderr
  --data DIR         where computed features are kept (default .holdfast/demo)
  --host ADDRESS     address to listen on (default 127.0.0.1)
  --port N           port for predictions (default 8080)
  --console-port N   port of the console (default 8090)
  --help             show this help
`;

/** The words of the command are off; the message says how. */
export class DemoUsageError extends Error {
  override readonly name = 'DemoUsageError';
}

/** @returns undefined when help is asked for. @throws DemoUsageError */
export function parseDemoOptions(args: readonly string[]): DemoOptions | undefined {
  const values = parsedValues(args);
  if (values.help === true) return undefined;
  const fromMs = day('--from', values.from, laterMonths[0]!.fromMs);
  const untilMs = day('--until', values.until, laterMonths.at(-1)!.untilMs);
  if (untilMs <= fromMs) throw new DemoUsageError('--until must be later than --from');
  return {
    speed: speedOf(values.speed),
    fromMs,
    untilMs,
    data: values.data ?? '.holdfast/demo',
    host: values.host,
    port: port('--port', values.port),
    consolePort: port('--console-port', values['console-port']),
    once: values.once ?? false,
    json: values.json ?? false,
  };
}

function parsedValues(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        speed: { type: 'string' },
        from: { type: 'string' },
        until: { type: 'string' },
        once: { type: 'boolean' },
        json: { type: 'boolean' },
        data: { type: 'string' },
        host: { type: 'string' },
        port: { type: 'string' },
        'console-port': { type: 'string' },
        help: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw new DemoUsageError(error instanceof Error ? error.message : String(error));
  }
}

function speedOf(text: string | undefined): number {
  if (text === undefined) return defaultSpeed;
  const speed = Number(text);
  if (!(speed > 0 && Number.isFinite(speed))) throw new DemoUsageError(`--speed takes a number above 0, not "${text}"`);
  return speed;
}

function day(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (Number.isNaN(ms)) throw new DemoUsageError(`${name} takes a day such as 2001-03-01, not "${text}"`);
  return ms;
}

function port(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || number > 65_535) {
    throw new DemoUsageError(`${name} takes a port from 0 to 65535, not "${text}"`);
  }
  return number;
}
