import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sourceFilesOf } from './source-files.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-source-files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A layers model of TensorFlow.js that names one file of weights. */
const model = JSON.stringify({
  format: 'layers-model',
  modelTopology: { model_config: { class_name: 'Sequential' } },
  weightsManifest: [{ paths: ['weights.bin'], weights: [] }],
});

test('a link to a file outside the folder of the model is not followed, in a folder or beside a file', async () => {
  const inside = join(folder, 'model');
  mkdirSync(inside);
  writeFileSync(join(inside, 'model.json'), model);
  writeFileSync(join(folder, 'secret'), 'not for you');
  symlinkSync('../secret', join(inside, 'weights.bin'));
  const refused = expect.objectContaining({ code: 'bad_request', message: expect.stringContaining('weights.bin') });
  await expect(sourceFilesOf(inside)).rejects.toThrow(refused);
  await expect(sourceFilesOf(join(inside, 'model.json'))).rejects.toThrow(refused);
});

test('links inside the folder, and those of a model hub to its own files, are followed', async () => {
  const snapshot = join(folder, 'snapshots', '0f3a');
  mkdirSync(snapshot, { recursive: true });
  mkdirSync(join(folder, 'blobs'));
  writeFileSync(join(folder, 'blobs', 'aa'), model);
  writeFileSync(join(folder, 'blobs', 'bb'), 'weights');
  symlinkSync('../../blobs/aa', join(snapshot, 'model.json'));
  symlinkSync('../../blobs/bb', join(snapshot, 'weights.bin'));
  const names = async (path: string) => (await sourceFilesOf(path)).map(file => file.name);
  expect(await names(snapshot)).toEqual(['model.json', 'weights.bin']);
  expect(await names(join(snapshot, 'model.json'))).toEqual(['model.json', 'weights.bin']);
});
