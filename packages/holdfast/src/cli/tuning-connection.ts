import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fault } from '@holdfast/api';
import { apiStudies, openTuning, type Studies } from '../tuning/index.ts';
import { type Parsed, type Terminal, text, UsageError } from './command.ts';
import { connect, connectionHelp, connectionOptions, urlOfOwner } from './connection.ts';

export const tuningOptions = { ...connectionOptions, database: { type: 'string' } } as const;
export const tuningHelp = [
  ...connectionHelp,
  ['--database DB', 'open this database itself, a file or postgres:// address (default: tune.db of --data)'],
] as const;

function dataDirectory(parsed: Parsed): string {
  return resolve(text(parsed, 'data') ?? './.holdfast');
}

/** The folder that holds what the trials of a study leave behind. */
export function studyDirectory(parsed: Parsed, study: string): string {
  return join(dataDirectory(parsed), 'tune', study);
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}

/** A running Holdfast: the one that is named, or the one that has the data directory and answers. */
async function runningUrl(parsed: Parsed, terminal: Terminal): Promise<string | undefined> {
  if (text(parsed, 'database') !== undefined) return undefined;
  const named = text(parsed, 'server') ?? terminal.environment.HOLDFAST_SERVER;
  if (named !== undefined) return named;
  const owner = urlOfOwner(dataDirectory(parsed));
  return owner !== undefined && (await answers(owner)) ? owner : undefined;
}

function databasePath(parsed: Parsed): string {
  const given = text(parsed, 'database');
  if (given === undefined) return join(dataDirectory(parsed), 'tune.db');
  if (/^postgres(ql)?:\/\//.test(given)) return given;
  if (/^\w+:\/\//.test(given)) throw new UsageError(`--database takes a file or a postgres:// address, not "${given}"`);
  return resolve(given);
}

/**
 * The studies that a command works on: those of a running Holdfast, or else of a database that it opens itself.
 *
 * @param mayCreate whether a database that is not there is created
 */
export async function openStudies(
  parsed: Parsed,
  terminal: Terminal,
  mayCreate: boolean,
): Promise<{ readonly studies: Studies } & AsyncDisposable> {
  const url = await runningUrl(parsed, terminal);
  if (url !== undefined) {
    const studies = apiStudies(connect(parsed, terminal, url));
    return { studies, [Symbol.asyncDispose]: async () => {} };
  }
  const path = databasePath(parsed);
  const isFile = !path.startsWith('postgres');
  if (isFile && !existsSync(path)) {
    if (!mayCreate) throw fault('not_found', `A database of studies at ${path}`);
    await mkdir(join(path, '..'), { recursive: true });
  }
  const opened = await openTuning(path, Date.now);
  return {
    studies: opened.studies,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
