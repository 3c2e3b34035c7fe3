import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestClient } from '../../packages/holdfast/src/serving/grpc/test-client.ts';
import { HoldfastProcess, temporaryFolder } from './holdfast-process.ts';

const modelFile = join(import.meta.dirname, '../../packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx');
const workers = 2;
let folder: ReturnType<typeof temporaryFolder>;
let holdfast: HoldfastProcess;

async function up(): Promise<HoldfastProcess> {
  const data = join(folder.path, 'data');
  return HoldfastProcess.up([modelFile, '--data', data, '--workers', String(workers), '--model-control', 'explicit']);
}

beforeAll(async () => {
  folder = temporaryFolder();
  holdfast = await up();
});
afterAll(async () => {
  await holdfast[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** A connection of its own for each, so that the kernel spreads them over the gateways. */
function connect(): TestClient {
  return new TestClient(holdfast.ready.grpcAddress, 'open_inference.proto', 'inference.GRPCInferenceService', {
    'grpc.use_local_subchannel_pool': 1,
  });
}

const name = 'mlp-30-64-1';
const features = Float32Array.from({ length: 30 }, (_, i) => i / 30);
const request = {
  model_name: name,
  inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 30] }],
  raw_input_contents: [Buffer.from(features.buffer)],
};

test('gRPC and REST answers of a real model have equal bits', async () => {
  using client = connect();
  const { message } = await client.call('ModelInfer', request);
  const raw: unknown = message.raw_output_contents;
  const body = JSON.stringify({ inputs: [{ ...request.inputs[0], data: [...features] }] });
  const reply = await fetch(`${holdfast.ready.inferenceUrl}/v2/models/${name}/infer`, { method: 'POST', body });
  const answer = JSON.parse(await reply.text());
  expect(raw).toEqual([Buffer.from(Float32Array.from(answer.outputs[0].data).buffer)]);
});

test('gateways share the gRPC port, and their statistics are added up', async () => {
  using before = connect();
  const countOf = async (): Promise<number> => {
    const { message } = await before.call('ModelStatistics', { name });
    const [one]: unknown[] = Array.isArray(message.model_stats) ? message.model_stats : [];
    return Number(Reflect.get(Object(one), 'inference_count'));
  };
  const start = await countOf();
  const clients = Array.from({ length: 16 }, connect);
  await Promise.all(clients.map(client => client.call('ModelInfer', request)));
  for (const client of clients) client[Symbol.dispose]();
  expect((await countOf()) - start).toBe(16);
  const { processes } = await holdfast.control.call('status', {});
  expect(processes.filter(({ kind }) => kind === 'gateway')).toHaveLength(workers);
});

test('a model is unloaded, stays so over a restart, and is loaded again', async () => {
  {
    using client = connect();
    await client.call('RepositoryModelUnload', { model_name: name });
    expect((await client.call('ModelReady', { name })).message).toEqual({ ready: false });
    expect((await client.call('RepositoryIndex')).message).toMatchObject({
      models: [{ name, version: '1', state: 'UNAVAILABLE', reason: 'unloaded' }],
    });
    await expect(client.call('ModelInfer', request)).rejects.toMatchObject({ code: 14 });
  }
  await holdfast[Symbol.asyncDispose]();
  holdfast = await up();
  using client = connect();
  expect((await client.call('ModelReady', { name })).message).toEqual({ ready: false });
  await client.call('RepositoryModelLoad', { model_name: name });
  expect((await client.call('ModelInfer', request)).message).toMatchObject({ model_version: '1' });
});

test('a file that comes with a load request becomes a version and the champion', async () => {
  using client = connect();
  const bytes = readFileSync(join(import.meta.dirname, '../../examples/flight-delay/model.onnx'));
  const load = (model: string, file: Buffer): Promise<unknown> =>
    client.call('RepositoryModelLoad', {
      model_name: model,
      parameters: { config: { string_param: '{"max_batch_size":"8"}' }, 'file:7/model.onnx': { bytes_param: file } },
    });
  await load('uploaded', bytes);
  expect((await client.call('ModelMetadata', { name: 'uploaded' })).message).toMatchObject({ versions: ['7'] });
  expect((await client.call('ModelConfig', { name: 'uploaded' })).message).toMatchObject({
    config: { max_batch_size: 8 },
  });
  await expect(load('broken', Buffer.from('no model'))).rejects.toMatchObject({
    code: 3,
    details: expect.stringContaining("failed to load 'broken', "),
  });
});
