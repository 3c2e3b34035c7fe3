import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DataDirectoryInUse, openDataDirectory } from './data-directory.ts';
import { holdName, namesFree } from './process-lock.ts';

function emptyFolder(): string {
  return mkdtempSync(join(tmpdir(), 'holdfast-lock-'));
}

test('a name has one holder at a time, and the next one waits until it is free', async () => {
  const run = emptyFolder();
  const first = await holdName(run, 'gateway-1');
  await expect(holdName(run, 'gateway-1', 0)).rejects.toThrow(/another gateway-1 still runs/);
  using other = await holdName(run, 'gateway-2', 0);
  expect(other).toBeDefined();
  const waiting = holdName(run, 'gateway-1');
  first[Symbol.dispose]();
  using second = await waiting;
  expect(second).toBeDefined();
});

test('the names that are still held are told', async () => {
  const run = emptyFolder();
  const gateway = await holdName(run, 'gateway-1');
  const watcher = await holdName(run, 'watcher');
  watcher[Symbol.dispose]();
  expect(await namesFree(run, 0)).toEqual(['gateway-1']);
  gateway[Symbol.dispose]();
  expect(await namesFree(run, 0)).toEqual([]);
});

test('a data directory is free only when the processes of its last owner have left', async () => {
  const root = join(emptyFolder(), 'data');
  const owner = await openDataDirectory(root, () => 0);
  const orphan = await holdName(owner.run, 'gateway-1');
  await owner[Symbol.asyncDispose]();
  await expect(openDataDirectory(root, () => 0, 0)).rejects.toThrow(DataDirectoryInUse);
  const next = openDataDirectory(root, () => 0);
  orphan[Symbol.dispose]();
  await (await next)[Symbol.asyncDispose]();
});
