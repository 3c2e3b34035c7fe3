import { status } from '@grpc/grpc-js';
import { fault } from '@holdfast/api';
import { expect, test } from 'vitest';
import type { ControlDoor, Question } from '../../control-door.ts';
import { addition, addModel, FakeGateway, type FakeReply } from '../../fake-gateway.ts';
import { TestClient } from '../../grpc/test-client.ts';
import { StatisticsBook, sumOfStatistics } from '../../statistics.ts';

/** Remembers what it was asked, and knows one model. */
class FakeControl implements ControlDoor {
  readonly asked: Question[] = [];

  async ask(question: Question): Promise<[]> {
    this.asked.push(question);
    if ('model' in question && question.model !== 'add') throw fault('model_not_found', question.model);
    return [];
  }
}

async function withControl(
  control?: ControlDoor,
): Promise<{ fake: FakeGateway; client: TestClient } & AsyncDisposable> {
  const fake = await FakeGateway.start({}, { hasGrpc: true, ...(control !== undefined && { control }) });
  await fake.serve('add', fake.version(addition, addModel, { version: 3 }));
  const address = `127.0.0.1:${fake.gateway.grpcPort}`;
  const client = new TestClient(address, 'open_inference.proto', 'inference.GRPCInferenceService');
  return {
    fake,
    client,
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await fake[Symbol.asyncDispose]();
    },
  };
}

function post(fake: FakeGateway, path: string, body: unknown): Promise<FakeReply> {
  return fake.call(path, { method: 'POST', body: JSON.stringify(body) });
}

function infer(fake: FakeGateway, rows: number): Promise<FakeReply> {
  const inputs = ['a', 'b'].map(name => ({
    name,
    shape: [rows, 2],
    datatype: 'FP32',
    data: new Array(2 * rows).fill(1),
  }));
  return post(fake, '/v2/models/add/infer', { inputs });
}

test('statistics count rows, requests and runs as the nv_inference metrics do, over both transports', async () => {
  await using it = await withControl();
  const { fake, client } = it;
  await infer(fake, 3);
  await infer(fake, 3);
  const contents = { fp32_contents: [1, 2] };
  const inputs = ['a', 'b'].map(name => ({ name, shape: [1, 2], datatype: 'FP32', contents }));
  await client.call('ModelInfer', { model_name: 'add', inputs });
  await post(fake, '/v2/models/add/infer', { inputs: [] });
  const rest = (await fake.call('/v2/models/add/stats')).json();
  expect(rest).toEqual({
    model_stats: [
      expect.objectContaining({
        name: 'add',
        version: '3',
        last_inference: 1_000_000,
        inference_count: 7,
        execution_count: 3,
        inference_stats: expect.objectContaining({
          success: { count: 3, ns: expect.any(Number) },
          fail: { count: 1, ns: expect.any(Number) },
          queue: { count: 3, ns: expect.any(Number) },
          compute_infer: { count: 3, ns: 21_000 },
          cache_hit: { count: 0, ns: 0 },
        }),
        batch_stats: [
          expect.objectContaining({ batch_size: 1, compute_infer: { count: 1, ns: 7000 } }),
          expect.objectContaining({ batch_size: 3, compute_infer: { count: 2, ns: 14_000 } }),
        ],
      }),
    ],
  });
  const metrics = (await fake.call('/metrics')).text;
  expect(metrics).toContain('nv_inference_count{model="add",version="3"} 7');
  expect(metrics).toContain('nv_inference_exec_count{model="add",version="3"} 3');
  expect(metrics).toContain('nv_inference_request_success{model="add",version="3"} 3');
  const { message } = await client.call('ModelStatistics', { name: 'add', version: '3' });
  expect(message.model_stats).toMatchObject([
    {
      name: 'add',
      inference_count: '7',
      execution_count: '3',
      inference_stats: { success: { count: '3' }, fail: { count: '1' } },
    },
  ]);
});

test('statistics of all models, of one version, and of none that is there', async () => {
  await using it = await withControl();
  for (const path of [
    '/v2/models/stats',
    '/v2/models/add/versions/3/stats',
    '/v2/models/add/versions/champion/stats',
  ]) {
    expect((await it.fake.call(path)).json()).toMatchObject({ model_stats: [{ name: 'add', version: '3' }] });
  }
  expect((await it.fake.call('/v2/models/nope/stats')).status).toBe(404);
  expect((await it.fake.call('/v2/models/add/versions/4/stats')).status).toBe(404);
});

test('numbers of several gateways are added up, batch sizes apart', () => {
  const book = (rows: number, nowMs: number) => {
    const one = new StatisticsBook();
    const run = { outputs: [], queueUs: 1, joinUs: 2, inferUs: 3, splitUs: 4 };
    one.executed(rows, run, nowMs);
    one.succeeded(rows, 10, run);
    one.failed(5);
    return one.read('add', 3);
  };
  expect(sumOfStatistics([book(2, 50), book(4, 90), book(2, 70)])).toEqual([
    {
      model: 'add',
      version: 3,
      lastInferenceMs: 90,
      inferenceCount: 8,
      executionCount: 3,
      success: { count: 3, ns: 30_000 },
      fail: { count: 3, ns: 15_000 },
      queue: { count: 3, ns: 3000 },
      computeInput: { count: 3, ns: 6000 },
      cacheHit: { count: 0, ns: 0 },
      cacheMiss: { count: 0, ns: 0 },
      computeInfer: { count: 3, ns: 9000 },
      computeOutput: { count: 3, ns: 12_000 },
      batches: [
        {
          batchSize: 2,
          computeInput: { count: 2, ns: 4000 },
          computeInfer: { count: 2, ns: 6000 },
          computeOutput: { count: 2, ns: 8000 },
        },
        {
          batchSize: 4,
          computeInput: { count: 1, ns: 2000 },
          computeInfer: { count: 1, ns: 3000 },
          computeOutput: { count: 1, ns: 4000 },
        },
      ],
    },
  ]);
});

test('the repository index lists versions with their states', async () => {
  await using it = await withControl();
  const { fake, client } = it;
  const broken = fake.version(addition, addModel, { version: 4, state: 'failed', reason: 'no memory', sockets: [] });
  await fake.route({
    name: 'add',
    aliases: { champion: 3 },
    versions: [fake.version(addition, addModel, { version: 3 }), broken],
  });
  const all = [
    { name: 'add', version: '3', state: 'READY' },
    { name: 'add', version: '4', state: 'UNAVAILABLE', reason: 'no memory' },
  ];
  expect((await fake.call('/v2/repository/index', { method: 'POST' })).json()).toEqual(all);
  expect((await post(fake, '/v2/repository/index', { ready: true })).json()).toEqual([all[0]]);
  const wrong = await post(fake, '/v2/repository/index', { ready: 'yes' });
  expect([wrong.status, wrong.json()]).toEqual([400, { error: "Invalid value for 'ready': expected a boolean" }]);
  expect((await client.call('RepositoryIndex')).message).toEqual({ models: [{ ...all[0], reason: '' }, all[1]] });
  using mlserver = new TestClient(
    `127.0.0.1:${fake.gateway.grpcPort}`,
    'model_repository.proto',
    'inference.model_repository.ModelRepositoryService',
  );
  expect((await mlserver.call('RepositoryIndex', { ready: true })).message).toEqual({
    models: [{ ...all[0], reason: '' }],
  });
});

test.each(['/v2/repository/models/add/load', '/v2/repository/models/add/unload', '/v2/logging'])(
  'a page of another site cannot POST to %s',
  async path => {
    const control = new FakeControl();
    await using it = await withControl(control);
    const headers = { origin: 'http://evil.example' };
    const reply = await it.fake.call(path, { method: 'POST', headers, body: '{"log_info": false}' });
    expect([reply.status, control.asked]).toEqual([403, []]);
  },
);

test('load and unload ask control, with what a configuration and files change', async () => {
  const control = new FakeControl();
  await using it = await withControl(control);
  const config = JSON.stringify({ max_batch_size: '16', dynamic_batching: { max_queue_delay_microseconds: 500 } });
  const model = Buffer.from('onnx');
  const loaded = await post(it.fake, '/v2/repository/models/add/load', {
    parameters: { config, 'file:2/model.onnx': model.toString('base64') },
  });
  expect([loaded.status, loaded.text]).toEqual([200, '']);
  await it.client.call('RepositoryModelLoad', {
    model_name: 'add',
    parameters: { config: { string_param: '{}' }, 'file:5/model.onnx': { bytes_param: model } },
  });
  await post(it.fake, '/v2/repository/models/add/unload', { parameters: { unload_dependents: false } });
  await it.client.call('RepositoryModelUnload', { model_name: 'add' });
  const batching = { maximumRows: 16, maximumDelayMs: 0.5 };
  expect(control.asked).toEqual([
    { kind: 'load', model: 'add', batching, files: [{ version: 2, bytes: model }] },
    { kind: 'load', model: 'add', batching: {}, files: [{ version: 5, bytes: model }] },
    { kind: 'unload', model: 'add' },
    { kind: 'unload', model: 'add' },
  ]);
  const unknown = await post(it.fake, '/v2/repository/models/nope/load', {});
  expect(unknown.status).toBe(404);
});

test.each([
  ['/v2/repository/models/%2e%2e%2fx/load', {}, 400, 'model name must not contain path traversal characters'],
  ['/v2/repository/models/%20/load', {}, 400, 'Model name cannot be empty. Please enter a valid name to deploy.'],
  [
    '/v2/repository/models/add/load',
    { parameters: { 'file:1/model.onnx': '' } },
    400,
    "failed to load 'add', files can only be given",
  ],
  [
    '/v2/repository/models/add/load',
    { parameters: { config: '{' } },
    400,
    "failed to load 'add', the parameter 'config'",
  ],
  [
    '/v2/repository/models/add/load',
    { parameters: { config: '{}', 'file:../x': '' } },
    400,
    "parameter 'file:../x' is not known",
  ],
  ['/v2/repository/mine/index', {}, 501, "'repository_name' specification is not supported"],
  ['/v2/repository/mine/models/add/load', {}, 501, "'repository_name' specification is not supported"],
  ['/v2/systemsharedmemory/region/r/register', {}, 501, 'shared memory is not supported'],
  ['/v2/models/add/generate', {}, 501, 'the generate extension is not supported'],
  ['/v2/logging', { log_file: 'x' }, 501, 'changing log_file is not supported'],
  ['/v2/logging', { log_warnings: true }, 400, 'log setting'],
  ['/v2/trace/setting', { trace_level: ['TIMESTAMPS'] }, 501, "tracing ('trace_level') is not supported"],
  ['/v2/models/nope/trace/setting', {}, 404, "Request for unknown model: 'nope' is not found"],
])('%s with %j is refused with %i', async (path, body, code, text) => {
  await using it = await withControl(new FakeControl());
  const reply = await post(it.fake, path, body);
  expect([reply.status, reply.json()]).toEqual([code, { error: expect.stringContaining(text) }]);
});

test('nothing is loaded or set where clients may not control', async () => {
  await using it = await withControl();
  expect((await post(it.fake, '/v2/repository/models/add/unload', {})).status).toBe(403);
  expect((await post(it.fake, '/v2/logging', { log_verbose_level: 1 })).status).toBe(403);
  const refused: unknown = await it.client
    .call('RepositoryModelUnload', { model_name: 'add' })
    .catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: status.PERMISSION_DENIED });
});

test('log settings are told and changed over both transports; tracing is off', async () => {
  const control = new FakeControl();
  await using it = await withControl(control);
  expect((await it.fake.call('/v2/logging')).json()).toMatchObject({
    log_info: true,
    log_verbose_level: 0,
    log_format: 'ISO8601',
  });
  expect((await post(it.fake, '/v2/logging', { log_verbose_level: 1 })).json()).toMatchObject({ log_verbose_level: 1 });
  const { message } = await it.client.call('LogSettings', {
    settings: { log_verbose_level: { uint32_param: 0 }, log_info: { bool_param: false } },
  });
  expect(message.settings).toMatchObject({ log_info: { bool_param: false }, log_warning: { bool_param: true } });
  expect(control.asked).toEqual([
    { kind: 'log', level: 'debug' },
    { kind: 'log', level: 'warn' },
  ]);
  expect((await it.fake.call('/v2/models/add/trace/setting')).json()).toMatchObject({
    trace_level: ['OFF'],
    trace_rate: '1000',
  });
  const trace = await it.client.call('TraceSetting', {
    model_name: 'add',
    settings: { trace_level: { value: ['OFF'] } },
  });
  expect(trace.message).toMatchObject({
    settings: { trace_level: { value: ['OFF'] }, trace_count: { value: ['-1'] } },
  });
});
