import { existsSync } from 'node:fs';
import { cp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type AskAnswer, fault } from '@holdfast/api';
import { trialDirectory } from './trial-folder.ts';

type StartFrom = NonNullable<Extract<AskAnswer, { kind: 'trial' }>['startFrom']>;

/**
 * Gives a trial the checkpoint that another one left. A trial that has one already, because it was begun before, keeps it; a
 * copy that was cut short is made again.
 *
 * @throws Fault `not_found` when the other trial's folder is not here
 */
export async function inheritCheckpoint(
  studyDirectory: string,
  { trial, folder }: StartFrom,
  trialFolder: string,
): Promise<void> {
  const own = join(trialFolder, 'checkpoint');
  if ((await readdir(own)).length > 0) return;
  const source = [trial, folder]
    .map(number => join(trialDirectory(studyDirectory, number), 'checkpoint'))
    .find(path => existsSync(path));
  if (source === undefined) throw fault('not_found', `The checkpoint of trial ${trial}, which this one starts from,`);
  const copy = join(trialFolder, 'checkpoint.copy');
  await rm(copy, { recursive: true, force: true });
  await cp(source, copy, { recursive: true });
  await rm(own, { recursive: true });
  await rename(copy, own);
}
