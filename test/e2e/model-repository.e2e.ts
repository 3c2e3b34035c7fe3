import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { initializer, model, node, value } from '../../packages/holdfast/src/runtime/fixtures/onnx-bytes.ts';
import { eventually, HoldfastProcess, temporaryFolder } from './holdfast-process.ts';

/** x [n, 3] -> y [n, 3]: every element times `factor`. */
function times(factor: number): Uint8Array {
  return model({
    nodes: [node('Mul', ['x', 'factor'], ['y'])],
    inputs: [value('x', 'FP32', ['n', 3])],
    outputs: [value('y', 'FP32', ['n', 3])],
    initializers: [initializer('factor', 'FP32', [1], Float32Array.of(factor))],
  });
}

function put(root: string, path: string, contents: string | Uint8Array): void {
  mkdirSync(join(root, path, '..'), { recursive: true });
  writeFileSync(join(root, path), contents);
}

const config = `
name: "scale" platform: "onnxruntime_onnx" max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 3 ] label_filename: "labels.txt" } ]
version_policy { latest { num_versions: 2 } }
dynamic_batching { max_queue_delay_microseconds: 100 }
instance_group { count: 1 }
model_warmup { name: "w" batch_size: 2 count: 1 inputs { key: "x" value { data_type: TYPE_FP32 dims: 3 input_data_file: "x.bin" } } }
`;

function tritonRepository(root: string): void {
  put(root, 'scale/config.pbtxt', config);
  put(root, 'scale/labels.txt', 'low\nmiddle\nhigh\n');
  put(root, 'scale/warmup/x.bin', new Uint8Array(24));
  for (const version of [1, 2, 7]) put(root, `scale/${version}/model.onnx`, times(version));
}

interface Body {
  readonly model_version?: string;
  readonly outputs?: readonly { readonly data: readonly unknown[] }[];
}

async function ask(holdfast: HoldfastProcess, path: string, body: object): Promise<{ status: number; body: Body }> {
  const response = await fetch(`${holdfast.ready.inferenceUrl}${path}`, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, body: JSON.parse((await response.text()) || '{}') };
}
const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 3], data: [1, 3, 2] }];

test('a Triton repository is served with its versions, policy and labels, and followed while it changes', async () => {
  using folder = temporaryFolder();
  const root = join(folder.path, 'models');
  tritonRepository(root);
  put(root, 'odd/config.pbtxt', 'max_batch_size: 8\nmax_bach: 1');
  put(root, 'plain/123/model.onnx', times(5));
  put(root, 'plain/4/model.onnx', times(6));
  const args = ['--data', join(folder.path, 'data'), '--model-repository', root, '--repository-poll', '200ms'];
  await using holdfast = await HoldfastProcess.up(args);
  expect(holdfast.ready.problems).toEqual([
    { model: 'odd', why: expect.stringContaining('odd/config.pbtxt: line 2: field "max_bach" is not known') },
  ]);

  const newest = await ask(holdfast, '/v2/models/scale/infer', { inputs });
  expect(newest.body).toMatchObject({ model_version: '7', outputs: [{ data: [7, 21, 14] }] });
  const second = await ask(holdfast, '/v2/models/scale/versions/2/infer', { inputs });
  expect(second.body).toMatchObject({ model_version: '2', outputs: [{ data: [2, 6, 4] }] });
  // The policy keeps two: version 1 is not there at all.
  expect((await ask(holdfast, '/v2/models/scale/versions/1/infer', { inputs })).status).toBe(404);
  const tfs = await ask(holdfast, '/v1/models/plain:predict', { instances: [[1, 1, 1]] });
  expect(tfs.body).toEqual({ predictions: [[5, 5, 5]] });
  const classes = await ask(holdfast, '/v2/models/scale/infer', {
    inputs,
    outputs: [{ name: 'y', parameters: { classification: 2 } }],
  });
  expect(classes.body.outputs?.[0]?.data).toEqual(['21.000000:1:middle', '14.000000:2:high']);

  // A version that cannot be loaded leaves the one before in service; a good one takes over.
  put(root, 'scale/8/model.onnx', 'this is no model');
  await eventually(async () => (holdfast.stderr.includes('repository.load_failed') ? true : undefined));
  expect((await ask(holdfast, '/v2/models/scale/infer', { inputs })).body.model_version).toBe('7');
  rmSync(join(root, 'scale/8'), { recursive: true });
  put(root, 'scale/9/model.onnx', times(9));
  await eventually(async () => {
    const { body } = await ask(holdfast, '/v2/models/scale/infer', { inputs });
    return body.model_version === '9' ? body : undefined;
  });
  // A folder that is taken away is taken out of service.
  rmSync(join(root, 'plain'), { recursive: true });
  await eventually(async () => {
    const { status } = await ask(holdfast, '/v1/models/plain:predict', { instances: [[1, 1, 1]] });
    return status === 200 ? undefined : status;
  });
});

test('with explicit control a model of the repository is served once a client loads it', async () => {
  using folder = temporaryFolder();
  const root = join(folder.path, 'models');
  tritonRepository(root);
  const args = ['--data', join(folder.path, 'data'), '--model-repository', root, '--model-control', 'explicit'];
  await using holdfast = await HoldfastProcess.up(args);
  expect((await ask(holdfast, '/v2/models/scale/infer', { inputs })).status).toBe(404);
  expect(await ask(holdfast, '/v2/repository/models/scale/load', {})).toMatchObject({ status: 200 });
  expect((await ask(holdfast, '/v2/models/scale/infer', { inputs })).body.model_version).toBe('7');
  cpSync(join(root, 'scale/7'), join(root, 'scale/10'), { recursive: true });
  expect(await ask(holdfast, '/v2/repository/models/scale/load', {})).toMatchObject({ status: 200 });
  expect((await ask(holdfast, '/v2/models/scale/infer', { inputs })).body.model_version).toBe('10');
  await ask(holdfast, '/v2/repository/models/scale/unload', {});
  expect((await ask(holdfast, '/v2/models/scale/infer', { inputs })).status).toBe(503);
  expect(await ask(holdfast, '/v2/repository/models/none/load', {})).toMatchObject({ status: 400 });
});

test('ensembles of config.pbtxt and of holdfast.yaml answer like models, and follow their parts', async () => {
  using folder = temporaryFolder();
  const root = join(folder.path, 'models');
  for (const version of [1, 2]) put(root, `scale/${version}/model.onnx`, times(version));
  put(
    root,
    'twice/config.pbtxt',
    `platform: "ensemble" max_batch_size: 8
     input { name: "IN" data_type: TYPE_FP32 dims: 3 } output { name: "OUT" data_type: TYPE_FP32 dims: 3 }
     ensemble_scheduling { step [
       { model_name: "scale" model_version: -1 input_map { key: "x" value: "IN" } output_map { key: "y" value: "MID" } },
       { model_name: "scale" model_version: 1 input_map { key: "x" value: "MID" } output_map { key: "y" value: "OUT" } }
     ] }`,
  );
  const yaml = `
modelRepository: { folder: models, poll: 200ms }
models: { scale: { versions: all } }
ensembles:
  chain:
    steps:
      - { model: scale, inputs: { x: raw }, outputs: { y: middle } }
      - { model: scale, inputs: { x: middle }, outputs: { y: out } }
  wrong:
    steps: [{ model: scale, inputs: { z: raw } }]
`;
  put(folder.path, 'holdfast.yaml', yaml);
  const args = ['--config', join(folder.path, 'holdfast.yaml'), '--data', join(folder.path, 'data')];
  await using holdfast = await HoldfastProcess.up(args);
  expect(holdfast.ready.problems).toEqual([
    { model: 'wrong', why: 'The model was refused: step 1 (scale) has no input "z"; it has "x"' },
  ]);
  const triton = await ask(holdfast, '/v2/models/twice/infer', { inputs: [{ ...inputs[0], name: 'IN' }] });
  expect(triton.body.outputs).toMatchObject([{ name: 'OUT', data: [2, 6, 4] }]);
  const chain = async () => (await ask(holdfast, '/v1/models/chain:predict', { instances: [[1, 0, 1]] })).body;
  expect(await chain()).toEqual({ predictions: [[4, 0, 4]] });
  put(root, 'scale/5/model.onnx', times(5));
  await eventually(async () => (JSON.stringify(await chain()).includes('25') ? true : undefined));
});
