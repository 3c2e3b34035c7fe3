import { status } from '@grpc/grpc-js';
import { type Datatype, datatypes, isFault } from '@holdfast/api';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { addition, addModel, echoModel, FakeGateway } from '../../fake-gateway.ts';
import { TestClient } from '../../grpc/test-client.ts';
import { Refusal } from '../../refusal.ts';
import { inferRequestOf, readModelInferRequest } from './model-infer-request.ts';

function connect(fake: FakeGateway, options: Record<string, number> = {}): TestClient {
  const address = `127.0.0.1:${fake.gateway.grpcPort}`;
  return new TestClient(address, 'open_inference.proto', 'inference.GRPCInferenceService', options);
}

async function withAddition(): Promise<{ fake: FakeGateway; client: TestClient } & AsyncDisposable> {
  const fake = await FakeGateway.start({ bodyBytes: 100_000 }, { hasGrpc: true });
  await fake.serve('add', fake.version(addition, addModel, { version: 3 }));
  const client = connect(fake);
  return {
    fake,
    client,
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await fake[Symbol.asyncDispose]();
    },
  };
}

function fp32(...values: readonly number[]): Buffer {
  return Buffer.from(Float32Array.from(values).buffer);
}

const ab = [
  { name: 'a', datatype: 'FP32', shape: [1, 2] },
  { name: 'b', datatype: 'FP32', shape: [1, 2] },
];
const raw = { model_name: 'add', id: 'r1', inputs: ab, raw_input_contents: [fp32(1, 2), fp32(10, 20)] };

/** What a call was refused with. */
async function refused(call: Promise<unknown>): Promise<{ code: unknown; details: unknown }> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { code: Reflect.get(Object(error), 'code'), details: Reflect.get(Object(error), 'details') };
}

test('a raw request is answered raw, under its id and with the prediction id beside it', async () => {
  await using it = await withAddition();
  const { message, metadata } = await it.client.call('ModelInfer', raw, {
    metadata: { 'x-holdfast-tags': 'region=eu', 'x-holdfast-event-time': '2001-02-03T04:05:06Z' },
  });
  const [id] = metadata.get('x-holdfast-prediction-id');
  expect(message).toMatchObject({
    id: 'r1',
    model_name: 'add',
    model_version: '3',
    parameters: { prediction_id: { string_param: id } },
    outputs: [{ name: 'sum', datatype: 'FP32', shape: ['1', '2'], contents: null }],
    raw_output_contents: [fp32(11, 22)],
  });
  expect(metadata.get('x-holdfast-version')).toEqual(['3']);
  expect(it.fake.sink.answers).toMatchObject([
    { id, model: 'add', version: 3, rows: 1, key: 'r1', tags: 'region=eu', eventMs: Date.UTC(2001, 1, 3, 4, 5, 6) },
  ]);
});

test('a typed request is answered typed', async () => {
  await using it = await withAddition();
  const inputs = ab.map((input, i) => ({ ...input, contents: { fp32_contents: [i, 2 * i] } }));
  const { message } = await it.client.call('ModelInfer', { model_name: 'add', inputs });
  expect(message).toMatchObject({
    id: '',
    outputs: [{ contents: { fp32_contents: [1, 2] } }],
    raw_output_contents: [],
  });
});

/** Two rows of two elements at the ends of each type: typed as clients send it, and raw. */
const samples: Readonly<Record<Datatype, { readonly typed: object | undefined; readonly bytes: Buffer }>> = {
  BOOL: { typed: { bool_contents: [true, false, false, true] }, bytes: Buffer.of(1, 0, 0, 1) },
  INT8: { typed: { int_contents: [-128, -1, 0, 127] }, bytes: Buffer.from(Int8Array.of(-128, -1, 0, 127).buffer) },
  INT16: {
    typed: { int_contents: [-32768, -1, 0, 32767] },
    bytes: Buffer.from(Int16Array.of(-32768, -1, 0, 32767).buffer),
  },
  INT32: {
    typed: { int_contents: [-2147483648, -1, 0, 2147483647] },
    bytes: Buffer.from(Int32Array.of(-2147483648, -1, 0, 2147483647).buffer),
  },
  INT64: {
    typed: { int64_contents: ['-9223372036854775808', '-1', '9007199254740993', '9223372036854775807'] },
    bytes: Buffer.from(BigInt64Array.of(-(2n ** 63n), -1n, 9007199254740993n, 2n ** 63n - 1n).buffer),
  },
  UINT8: { typed: { uint_contents: [0, 1, 254, 255] }, bytes: Buffer.of(0, 1, 254, 255) },
  UINT16: { typed: { uint_contents: [0, 1, 2, 65535] }, bytes: Buffer.from(Uint16Array.of(0, 1, 2, 65535).buffer) },
  UINT32: {
    typed: { uint_contents: [0, 1, 2, 4294967295] },
    bytes: Buffer.from(Uint32Array.of(0, 1, 2, 4294967295).buffer),
  },
  UINT64: {
    typed: { uint64_contents: ['0', '1', '9007199254740993', '18446744073709551615'] },
    bytes: Buffer.from(BigUint64Array.of(0n, 1n, 9007199254740993n, 2n ** 64n - 1n).buffer),
  },
  FP16: { typed: undefined, bytes: Buffer.from(Uint16Array.of(0x3c00, 0x7c00, 0xfe00, 0x0001).buffer) },
  FP32: { typed: { fp32_contents: [Number.NaN, Infinity, -0, 0.125] }, bytes: fp32(Number.NaN, Infinity, -0, 0.125) },
  FP64: {
    typed: { fp64_contents: [Number.NaN, 5e-324, -0, 0.1] },
    bytes: Buffer.from(Float64Array.of(Number.NaN, 5e-324, -0, 0.1).buffer),
  },
  BYTES: {
    typed: { bytes_contents: ['', 'a', 'é\n', '日本'].map(text => Buffer.from(text)) },
    bytes: Buffer.concat(
      ['', 'a', 'é\n', '日本'].map(text => {
        const bytes = Buffer.from(text);
        const length = Buffer.alloc(4);
        length.writeUInt32LE(bytes.length);
        return Buffer.concat([length, bytes]);
      }),
    ),
  },
};

test.each(datatypes)('%s: raw, typed and REST answers have equal bits', async datatype => {
  await using fake = await FakeGateway.start({}, { hasGrpc: true });
  const signature = {
    inputs: [{ name: 'x', datatype, shape: [-1, 2], optional: false }],
    outputs: [{ name: 'y', datatype, shape: [-1, 2], optional: false }],
  };
  await fake.serve('echo', fake.version(signature, echoModel(signature)));
  using client = connect(fake);
  const { typed, bytes } = samples[datatype];
  const input = { name: 'x', datatype, shape: [2, 2] };
  const answered = await client.call('ModelInfer', {
    model_name: 'echo',
    inputs: [input],
    raw_input_contents: [bytes],
  });
  expect(answered.message.raw_output_contents).toEqual([bytes]);
  const head = JSON.stringify({
    inputs: [{ ...input, parameters: { binary_data_size: bytes.length } }],
    parameters: { binary_data_output: true },
  });
  const rest = await fake.call('/v2/models/echo/infer', {
    headers: { 'inference-header-content-length': String(Buffer.byteLength(head)) },
    body: Buffer.concat([Buffer.from(head), bytes]),
  });
  expect(rest.body.subarray(Number(rest.headers['inference-header-content-length']))).toEqual(bytes);
  if (typed !== undefined) {
    const { message } = await client.call('ModelInfer', {
      model_name: 'echo',
      inputs: [{ ...input, contents: typed }],
    });
    expect(message.outputs).toMatchObject([{ contents: typed }]);
  }
  const recorded = fake.sink.answers.map(({ inputs }) => inputs[0]?.data);
  for (const data of recorded) expect(data).toEqual(recorded[0]);
});

test.each([
  [
    'raw and typed mixed',
    { ...raw, inputs: [{ ...ab[0], contents: { fp32_contents: [1, 2] } }, ab[1]] },
    "contents field must not be specified when using raw_input_contents for 'a' for model 'add'",
  ],
  ['fewer raw contents than inputs', { ...raw, raw_input_contents: [fp32(1, 2)] }, 'expected 2, one per input, got 1'],
  [
    'too few bytes',
    { ...raw, raw_input_contents: [fp32(1), fp32(1, 2)] },
    "input byte size mismatch for input 'a' for model 'add'. Expected 8, got 4",
  ],
  [
    'the field of another type',
    { ...raw, raw_input_contents: [], inputs: ab.map(input => ({ ...input, contents: { fp64_contents: [1, 2] } })) },
    "unexpected explicit tensor data for input tensor 'a'",
  ],
  [
    'too few typed elements',
    { ...raw, raw_input_contents: [], inputs: ab.map(input => ({ ...input, contents: { fp32_contents: [1] } })) },
    "expected 2 elements for inference input 'a' for model 'add', got 1",
  ],
  [
    'a missing input',
    { ...raw, inputs: [ab[0]], raw_input_contents: [fp32(1, 2)] },
    "expected 2 inputs but got 1 inputs for model 'add'. Got input(s) ['a'], but missing required input(s) ['b']. Please provide all required input(s).",
  ],
  ['an unknown output', { ...raw, outputs: [{ name: 'z' }] }, "unexpected inference output 'z' for model 'add'"],
  [
    'an output twice',
    { ...raw, outputs: [{ name: 'sum' }, { name: 'sum' }] },
    "output 'sum' already exists in request",
  ],
  ['an input twice', { ...raw, inputs: [ab[0], ab[0]] }, "input 'a' already exists in request"],
  [
    'a reserved parameter',
    { ...raw, parameters: { triton_x: { bool_param: true } } },
    "parameter keys starting with 'triton_' are reserved",
  ],
  ['a negative dimension', { ...raw, inputs: [{ ...ab[0], shape: [-1, 2] }, ab[1]] }, 'a dimension is negative'],
  [
    'another datatype',
    { ...raw, inputs: [{ ...ab[0], datatype: 'FP64' }, ab[1]], raw_input_contents: [Buffer.alloc(16), fp32(1, 2)] },
    "inference input 'a' data-type is 'FP64', but model 'add' expects 'FP32'",
  ],
])('%s is refused with INVALID_ARGUMENT', async (_, request, text) => {
  await using it = await withAddition();
  expect(await refused(it.client.call('ModelInfer', request))).toEqual({
    code: status.INVALID_ARGUMENT,
    details: expect.stringContaining(text),
  });
});

test('what is not there is NOT_FOUND in the words of Triton, and shared memory is UNIMPLEMENTED', async () => {
  await using it = await withAddition();
  expect(await refused(it.client.call('ModelInfer', { ...raw, model_name: 'nope' }))).toEqual({
    code: status.NOT_FOUND,
    details: "Request for unknown model: 'nope' is not found",
  });
  expect(await refused(it.client.call('ModelMetadata', { name: 'add', version: '9' }))).toMatchObject({
    code: status.NOT_FOUND,
  });
  const inputs = [{ ...ab[0], parameters: { shared_memory_region: { string_param: 'r' } } }, ab[1]];
  expect(await refused(it.client.call('ModelInfer', { ...raw, inputs }))).toMatchObject({ code: status.UNIMPLEMENTED });
});

test('a version may be named by number or alias', async () => {
  await using it = await withAddition();
  for (const version of ['3', 'champion']) {
    const { message } = await it.client.call('ModelInfer', { ...raw, model_version: version });
    expect(message.model_version).toBe('3');
  }
});

test('a stream answers in order, tells an error in its answer, and stays open', async () => {
  await using it = await withAddition();
  const stream = it.client.stream('ModelStreamInfer');
  const received: Record<string, unknown>[] = [];
  const ended = new Promise<void>((resolve, reject) => stream.on('end', resolve).on('error', reject));
  stream.on('data', message => received.push(message));
  for (let i = 0; i < 200; i++) stream.write({ ...raw, id: `n${i}`, model_name: i === 100 ? 'nope' : 'add' });
  await vi.waitUntil(() => received.length === 200, { timeout: 5000, interval: 5 });
  stream.write({ ...raw, id: 'last' });
  stream.end();
  await ended;
  expect(received.map(message => Reflect.get(Object(message.infer_response), 'id'))).toEqual([
    ...Array.from({ length: 200 }, (_, i) => `n${i}`),
    'last',
  ]);
  expect(received[100]?.error_message).toBe("Request for unknown model: 'nope' is not found");
  expect(received.filter(message => message.error_message !== '')).toHaveLength(1);
  expect(received[200]).toMatchObject({ infer_response: { raw_output_contents: [fp32(11, 22)] } });
});

test('a deadline that passes in the queue is DEADLINE_EXCEEDED and counts as a refusal', async () => {
  await using it = await withAddition();
  const runner = [...it.fake.runners.values()][0]!;
  runner.hold();
  const busy = it.client.call('ModelInfer', raw);
  await vi.waitUntil(() => runner.isBusy, { timeout: 5000, interval: 2 });
  const late = await refused(it.client.call('ModelInfer', raw, { timeoutMs: 60 }));
  expect(late.code).toBe(status.DEADLINE_EXCEEDED);
  await vi.waitUntil(() => it.fake.sink.failures.length === 1, { timeout: 5000, interval: 2 });
  expect(it.fake.sink.failures[0]?.code).toBe('deadline_exceeded');
  runner.release();
  await busy;
});

test('a caller that cancels leaves the queue and counts as cancelled', async () => {
  await using it = await withAddition();
  const runner = [...it.fake.runners.values()][0]!;
  runner.hold();
  const busy = it.client.call('ModelInfer', raw);
  await vi.waitUntil(() => runner.isBusy, { timeout: 5000, interval: 2 });
  const leaver = it.client.call('ModelInfer', raw);
  const left = refused(leaver);
  const pending = (): boolean =>
    it.fake.metrics.render().includes('nv_inference_pending_request_count{model="add",version="3"} 1');
  await vi.waitUntil(async () => (await it.fake.call('/metrics')).status === 200 && pending(), {
    timeout: 5000,
    interval: 5,
  });
  leaver.cancel();
  expect((await left).code).toBe(status.CANCELLED);
  await vi.waitUntil(
    () =>
      it.fake.metrics.render().includes('nv_inference_request_failure{model="add",version="3",reason="CANCELED"} 1'),
    { timeout: 5000, interval: 2 },
  );
  runner.release();
  await busy;
  expect(runner.batches).toHaveLength(1);
});

test('messages may be compressed, and are bounded after decompression by limits.bodyBytes', async () => {
  await using it = await withAddition();
  using client = connect(it.fake, { 'grpc.default_compression_algorithm': 2 });
  expect((await client.call('ModelInfer', raw)).message.raw_output_contents).toEqual([fp32(11, 22)]);
  const large = { ...raw, raw_input_contents: [Buffer.alloc(100_001), fp32(1, 2)] };
  for (const caller of [client, it.client]) {
    expect((await refused(caller.call('ModelInfer', large))).code).toBe(status.RESOURCE_EXHAUSTED);
  }
});

test('a full queue is UNAVAILABLE with the time of the next try', async () => {
  await using fake = await FakeGateway.start({}, { hasGrpc: true });
  const version = fake.version(addition, addModel, { batching: { maximumRows: 1, maximumDelayMs: 0, queueRows: 1 } });
  const runner = await fake.serve('add', version);
  using client = connect(fake);
  runner.hold();
  const busy = client.call('ModelInfer', raw);
  await vi.waitUntil(() => runner.isBusy, { timeout: 5000, interval: 2 });
  const waiting = Array.from({ length: 5 }, () => refused(client.call('ModelInfer', raw)));
  const full = await Promise.race(waiting);
  expect(full).toEqual({ code: status.UNAVAILABLE, details: 'Exceeds maximum queue size' });
  runner.release();
  await Promise.all([busy, ...waiting]);
});

test('the server and its models tell about themselves', async () => {
  await using it = await withAddition();
  const answer = async (method: string, request = {}): Promise<unknown> =>
    (await it.client.call(method, request)).message;
  expect(await answer('ServerLive')).toEqual({ live: true });
  expect(await answer('ServerReady')).toEqual({ ready: true });
  expect(await answer('ModelReady', { name: 'add' })).toEqual({ ready: true });
  expect(await answer('ModelReady', { name: 'add', version: '4' })).toEqual({ ready: false });
  expect(await answer('ServerMetadata')).toMatchObject({ name: 'holdfast', version: '0.1.0' });
  expect(await answer('ModelMetadata', { name: 'add' })).toEqual({
    name: 'add',
    versions: ['3'],
    platform: 'onnxruntime_onnx',
    inputs: ab.map(input => ({ ...input, shape: ['-1', '2'] })),
    outputs: [{ name: 'sum', datatype: 'FP32', shape: ['-1', '2'] }],
    properties: {},
  });
  expect(await answer('ModelConfig', { name: 'add' })).toMatchObject({
    config: { max_batch_size: 64, input: [{ name: 'a', data_type: 'TYPE_FP32', dims: ['2'] }, { name: 'b' }] },
  });
});

test('classification answers the largest elements with their indices', async () => {
  await using it = await withAddition();
  const outputs = [{ name: 'sum', parameters: { classification: { int64_param: 1 } } }];
  const inputs = ab.map(input => ({ ...input, contents: { fp32_contents: [1, 2] } }));
  const { message } = await it.client.call('ModelInfer', { model_name: 'add', inputs, outputs });
  expect(message.outputs).toMatchObject([
    { datatype: 'BYTES', shape: ['1', '1'], contents: { bytes_contents: [Buffer.from('4.000000:1')] } },
  ]);
});

test('no bytes make the reader fail in another way than by a refusal', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), bytes => {
      try {
        inferRequestOf(readModelInferRequest(Buffer.from(bytes)), 'm', false);
      } catch (error) {
        expect(error instanceof Refusal || isFault(error)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});
