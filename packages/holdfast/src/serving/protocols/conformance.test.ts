import { status } from '@grpc/grpc-js';
import { type Datatype, fault, type Signature } from '@holdfast/api';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { addition, addModel, echoModel, FakeGateway } from '../fake-gateway.ts';
import { TestClient } from '../grpc/test-client.ts';

// Rows of the peers' contracts, one request each; those that a protocol's own tests hold are not repeated here.

type Tensors = Pick<Signature, 'inputs' | 'outputs'>;

function echo(datatype: Datatype, shape: readonly number[]): Tensors {
  const spec = { datatype, shape: [...shape], optional: false };
  return { inputs: [{ name: 'i', ...spec }], outputs: [{ name: 'o', ...spec }] };
}

function throwing(): never {
  throw fault('inference_failed', 'the divisor is 0');
}

let fake: FakeGateway;
const clients = new Map<string, TestClient>();

beforeAll(async () => {
  fake = await FakeGateway.start({}, { hasGrpc: true, control: { ask: async () => [] } });
  const aliases = { champion: 1 };
  const routed = (name: string, signature: Tensors, model = echoModel(signature)) => ({
    name,
    aliases,
    versions: [fake.version(signature, model)],
  });
  const optional = { name: 'c', datatype: 'FP32' as const, shape: [-1, 2], optional: true };
  const away = { state: 'quarantined' as const, sockets: [] };
  await fake.route(
    routed('add', addition, addModel),
    routed('optional', { ...addition, inputs: [...addition.inputs, optional] }, addModel),
    routed('half', echo('FP16', [-1, 2])),
    routed('text', echo('BYTES', [-1, 16])),
    routed('broken', echo('FP32', [-1, 2]), throwing),
    { name: 'away', aliases, versions: [fake.version(addition, addModel, away)] },
    { name: 'bare', aliases: {}, versions: [fake.version(addition, addModel)] },
  );
  const address = `127.0.0.1:${fake.gateway.grpcPort}`;
  const triton = 'inference.GRPCInferenceService';
  clients.set('oip', new TestClient(address, 'open_inference.proto', triton));
  for (const service of ['PredictionService', 'ModelService']) {
    clients.set(service, new TestClient(address, 'tensorflow_serving.proto', `tensorflow.serving.${service}`));
  }
});
afterAll(async () => {
  for (const client of clients.values()) client[Symbol.dispose]();
  await fake[Symbol.asyncDispose]();
});

async function refusalOf(service: string, method: string, request: object): Promise<unknown> {
  const error: unknown = await clients
    .get(service)!
    .call(method, request)
    .then(
      () => undefined,
      (reason: unknown) => reason,
    );
  return { code: Reflect.get(Object(error), 'code'), text: Reflect.get(Object(error), 'details') };
}

const input = (name: string, shape: readonly number[] = [1, 2], more: object = {}): object => ({
  name,
  datatype: 'FP32',
  shape,
  ...more,
});
const floats = (name: string, ...values: number[]): object =>
  input(name, [values.length / 2, 2], { contents: { fp32_contents: values } });
const typed = [floats('a', 1, 2), floats('b', 3, 4)];
const half = { ...input('i'), datatype: 'FP16' };
const text = { ...input('i', [1, 16]), datatype: 'BYTES' };

/** Length prefixes of that many empty strings. */
const strings = (count: number): Buffer => Buffer.alloc(4 * count);

const { INVALID_ARGUMENT, NOT_FOUND, UNAVAILABLE, UNIMPLEMENTED, INTERNAL } = status;

describe('OIP over gRPC', () => {
  test.each<[text: string, code: number, model: string, request: object]>([
    [
      "expected number of inputs between 2 and 3 but got 1 inputs for model 'optional'. Got input(s) ['b'], but missing required input(s) ['a']. Please provide all required input(s).",
      INVALID_ARGUMENT,
      'optional',
      { inputs: [typed[1]] },
    ],
    [
      "unexpected inference input 'x' for model 'add'",
      INVALID_ARGUMENT,
      'add',
      { inputs: [typed[0], floats('x', 1, 2)] },
    ],
    [
      "unexpected shape for input 'a' for model 'add'. Expected [-1,2], got [1,3]. NOTE: the first dimension is the batch and may have any size.",
      INVALID_ARGUMENT,
      'add',
      { inputs: [input('a', [1, 3], { contents: { fp32_contents: [1, 2, 3] } }), typed[1]] },
    ],
    [
      "input 'b' batch size does not match other inputs for 'add'",
      INVALID_ARGUMENT,
      'add',
      { inputs: [typed[0], floats('b', 1, 2, 3, 4)] },
    ],
    [
      "input byte size mismatch for input 'a' for model 'add'. Expected 8, got 12",
      INVALID_ARGUMENT,
      'add',
      { inputs: [input('a'), input('b')], raw_input_contents: [Buffer.alloc(12), Buffer.alloc(8)] },
    ],
    [
      "expected 16 string elements for inference input 'i' for model 'text', got 14",
      INVALID_ARGUMENT,
      'text',
      { inputs: [text], raw_input_contents: [strings(14)] },
    ],
    [
      "FP16 data of input 'i' for model 'half' must be sent in raw_input_contents",
      INVALID_ARGUMENT,
      'half',
      { inputs: [{ ...half, contents: { fp32_contents: [1, 2] } }] },
    ],
    [
      "shape of input 'a' causes total element count to exceed maximum size of 9223372036854775807",
      INVALID_ARGUMENT,
      'add',
      { inputs: [input('a', [4294967296, 4294967296]), typed[1]] },
    ],
    [
      "byte size overflow for input 'a' of datatype FP32",
      INVALID_ARGUMENT,
      'add',
      { inputs: [input('a', [4294967296, 1073741824]), typed[1]] },
    ],
    ["Request for unknown model: 'bare' has no available versions", NOT_FOUND, 'bare', { inputs: typed }],
    [
      "Request for unknown model: 'add' version 9 is not found",
      NOT_FOUND,
      'add',
      { inputs: typed, model_version: '9' },
    ],
    ["Request for unknown model: 'away' version 1 is not at ready state", UNAVAILABLE, 'away', { inputs: typed }],
    ['The model failed on this input: the divisor is 0', INTERNAL, 'broken', { inputs: [floats('i', 1, 2)] }],
  ])('ModelInfer: %s', async (details, code, model, request) => {
    expect(await refusalOf('oip', 'ModelInfer', { model_name: model, ...request })).toEqual({ code, text: details });
  });

  test.each<[method: string, request: object, code: number, text: string]>([
    ['ModelMetadata', { name: 'nope' }, NOT_FOUND, "Request for unknown model: 'nope' is not found"],
    ['ModelConfig', { name: 'nope' }, NOT_FOUND, "Request for unknown model: 'nope' is not found"],
    ['ModelStatistics', { name: 'nope' }, NOT_FOUND, "Request for unknown model: 'nope' is not found"],
    ['TraceSetting', { model_name: 'nope' }, NOT_FOUND, "Request for unknown model: 'nope' is not found"],
    [
      'RepositoryModelLoad',
      { model_name: '../x' },
      INVALID_ARGUMENT,
      'model name must not contain path traversal characters',
    ],
    [
      'RepositoryModelLoad',
      { model_name: ' ' },
      INVALID_ARGUMENT,
      'Model name cannot be empty. Please enter a valid name to deploy.',
    ],
    [
      'RepositoryModelLoad',
      { model_name: 'add', repository_name: 'mine' },
      UNIMPLEMENTED,
      "'repository_name' specification is not supported",
    ],
    [
      'RepositoryModelUnload',
      { model_name: 'add', repository_name: 'mine' },
      UNIMPLEMENTED,
      "'repository_name' specification is not supported",
    ],
    ['RepositoryIndex', { repository_name: 'mine' }, UNIMPLEMENTED, "'repository_name' specification is not supported"],
    [
      'LogSettings',
      { settings: { log_file: { string_param: 'x' } } },
      UNIMPLEMENTED,
      'changing log_file is not supported',
    ],
    [
      'TraceSetting',
      { settings: { trace_level: { value: ['TIMESTAMPS'] } } },
      UNIMPLEMENTED,
      "tracing ('trace_level') is not supported",
    ],
  ])('%s %j', async (method, request, code, details) => {
    expect(await refusalOf('oip', method, request)).toEqual({ code, text: expect.stringContaining(details) });
  });

  test.each([
    'SystemSharedMemoryStatus',
    'SystemSharedMemoryRegister',
    'SystemSharedMemoryUnregister',
    'CudaSharedMemoryStatus',
    'CudaSharedMemoryRegister',
    'CudaSharedMemoryUnregister',
  ])('%s is UNIMPLEMENTED', async method => {
    const path = `/inference.GRPCInferenceService/${method}`;
    await expect(clients.get('oip')!.raw(path, Buffer.alloc(0))).rejects.toMatchObject({ code: UNIMPLEMENTED });
  });
});

test('a request whose time in the queue has passed is UNAVAILABLE in OIP and 504 in TensorFlow Serving', async () => {
  const runner = fake.runners.get('/run/0-1.sock')!;
  runner.hold();
  const busy = fake.call('/v1/models/add:predict', { body: '{"instances":[{"a":[1,2],"b":[3,4]}]}' });
  await vi.waitUntil(() => runner.isBusy, { timeout: 5000, interval: 2 });
  const late = { model_name: 'add', inputs: typed, parameters: { timeout: { int64_param: 1000 } } };
  expect(await refusalOf('oip', 'ModelInfer', late)).toEqual({ code: UNAVAILABLE, text: 'Request timeout expired' });
  const tooLate = await fake.call('/v1/models/add:predict', {
    body: '{"instances":[{"a":[1,2],"b":[3,4]}]}',
    headers: { 'x-request-timeout-ms': '20' },
  });
  expect(tooLate.status).toBe(504);
  runner.release();
  expect((await busy).status).toBe(200);
});

describe('OIP over REST', () => {
  test('BF16 as JSON is refused like FP16', async () => {
    const data = { name: 'a', datatype: 'BF16', shape: [1, 2], data: [1, 2] };
    const reply = await fake.call('/v2/models/add/infer', { body: JSON.stringify({ inputs: [data] }) });
    expect([reply.status, reply.json()]).toEqual([
      400,
      { error: 'receiving BF16 data via JSON is not supported. Please use the binary data format for input a' },
    ]);
  });

  test.each([
    ['POST', '/v2'],
    ['POST', '/v2/health/ready'],
    ['POST', '/v2/models/add'],
    ['POST', '/v2/models/add/ready'],
    ['POST', '/v2/models/add/config'],
    ['POST', '/v2/models/stats'],
    ['POST', '/v2/models/add/stats'],
    ['PUT', '/v2/models/add/versions/1/infer'],
    ['GET', '/v2/repository/index'],
    ['GET', '/v2/repository/models/add/load'],
    ['DELETE', '/v2/logging'],
    ['DELETE', '/v2/trace/setting'],
  ])('%s %s is 405', async (method, path) => {
    const reply = await fake.call(path, { method, ...(method === 'POST' && { body: '{}' }) });
    expect([reply.status, reply.json()]).toEqual([405, { error: 'Method Not Allowed' }]);
  });

  test.each([
    ['GET', '/v2/systemsharedmemory/status'],
    ['GET', '/v2/systemsharedmemory/region/r/status'],
    ['POST', '/v2/systemsharedmemory/region/r/unregister'],
    ['GET', '/v2/cudasharedmemory/status'],
    ['POST', '/v2/cudasharedmemory/region/r/register'],
    ['POST', '/v2/models/add/generate_stream'],
    ['POST', '/v2/models/add/versions/1/generate'],
    ['POST', '/v2/repository/mine/models/add/unload'],
  ])('%s %s is 501', async (method, path) => {
    const reply = await fake.call(path, { method, ...(method === 'POST' && { body: '{}' }) });
    expect([reply.status, reply.json()]).toEqual([501, { error: expect.stringContaining('is not supported') }]);
  });
});

const float = (...values: number[]): object => ({
  dtype: 'DT_FLOAT',
  tensor_shape: { dim: [{ size: 1 }, { size: values.length }] },
  float_val: values,
});
const ab = { a: float(1, 2), b: float(3, 4) };

describe('TensorFlow Serving', () => {
  test.each<[method: string, path: string, status: number, error: string, body?: string]>([
    ['DELETE', '/v1/models/add', 400, 'Malformed request: DELETE /v1/models/add'],
    ['POST', '/v1/models/add:explain', 400, 'Malformed request: POST /v1/models/add:explain', '{}'],
    ['GET', '/v1/models/add/versions/x', 400, 'Malformed request: GET /v1/models/add/versions/x'],
    [
      'GET',
      '/v1/models/add/versions/99999999999999999999',
      400,
      'Failed to convert version: 99999999999999999999 to numeric.',
    ],
    ['GET', '/v1/models/add/labels/L/metadata', 400, 'Unrecognized servable version label: L'],
    ['GET', '/v1/models/add/versions/99/metadata', 404, 'Servable not found for request: Specific(add, 99)'],
    ['POST', '/v1/models/nope:classify', 404, 'Servable not found for request: Latest(nope)', '{"examples":[{}]}'],
    ['POST', '/v1/models/nope:regress', 404, 'Servable not found for request: Latest(nope)', '{"examples":[{}]}'],
    [
      'POST',
      '/v1/models/broken:predict',
      500,
      'The model failed on this input: the divisor is 0',
      '{"instances":[[1,2]]}',
    ],
  ])('%s %s is %i: %s', async (method, path, code, error, body) => {
    const reply = await fake.call(path, { method, ...(body !== undefined && { body }) });
    expect([reply.status, reply.json()]).toEqual([code, { error }]);
  });

  test.each<[service: string, method: string, request: object, code: number, text: string]>([
    [
      'PredictionService',
      'Predict',
      { model_spec: { name: 'add' }, inputs: { ...ab, c: ab.a } },
      INVALID_ARGUMENT,
      'input size does not match signature: 3!=2 len({a,b,c}) != len({a,b}). Sent extra: {c}. Missing but required: {}.',
    ],
    [
      'PredictionService',
      'Predict',
      { model_spec: { name: 'away' }, inputs: ab },
      UNAVAILABLE,
      'Version 1 of "away" is not ready to serve.',
    ],
    [
      'PredictionService',
      'Predict',
      { model_spec: { name: 'broken' }, inputs: { i: ab.a } },
      INTERNAL,
      'The model failed on this input: the divisor is 0',
    ],
    [
      'PredictionService',
      'Classify',
      { model_spec: { name: 'nope' }, input: { example_list: { examples: [{}] } } },
      NOT_FOUND,
      'Servable not found for request: Latest(nope)',
    ],
    [
      'PredictionService',
      'GetModelMetadata',
      { model_spec: { name: 'add', version: { value: 9 } }, metadata_field: ['signature_def'] },
      NOT_FOUND,
      'Servable not found for request: Specific(add, 9)',
    ],
    [
      'ModelService',
      'GetModelStatus',
      { model_spec: { name: 'add', version: { value: 9 } } },
      NOT_FOUND,
      'Could not find version 9 of model add',
    ],
    [
      'ModelService',
      'GetModelStatus',
      { model_spec: { name: 'add', version_label: 'L' } },
      INVALID_ARGUMENT,
      'Unrecognized servable version label: L',
    ],
  ])('%s/%s %j', async (service, method, request, code, details) => {
    expect(await refusalOf(service, method, request)).toEqual({ code, text: details });
  });
});
