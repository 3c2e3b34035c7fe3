import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { HoldfastClient } from '@holdfast/api';
import { z } from 'zod';
import { type Parsed, type Terminal, text } from './command.ts';

export const connectionOptions = { server: { type: 'string' }, data: { type: 'string' } } as const;
export const connectionHelp = [
  [
    '--server URL',
    'address of control; default: the Holdfast of --data, or $HOLDFAST_SERVER, or http://127.0.0.1:8090',
  ],
  ['--data DIR', 'data directory of the Holdfast to talk to (default ./.holdfast)'],
] as const;

const ownerSchema = z.object({ consoleUrl: z.string() });

/** Address that the owner of a data directory has written there; it need not answer any more. */
export function urlOfOwner(directory: string): string | undefined {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(join(directory, 'run', 'owner.json'), 'utf8'))).consoleUrl;
  } catch {
    return undefined;
  }
}

/** Address of the control that a command should talk to. */
export function controlUrl(parsed: Parsed, terminal: Terminal): string {
  return (
    text(parsed, 'server') ??
    terminal.environment.HOLDFAST_SERVER ??
    urlOfOwner(text(parsed, 'data') ?? './.holdfast') ??
    'http://127.0.0.1:8090'
  );
}

export function connect(parsed: Parsed, terminal: Terminal, url = controlUrl(parsed, terminal)): HoldfastClient {
  return new HoldfastClient(url, { timeoutMs: 600_000, actor: userInfo().username });
}
