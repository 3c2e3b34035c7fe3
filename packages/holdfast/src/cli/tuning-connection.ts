import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fault } from '@holdfast/api';
import { openTuning, type Studies } from '../tuning/index.ts';
import { type Parsed, type Terminal, text, UsageError } from './command.ts';
import { connectionHelp, connectionOptions } from './connection.ts';

export const tuningOptions = { ...connectionOptions, database: { type: 'string' } } as const;
export const tuningHelp = [
  ...connectionHelp,
  ['--database DB', 'open this database itself, a file or postgres:// address (default: tune.db of --data)'],
] as const;

/** The data directory; studies keep the files of their trials below it. */
export function dataDirectory(parsed: Parsed): string {
  return resolve(text(parsed, 'data') ?? './.holdfast');
}

function databasePath(parsed: Parsed): string {
  const given = text(parsed, 'database');
  if (given === undefined) return join(dataDirectory(parsed), 'tune.db');
  if (/^postgres(ql)?:\/\//.test(given)) return given;
  if (/^\w+:\/\//.test(given)) throw new UsageError(`--database takes a file or a postgres:// address, not "${given}"`);
  return resolve(given);
}

/**
 * The studies that a command works on: of a database it opens itself.
 *
 * @param mayCreate whether a database that is not there is created
 */
export async function openStudies(
  parsed: Parsed,
  _terminal: Terminal,
  mayCreate: boolean,
): Promise<{ readonly studies: Studies; readonly place: string } & AsyncDisposable> {
  const path = databasePath(parsed);
  const isFile = !path.startsWith('postgres');
  if (isFile && !existsSync(path)) {
    if (!mayCreate) throw fault('not_found', `A database of studies at ${path}`);
    await mkdir(join(path, '..'), { recursive: true });
  }
  const opened = await openTuning(path, Date.now);
  return {
    studies: opened.studies,
    place: path.replace(/\/\/[^@/]*@/, '//'),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
