import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspectModel } from '@holdfast/onnx';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { HoldfastProcess, runCli, temporaryFolder } from './holdfast-process.ts';

/** One tree over two columns: 1 where a <= 0.5, else 2 or 4 by b <= -2. */
const lightgbmText = `tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=1
objective=regression
feature_names=a b
tree_sizes=1

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
threshold=0.5 -2
decision_type=2 2
left_child=-1 -2
right_child=1 -3
leaf_value=1 2 4

end of trees
`;

/** Protocol 0 pickle that would create the file \`canary\` when it is loaded in Python. */
const harmfulPickle = (canary: string): string => `cposix\nsystem\n(S'touch ${canary}'\ntR.`;

const folder = temporaryFolder();
const source = join(folder.path, 'delay.txt');
let holdfast: HoldfastProcess;

beforeAll(async () => {
  writeFileSync(source, lightgbmText);
  holdfast = await HoldfastProcess.up([source, '--data', join(folder.path, 'data')]);
});

afterAll(async () => {
  await holdfast[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

test('convert writes an ONNX file and prints a report that says how it was checked', async () => {
  const output = join(folder.path, 'out.onnx');
  const { code, stdout, stderr } = await runCli('convert', source, '-o', output);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/LightGBM of file version v4/);
  expect(stdout).toMatch(/checked .*1 row, 0 rows and \d+ rows agree/);
  expect(inspectModel(readFileSync(output)).featureNames).toEqual(['a', 'b']);
  const again = await runCli('convert', source, '-o', output);
  expect(again).toMatchObject({ code: 2 });
  expect(again.stderr).toContain('--force');
});

test('a place that cannot be written is refused before anything is converted', async () => {
  const nowhere = await runCli('convert', source, '-o', join(folder.path, 'nowhere/out.onnx'));
  expect(nowhere).toMatchObject({ code: 2, stderr: expect.stringMatching(/there is no folder .*nowhere to write to/) });
  const onto = await runCli('convert', source, '-o', folder.path, '--force');
  expect(onto).toMatchObject({ code: 2, stderr: expect.stringMatching(/is a folder; give a file/) });
});

const textToNumber = join(import.meta.dirname, '../../../shared/models/onnx/triton_simple_string/model.onnx');

test.skipIf(!existsSync(textToNumber))(
  'an ONNX model that does not like our golden inputs is written, with a note, and cleaned twice to the same bytes',
  async () => {
    const [first, second] = [join(folder.path, 'first.onnx'), join(folder.path, 'second.onnx')];
    const { code, stdout } = await runCli('convert', textToNumber, '-o', first);
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(stdout).toMatch(/checked .*its graph was loaded\. A golden request of one row failed/);
    await runCli('convert', textToNumber, '-o', second);
    expect(readFileSync(second).equals(readFileSync(first))).toBe(true);
  },
);

test('a file that would run code is refused, runs nothing and leaves nothing', async () => {
  const canary = join(folder.path, 'canary');
  const bad = join(folder.path, 'bad.pkl');
  const target = join(folder.path, 'bad-out');
  mkdirSync(target);
  writeFileSync(bad, harmfulPickle(canary));
  const { code, stderr } = await runCli('convert', bad, '-o', join(target, 'bad.onnx'));
  expect(code).toBe(1);
  expect(stderr).toContain('posix.system');
  const deployed = await runCli('deploy', bad, '--data', join(folder.path, 'data'));
  expect(deployed.code).toBe(1);
  expect(deployed.stderr).toContain('posix.system');
  expect(readdirSync(target)).toEqual([]);
  expect(existsSync(canary)).toBe(false);
});

test('a file of another framework given to up is served, and its version says where it came from', async () => {
  expect(holdfast.ready.problems).toEqual([]);
  const body = { inputs: [{ name: 'X', datatype: 'FP64', shape: [3, 2], data: [0.5, 0, 0.6, -2, 0.6, 0] }] };
  const answer = z
    .object({ outputs: z.array(z.object({ name: z.string(), data: z.array(z.number()) })) })
    .parse(await (await holdfast.infer('delay', body)).json());
  expect(answer.outputs).toEqual([expect.objectContaining({ name: 'prediction', data: [1, 2, 4] })]);
  const version = await holdfast.control.call('readVersion', { params: { model: 'delay', version: 1 } });
  expect(version.provenance).toMatchObject({
    file: 'delay.txt',
    converted: expect.stringContaining('LightGBM of file version v4'),
  });
  const conversion = await holdfast.control.call('readConversion', { params: { model: 'delay', version: 1 } });
  expect(conversion.report.featureNames).toEqual(['a', 'b']);
  const shown = await runCli('models', 'delay', '1', '--data', join(folder.path, 'data'));
  expect(shown.stdout).toContain('lightgbm_text: LightGBM of file version v4');
});

test('the files of a folder are deployed as one model, and the same folder again is the same version', async () => {
  const model = join(folder.path, 'folder-model');
  mkdirSync(join(model, 'notes'), { recursive: true });
  writeFileSync(join(model, 'model.txt'), lightgbmText);
  writeFileSync(join(model, 'notes', 'readme.md'), 'trained on tuesday\n');
  const deploy = () => runCli('deploy', model, '--data', join(folder.path, 'data'), '--json');
  const first = await deploy();
  expect({ code: first.code, stderr: first.stderr }).toMatchObject({ code: 0 });
  expect(JSON.parse(first.stdout)).toMatchObject({ created: true, version: { model: 'folder-model', state: 'ready' } });
  expect(JSON.parse((await deploy()).stdout)).toMatchObject({ created: false });
});

test.skipIf(!existsSync(textToNumber))(
  'a scaler and a model deployed together answer as one model, whose provenance names both files',
  async () => {
    const shared = join(import.meta.dirname, '../../../shared/models');
    const files = [
      join(shared, 'sklearn/standard_scaler_only/model.pkl'),
      join(shared, 'xgboost/binary_cancer/model.json'),
    ];
    const deploy = () => runCli('deploy', ...files, '--name', 'cancer', '--data', join(folder.path, 'data'), '--json');
    const first = await deploy();
    expect({ code: first.code, stderr: first.stderr }).toMatchObject({ code: 0 });
    const { version } = z.object({ version: z.object({ version: z.number() }) }).parse(JSON.parse(first.stdout));
    const data = Array.from({ length: 30 }, (_, i) => i);
    const answer = await holdfast.infer('cancer', {
      inputs: [{ name: 'X', datatype: 'FP64', shape: [1, 30], data }],
    });
    expect(answer.status).toBe(200);
    const params = { model: 'cancer', version: version.version };
    const { provenance } = await holdfast.control.call('readVersion', { params });
    expect(provenance).toMatchObject({
      file: 'model.pkl + model.json',
      converted: expect.stringMatching(/StandardScaler.*binary:logistic/s),
    });
    expect(JSON.parse((await deploy()).stdout)).toMatchObject({ created: false });
    const swapped = await runCli(
      'deploy',
      ...files.toReversed(),
      '--name',
      'swapped',
      '--data',
      join(folder.path, 'data'),
    );
    expect(swapped).toMatchObject({ code: 1 });
  },
);

test('a second model that does not take what the first gives is refused with both named', async () => {
  const output = join(folder.path, 'pipeline.onnx');
  const { code, stderr } = await runCli('convert', source, source, '-o', output);
  expect(code).toBe(1);
  expect(stderr).toContain('gives 1 columns, but the next takes 2 in "X"');
  expect(existsSync(output)).toBe(false);
});

test('a change of the graph is measured and printed, and refused above --max-loss', async () => {
  const output = join(folder.path, 'single.onnx');
  const table = join(folder.path, 'rows.csv');
  writeFileSync(table, 'a,b\n0.5,0\n0.6,-2\n0.6,0\n');
  const done = await runCli('convert', source, '-o', output, '--float32', '--data', table);
  expect({ code: done.code, stderr: done.stderr }).toMatchObject({ code: 0 });
  expect(done.stdout).toMatch(/float32 .* 0\.00 %/);
  expect(inspectModel(readFileSync(output)).signature.inputs[0]?.dtype).toBe('FP32');
  const refused = await runCli('convert', source, '-o', join(folder.path, 'q.onnx'), '--quantize', 'int8-weights');
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain('nothing that this mode quantizes');
});
