import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspectModel } from '@holdfast/onnx';
import { afterAll, expect, test } from 'vitest';
import { runCli, temporaryFolder } from './holdfast-process.ts';

const shared = join(import.meta.dirname, '../../../shared/models');
const forest = join(shared, 'sklearn/rf_iris/model.pkl');
const network = join(shared, 'sklearn/mlp_digits/model.pkl');
const folder = temporaryFolder();
const file = (name: string): string => join(folder.path, name);

afterAll(() => folder[Symbol.dispose]());

const withFixtures = test.skipIf(!existsSync(forest));

withFixtures('one output of several is checked with the whole model and written alone', async () => {
  const output = file('probabilities.onnx');
  const { code, stderr } = await runCli(
    'convert',
    forest,
    '-o',
    output,
    '--outputs',
    'probabilities',
    '--name',
    'iris',
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(inspectModel(readFileSync(output)).signature.outputs.map(({ name }) => name)).toEqual(['probabilities']);
});

withFixtures('the outputs and the name asked for belong to the pipeline that two files become', async () => {
  const output = file('pipeline.onnx');
  const files = [
    join(shared, 'sklearn/standard_scaler_only/model.pkl'),
    join(shared, 'xgboost/binary_cancer/model.json'),
  ];
  const options = ['--outputs', 'probabilities', '--name', 'cancer', '--rounds', '2'];
  const { code, stderr } = await runCli('convert', ...files, '-o', output, ...options);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(inspectModel(readFileSync(output)).signature.outputs.map(({ name }) => name)).toEqual(['probabilities']);
  expect(readFileSync(output, 'latin1')).toContain('cancer');
});

withFixtures.each([
  [['--outputs', 'nothing'], 1, /no output "nothing"; it has label, probabilities/],
  [['--signature', 'x'], 1, /signature cannot be chosen for this file/],
  [['--inputs', 'x'], 1, /inputs cannot be chosen for this file/],
  [['--rounds', '3'], 1, /rounds cannot be chosen for this file/],
  [['--quantize', 'int8-dynamic'], 1, /nothing that this mode quantizes.*Trees have none/],
  [['--quantize', 'int4'], 2, /--quantize is int8-weights/],
  [['--calibration', network], 2, /--calibration is for --quantize int8-static/],
  [['--max-loss', '0.1'], 2, /--max-loss is for --quantize/],
] as const)(
  '%j on a forest ends with a sentence and leaves the file that was there',
  async (options, exit, message) => {
    const target = file('kept.onnx');
    writeFileSync(target, 'mine');
    const before = readdirSync(folder.path);
    const { code, stderr } = await runCli('convert', forest, '-o', target, '--force', ...options);
    expect({ code, stderr }).toMatchObject({ code: exit, stderr: expect.stringMatching(message) });
    expect(readFileSync(target, 'utf8')).toBe('mine');
    expect(readdirSync(folder.path)).toEqual(before);
  },
);

withFixtures('a graph optimised by ONNX Runtime loads again and is free of layouts of one processor', async () => {
  const output = file('optimised.onnx');
  const cnn = join(shared, 'keras/cnn_digits/model.h5');
  const { code, stdout, stderr } = await runCli(
    'convert',
    cnn,
    '-o',
    output,
    '--optimize',
    '--quantize',
    'int8-dynamic',
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/optimized .* 0\.00 %/);
  expect(readFileSync(output, 'latin1')).not.toMatch(/ReorderInput|ReorderOutput/);
  const again = await runCli('convert', output, '-o', file('again.onnx'));
  expect({ code: again.code, stdout: again.stdout }).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/its graph was loaded and run/),
  });
});

withFixtures('a mode that leaves layers in float32 says which', async () => {
  const lstm = join(shared, 'keras/bilstm_lstm_digits/model.keras');
  const { code, stdout, stderr } = await runCli('convert', lstm, '-o', file('lstm.onnx'), '--quantize', 'int8-dynamic');
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/note .*int8-dynamic leaves the weights of LSTM \(3\) in float32/);
});
