import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDataDirectory } from './data-directory.ts';

test('a data directory has one owner at a time, and the second is told who', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'holdfast-data-')), 'd');
  const first = await openDataDirectory(path, () => 0);
  await expect(openDataDirectory(path, () => 1)).rejects.toThrow(new RegExp(`process ${process.pid} on`));
  await first[Symbol.asyncDispose]();
  await using second = await openDataDirectory(path, () => 2);
  expect(second.root).toBe(first.root);
});
