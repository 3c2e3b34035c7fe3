import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from './load-config.ts';

function fileWith(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), 'holdfast-config-')), 'holdfast.yaml');
  writeFileSync(path, text);
  return path;
}

test('several files of one model are found beside the configuration too', async () => {
  const path = fileWith('models:\n  churn:\n    file: [scaler.pkl, churn.h5]\n');
  expect(Object.values((await loadConfig(path)).models)[0]?.file).toEqual([
    path.replace('holdfast.yaml', 'scaler.pkl'),
    path.replace('holdfast.yaml', 'churn.h5'),
  ]);
});

test('files of models are found beside the configuration', async () => {
  const path = fileWith('models:\n  churn:\n    file: churn.onnx\n    baseline: { file: data/train.csv }\n');
  const config = await loadConfig(path);
  expect(Object.values(config.models)[0]).toMatchObject({
    file: path.replace('holdfast.yaml', 'churn.onnx'),
    baseline: { file: path.replace('holdfast.yaml', 'data/train.csv') },
  });
});

test('a wrong key is an error with the file, the place and the key', async () => {
  const path = fileWith('recording:\n  sealafter: 5s\n');
  await expect(loadConfig(path)).rejects.toMatchObject({
    code: 'bad_configuration',
    message: expect.stringMatching(/holdfast\.yaml: recording: .*sealafter/),
  });
});

test('what is not YAML is an error with its line', async () => {
  await expect(loadConfig(fileWith('models: [\n'))).rejects.toMatchObject({ message: expect.stringContaining('line') });
});

test('an empty file means all defaults', async () => {
  expect((await loadConfig(fileWith(''))).port).toBe(8080);
});

test('a model takes from the defaults what it does not say itself', async () => {
  const config = await loadConfig(
    fileWith(
      'defaults:\n  monitors: { window: { every: 1d }, fireAfter: 3 }\nmodels:\n  churn:\n    monitors: { fireAfter: 1 }\n',
    ),
  );
  expect(Object.values(config.models)[0]?.monitors).toMatchObject({ window: { every: 86_400_000 }, fireAfter: 1 });
});
