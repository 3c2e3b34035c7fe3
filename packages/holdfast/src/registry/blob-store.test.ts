import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BlobStore } from './blob-store.ts';

function freshRoot(): string {
  return mkdtempSync(join(tmpdir(), 'holdfast-blobs-'));
}

const abc = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

test('bytes are kept under their SHA-256', async () => {
  const store = await BlobStore.open(freshRoot(), { maximumBytes: 100 });
  const artifact = await store.put([Buffer.from('a'), Buffer.from('bc')]);
  expect(artifact).toEqual({ digest: abc, bytes: 3 });
  expect(await readFile(await store.locate(artifact.digest), 'utf8')).toBe('abc');
  expect(await store.isIntact(artifact.digest)).toBe(true);
});

test('a changed byte on disk is noticed', async () => {
  const store = await BlobStore.open(freshRoot(), { maximumBytes: 100 });
  const { digest } = await store.put([Buffer.from('abc')]);
  writeFileSync(await store.locate(digest), 'abd');
  expect(await store.isIntact(digest)).toBe(false);
});

test('an artifact above the limit is refused and leaves nothing', async () => {
  const root = freshRoot();
  const store = await BlobStore.open(root, { maximumBytes: 3 });
  await expect(store.put([Buffer.from('ab'), Buffer.from('cd')])).rejects.toMatchObject({ code: 'too_large' });
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
});

test('what an interrupted upload left is removed at open', async () => {
  const root = freshRoot();
  await BlobStore.open(root, { maximumBytes: 3 });
  writeFileSync(join(root, 'tmp', 'half'), 'x');
  await BlobStore.open(root, { maximumBytes: 3 });
  expect(readdirSync(join(root, 'tmp'))).toEqual([]);
});

test('an unknown digest is a fault that says what to do', async () => {
  const store = await BlobStore.open(freshRoot(), { maximumBytes: 3 });
  const { digest } = await store.put([Buffer.from('abc')]);
  const other = await BlobStore.open(freshRoot(), { maximumBytes: 3 });
  await expect(other.sizeOf(digest)).rejects.toMatchObject({ code: 'artifact_not_found' });
});
