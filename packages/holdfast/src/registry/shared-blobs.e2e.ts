import { mkdtempSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { type ObjectStore, openObjectStore } from '../storage/index.ts';
import { s3Credentials, startS3Server } from '../storage/testing/s3-server.ts';
import { BlobStore } from './blob-store.ts';

let server: Awaited<ReturnType<typeof startS3Server>>;
let shared: ObjectStore;

beforeAll(async () => {
  for (const [name, value] of Object.entries(s3Credentials)) vi.stubEnv(name, value);
  server = await startS3Server();
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  vi.unstubAllEnvs();
});
beforeEach(async () => {
  shared = await openObjectStore(server.address);
});

function open(): Promise<BlobStore> {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-blobs-'));
  return BlobStore.open(root, { maximumBytes: 20_000_000, shared });
}

test('a blob that one machine put is found by another, byte for byte, also when it takes several parts', async () => {
  const bytes = Buffer.alloc(12_000_000, 'holdfast');
  const { digest } = await (await open()).put([bytes]);
  const other = await open();
  expect(await other.sizeOf(digest)).toBe(bytes.length);
  const paths = await Promise.all([other.locate(digest), other.locate(digest)]);
  expect(new Set(paths).size).toBe(1);
  expect((await readFile(paths[0] ?? '')).equals(bytes)).toBe(true);
});

test('an object that is not what its key says is refused', async () => {
  const { digest } = await (await open()).put([Buffer.from('true')]);
  const forged = join(mkdtempSync(join(tmpdir(), 'holdfast-forged-')), 'x');
  writeFileSync(forged, 'fake');
  await shared.upload(`blobs/${digest.slice('sha256:'.length)}`, forged);
  await expect((await open()).locate(digest)).rejects.toMatchObject({ code: 'artifact_not_found' });
});

test('what nobody put is missing, and keys are listed in order', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'holdfast-keys-')), 'x');
  writeFileSync(file, 'x');
  for (const key of ['log/b', 'log/a', 'other/c']) await shared.upload(key, file);
  expect(await shared.list('log/')).toEqual(['log/a', 'log/b']);
  expect(await shared.sizeOf('log/z')).toBeUndefined();
  await shared.remove('log/a');
  await shared.remove('log/a');
  expect(await shared.list('log/')).toEqual(['log/b']);
  await expect(shared.download('log/a', `${file}-copy`)).rejects.toMatchObject({ name: 'ObjectMissing' });
});
