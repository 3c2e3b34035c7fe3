import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { type Datatype, datatypes, type Signature, type Tensor, type TensorData } from '@holdfast/api';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addition, addModel, echoModel, FakeGateway } from '../../fake-gateway.ts';

/** One input given back as one output. */
const echo = (datatype: Datatype, shape: readonly number[] = [-1, 2]): Pick<Signature, 'inputs' | 'outputs'> => ({
  inputs: [{ name: 'i', datatype, shape: [...shape], optional: false }],
  outputs: [{ name: 'o', datatype, shape: [...shape], optional: false }],
});

let fake: FakeGateway;

beforeAll(async () => {
  fake = await FakeGateway.start({ bodyBytes: 100_000 });
  const routed = (name: string, signature: Pick<Signature, 'inputs' | 'outputs'>) => ({
    name,
    aliases: { champion: 1, stable: 1 },
    versions: [fake.version(signature, echoModel(signature))],
  });
  await fake.route(
    {
      name: 'add',
      aliases: { champion: 2, stable: 1 },
      versions: [fake.version(addition, addModel), fake.version(addition, addModel, { version: 2 })],
    },
    ...datatypes.map(datatype => routed(`echo-${datatype.toLowerCase()}`, echo(datatype))),
    routed('cube', echo('FP32', [-1, 2, 2])),
    routed('fixed', echo('INT32', [16])),
    routed('free', echo('FP32', [-1, -1, -1])),
    routed('text', echo('BYTES', [-1, 1])),
    routed('optional', {
      inputs: [...addition.inputs, { name: 'c', datatype: 'FP32', shape: [-1, 2], optional: true }],
      outputs: addition.outputs,
    }),
    {
      name: 'loading',
      aliases: { champion: 1 },
      versions: [fake.version(addition, addModel, { state: 'quarantined', sockets: [], reason: 'died three times' })],
    },
    { name: 'bare', aliases: {}, versions: [fake.version(addition, addModel)] },
  );
});
afterAll(async () => await fake[Symbol.asyncDispose]());

function input(overrides: object = {}): object {
  return { name: 'i', shape: [1, 2], datatype: 'FP32', data: [1, 2], ...overrides };
}

function infer(model: string, request: object | string, headers: Record<string, string> = {}) {
  const body = typeof request === 'string' ? request : JSON.stringify(request);
  return fake.call(`/v2/models/${model}/infer`, { body, headers });
}

test.each([
  ['/v2/health/live', 200, { live: true }],
  ['/v2/health/ready', 200, { ready: true }],
  ['/v2/models/add/ready', 200, { name: 'add', ready: true }],
  ['/v2/models/add/versions/1/ready', 200, { name: 'add', ready: true }],
  [
    '/v2/models/loading/ready',
    503,
    { error: "Request for unknown model: 'loading' version 1 is not at ready state: died three times" },
  ],
  ['/v2/models/nope/ready', 404, { error: "Request for unknown model: 'nope' is not found" }],
  ['/v2/models/nope', 404, { error: "Request for unknown model: 'nope' is not found" }],
  ['/v2/models/bare', 404, { error: "Request for unknown model: 'bare' has no available versions" }],
  ['/v2/models/add/versions/9', 404, { error: "Request for unknown model: 'add' version 9 is not found" }],
  ['/v2/models/add/versions/nope', 404, { error: "Request for unknown model: 'add' version nope is not found" }],
  ['/v2/nothing', 404, { error: 'Not Found' }],
  ['/nothing', 404, { error: 'Not Found' }],
  ['/v2/models/add/versions', 404, { error: 'Not Found' }],
])('GET %s answers %i %j', async (path, status, body) => {
  const reply = await fake.call(path);
  expect([reply.status, reply.json()]).toEqual([status, body]);
  expect(reply.headers['content-type']).toBe('application/json');
});

test('server metadata lists only the extensions that are served, with and without a slash', async () => {
  for (const path of ['/v2', '/v2/', '/v2?query=ignored']) {
    expect((await fake.call(path)).json()).toEqual({
      name: 'holdfast',
      version: '0.1.0',
      extensions: [
        'binary_tensor_data',
        'classification',
        'logging',
        'model_configuration',
        'model_repository',
        'parameters',
        'schedule_policy',
        'sequence',
        'statistics',
      ],
    });
  }
});

test('model metadata has every version, and the batch dimension as -1', async () => {
  const metadata = {
    name: 'add',
    versions: ['1', '2'],
    platform: 'onnxruntime_onnx',
    inputs: [
      { name: 'a', datatype: 'FP32', shape: [-1, 2] },
      { name: 'b', datatype: 'FP32', shape: [-1, 2] },
    ],
    outputs: [{ name: 'sum', datatype: 'FP32', shape: [-1, 2] }],
  };
  expect((await fake.call('/v2/models/add')).json()).toEqual(metadata);
  expect((await fake.call('/v2/models/add/versions/stable')).json()).toEqual(metadata);
  expect((await fake.call('/v2/models')).json()).toHaveProperty('models', expect.arrayContaining(['add', 'cube']));
});

test("model configuration is told in Triton's form", async () => {
  expect((await fake.call('/v2/models/add/config')).json()).toMatchObject({
    name: 'add',
    max_batch_size: 64,
    version_policy: { specific: { versions: [2] } },
    input: [{ name: 'a', data_type: 'TYPE_FP32', dims: [2] }, { name: 'b' }],
    dynamic_batching: { max_queue_delay_microseconds: 0 },
  });
  expect((await fake.call('/v2/models/fixed/config')).json()).toMatchObject({
    max_batch_size: 0,
    input: [{ dims: [16] }],
  });
});

test.each([
  ['POST', '/v2/health/live', 'GET'],
  ['GET', '/v2/models/add/infer', 'POST'],
  ['DELETE', '/v2/models/add', 'GET'],
])('%s %s is answered 405', async (method, path, allow) => {
  const reply = await fake.call(path, { method, ...(method === 'POST' ? { body: '' } : {}) });
  expect([reply.status, reply.json(), reply.headers.allow]).toEqual([405, { error: 'Method Not Allowed' }, allow]);
});

test.each([
  ['/v2/models/add/infer', '2'],
  ['/v2/models/add/versions/1/infer', '1'],
  ['/v2/models/add/versions/stable/infer', '1'],
  ['/v2/models/add/versions/champion/infer', '2'],
])('%s is answered by version %s', async (path, version) => {
  const inputs = ['a', 'b'].map(name => input({ name }));
  const reply = await fake.call(path, { body: JSON.stringify({ inputs }) });
  expect(reply.json()).toMatchObject({
    model_name: 'add',
    model_version: version,
    outputs: [{ name: 'sum', data: [2, 4] }],
  });
  expect(reply.json()).not.toHaveProperty('id');
});

const good = [input({ name: 'a' }), input({ name: 'b' })];
const deep = `{"inputs":${'['.repeat(101)}${']'.repeat(101)}}`;

test.each<[text: string, model: string, request: object | string]>([
  [
    "expected 2 inputs but got 1 inputs for model 'add'. Got input(s) ['a'], but missing required input(s) ['b']. Please provide all required input(s).",
    'add',
    { inputs: [good[0]] },
  ],
  [
    "expected number of inputs between 2 and 3 but got 1 inputs for model 'optional'. Got input(s) ['b'], but missing required input(s) ['a']. Please provide all required input(s).",
    'optional',
    { inputs: [good[1]] },
  ],
  ["unexpected inference input 'x' for model 'add'", 'add', { inputs: [good[0], input({ name: 'x' })] }],
  ["unexpected inference output 'x' for model 'add'", 'add', { inputs: good, outputs: [{ name: 'x' }] }],
  ["output 'sum' already exists in request", 'add', { inputs: good, outputs: [{ name: 'sum' }, { name: 'sum' }] }],
  ["input 'a' already exists in request", 'add', { inputs: [good[0], good[0]] }],
  [
    "inference input 'i' data-type is 'FP32', but model 'echo-int32' expects 'INT32'",
    'echo-int32',
    { inputs: [input()] },
  ],
  [
    "unexpected shape for input 'i' for model 'echo-fp32'. Expected [-1,2], got [1,3]. ",
    'echo-fp32',
    { inputs: [input({ shape: [1, 3], data: [1, 2, 3] })] },
  ],
  [
    "unexpected shape for input 'i' for model 'echo-fp32'. Expected [-1,2], got [2]. ",
    'echo-fp32',
    { inputs: [input({ shape: [2] })] },
  ],
  [
    "unexpected shape for input 'i' for model 'fixed'. Expected [16], got [15]. ",
    'fixed',
    { inputs: [input({ shape: [15], datatype: 'INT32', data: Array(15).fill(0) })] },
  ],
  [
    "unexpected shape for input 'i' for model 'free'. Expected [-1,-1,-1], got [1,0,2]. ",
    'free',
    { inputs: [input({ shape: [1, 0, 2], data: [] })] },
  ],
  [
    "input 'b' batch size does not match other inputs for 'add'",
    'add',
    { inputs: [good[0], input({ name: 'b', shape: [2, 2], data: [1, 2, 3, 4] })] },
  ],
  [
    "input byte size mismatch for input 'i' for model 'echo-fp32'. Expected 8, got 12",
    'echo-fp32',
    { inputs: [{ name: 'i', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 12 } }] },
  ],
  [
    "unexpected size for input 'i', expecting 8 additional bytes for model 'echo-fp32'",
    'echo-fp32',
    { inputs: [{ name: 'i', shape: [1, 5], datatype: 'FP32', parameters: { binary_data_size: 20 } }] },
  ],
  ["Unable to parse 'inputs': attempt to access non-existing object member 'inputs'", 'add', {}],
  ["Unable to parse 'inputs': attempt to access JSON non-array as array", 'add', { inputs: 3 }],
  [
    "Unable to parse 'name': attempt to access non-existing object member 'name'",
    'add',
    { inputs: [{ shape: [1], datatype: 'FP32', data: [1] }] },
  ],
  [
    "Unable to parse 'datatype': 'FP31' of input 'i' is not known",
    'echo-fp32',
    { inputs: [input({ datatype: 'FP31' })] },
  ],
  [
    "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', 'shared_memory_region' in 'parameters'. But no field is set",
    'echo-fp32',
    { inputs: [{ name: 'i', shape: [1, 2], datatype: 'FP32' }] },
  ],
  ["But set 'data' 'binary_data_size'", 'echo-fp32', { inputs: [input({ parameters: { binary_data_size: 8 } })] }],
  [
    'receiving FP16 data via JSON is not supported. Please use the binary data format for input i',
    'echo-fp16',
    { inputs: [input({ datatype: 'FP16' })] },
  ],
  ["Failed to parse 'data' field: shape does not match true shape", 'echo-fp32', { inputs: [input({ data: [1] })] }],
  ["Shape does not match true shape of 'data' field", 'echo-fp32', { inputs: [input({ data: [1, 2, 3] })] }],
  [
    "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
    'echo-fp32',
    { inputs: [input({ shape: [-1, 2] })] },
  ],
  ['JSON nesting depth exceeds maximum allowed limit (100)', 'add', deep],
  [
    'causes total element count to exceed maximum size of 9223372036854775807',
    'echo-fp32',
    { inputs: [input({ shape: [4294967296, 4294967296] })] },
  ],
  ["byte size overflow for input 'i'", 'echo-fp32', { inputs: [input({ shape: [4294967296, 1073741824] })] }],
  [
    "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified.",
    'add',
    { inputs: good, parameters: { triton_x: 1 } },
  ],
  [
    "parameter 'x' has invalid type. It should be either 'int', 'bool', 'double' or 'string'.",
    'add',
    { inputs: good, parameters: { x: [1] } },
  ],
  [
    "Unable to parse 'priority': attempt to access JSON non-unsigned-integer as unsigned-integer",
    'add',
    { inputs: good, parameters: { priority: -1 } },
  ],
  ['failed to parse the request JSON buffer: The document is empty. at 0', 'add', ''],
  ['failed to parse the request JSON buffer: Invalid value. at 11', 'add', '{"inputs": }'],
  [
    'failed to parse the request JSON buffer: The document root must not be followed by other values. at 14',
    'add',
    '{"inputs":[]} x',
  ],
  [
    "element 0 of input 'i' for model 'text' holds a NUL character",
    'text',
    { inputs: [input({ shape: [1, 1], datatype: 'BYTES', data: ['a\0b'] })] },
  ],
  [
    "element 0 of input 'i' for model 'text' is not valid Unicode text",
    'text',
    '{"inputs":[{"name":"i","shape":[1,1],"datatype":"BYTES","data":["\\ud800"]}]}',
  ],
  [
    "Unable to parse 'data': 300 is out of the range of UINT8",
    'echo-uint8',
    { inputs: [input({ datatype: 'UINT8', data: [1, 300] })] },
  ],
])('is refused with 400: %s', async (text, model, request) => {
  const padded = text.startsWith('unexpected size') || text.includes('byte size mismatch');
  const json = typeof request === 'string' ? request : JSON.stringify(request);
  const body = padded ? `${json}${'\0'.repeat(12)}` : json;
  const reply = await infer(model, body, padded ? { 'inference-header-content-length': String(json.length) } : {});
  expect(reply.json()).toEqual({ error: expect.stringContaining(text) });
  expect(reply.status).toBe(400);
});

test('what is not served is answered 501, so that clients fall back', async () => {
  for (const request of [{ inputs: [input({ parameters: { shared_memory_region: 'r' } })] }]) {
    expect((await infer('add', request)).status).toBe(501);
  }
  const reply = await infer('add', { inputs: good }, { 'content-encoding': 'br' });
  expect([reply.status, reply.json(), reply.headers['accept-encoding']]).toEqual([
    501,
    { error: 'Unsupported compression type' },
    'gzip, deflate, identity',
  ]);
});

test('a refusal of a known model is told to the sink, with its code', async () => {
  fake.sink.failures.length = 0;
  await infer('add', { inputs: [good[0]] });
  await infer('loading', { inputs: good });
  await infer('nope', { inputs: good });
  expect(fake.sink.failures.map(({ model, version, code }) => [model, version, code])).toEqual([
    ['add', 2, 'bad_request'],
    ['loading', 1, 'version_not_ready'],
  ]);
});

test('requested outputs filter the answer, yet all are recorded; flat and nested data are the same', async () => {
  fake.sink.answers.length = 0;
  const nested = await infer('cube', {
    inputs: [
      input({
        shape: [1, 2, 2],
        data: [
          [
            [1, 2],
            [3, 4],
          ],
        ],
      }),
    ],
  });
  const flat = await infer('cube', {
    inputs: [input({ shape: [1, 2, 2], data: [1, 2, 3, 4] })],
    outputs: [{ name: 'o' }],
  });
  expect(nested.json()).toMatchObject({ outputs: [{ shape: [1, 2, 2], data: [1, 2, 3, 4] }] });
  expect(flat.json()).toMatchObject({ outputs: [{ shape: [1, 2, 2], data: [1, 2, 3, 4] }] });
  expect(fake.sink.answers.map(({ outputs }) => outputs.length)).toEqual([1, 1]);
});

test('data before its type and shape is read too', async () => {
  const reply = await infer(
    'echo-fp32',
    '{"inputs":[{"data":[1,2.5],"extra":{"a":[1]},"shape":[1,2],"datatype":"FP32","name":"i"}],"ignored":[{}]}',
  );
  expect(reply.json()).toMatchObject({ outputs: [{ data: [1, 2.5] }] });
});

test('64-bit integers survive, and NaN and Infinity travel as bare words', async () => {
  const long = await infer(
    'echo-int64',
    '{"inputs":[{"name":"i","shape":[1,2],"datatype":"INT64","data":[9007199254740993,-9223372036854775808]}]}',
  );
  expect(long.text).toContain('"data":[9007199254740993,-9223372036854775808]');
  const floats = await infer(
    'echo-fp32',
    '{"inputs":[{"name":"i","shape":[2,2],"datatype":"FP32","data":[NaN,Infinity,-Infinity,0.1]}]}',
  );
  expect(floats.text).toContain('"data":[NaN,Infinity,-Infinity,0.1]');
});

test('a batch of no rows is answered empty without the runtime', async () => {
  fake.sink.answers.length = 0;
  const reply = await infer('echo-fp32', { inputs: [input({ shape: [0, 2], data: [] })] });
  expect(reply.json()).toMatchObject({ outputs: [{ name: 'o', shape: [0, 2], data: [] }] });
  expect(fake.sink.answers).toHaveLength(0);
});

const samples: Readonly<Record<Datatype, TensorData>> = {
  BOOL: Uint8Array.of(1, 0),
  UINT8: Uint8Array.of(0, 255),
  UINT16: Uint16Array.of(0, 65535),
  UINT32: Uint32Array.of(0, 4294967295),
  UINT64: BigUint64Array.of(0n, 2n ** 64n - 1n),
  INT8: Int8Array.of(-128, 127),
  INT16: Int16Array.of(-32768, 32767),
  INT32: Int32Array.of(-2147483648, 2147483647),
  INT64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n),
  FP16: Uint16Array.of(0x3c00, 0x7bff),
  FP32: Float32Array.of(0.1, -3e38),
  FP64: Float64Array.of(0.1, Number.MAX_VALUE),
  BYTES: ['héllo', ''],
};

function bytesOf(data: TensorData): Buffer {
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.concat(
    data.flatMap(text => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(text));
      return [length, Buffer.from(text)];
    }),
  );
}

test.each(datatypes)('%s tensors travel as bytes both ways, whatever their alignment', async datatype => {
  const bytes = bytesOf(samples[datatype]);
  for (const padding of ['', ' ', '  ', '   ']) {
    const request = {
      inputs: [{ name: 'i', shape: [1, 2], datatype, parameters: { binary_data_size: bytes.length } }],
      outputs: [{ name: 'o', parameters: { binary_data: true } }],
    };
    const json = JSON.stringify(request) + padding;
    const reply = await fake.call(`/v2/models/echo-${datatype.toLowerCase()}/infer`, {
      body: Buffer.concat([Buffer.from(json), bytes]),
      headers: { 'Inference-Header-Content-Length': String(json.length) },
    });
    expect(reply.headers['content-type']).toBe('application/octet-stream');
    const head = Number(reply.headers['inference-header-content-length']);
    const answer = JSON.parse(reply.body.subarray(0, head).toString());
    expect(answer.outputs).toEqual([
      { name: 'o', datatype, shape: [1, 2], parameters: { binary_data_size: bytes.length } },
    ]);
    expect(reply.body.subarray(head)).toEqual(bytes);
  }
});

test('binary_data_output asks for bytes, and a single output may say otherwise', async () => {
  const request = (own?: boolean) => ({
    inputs: [input()],
    parameters: { binary_data_output: true },
    ...(own === undefined ? {} : { outputs: [{ name: 'o', parameters: { binary_data: own } }] }),
  });
  expect((await infer('echo-fp32', request())).headers['content-type']).toBe('application/octet-stream');
  const asJson = await infer('echo-fp32', request(false));
  expect(asJson.headers['content-type']).toBe('application/json');
  expect(asJson.headers).not.toHaveProperty('inference-header-content-length');
  const empty = await infer('echo-fp32', { ...request(), inputs: [input({ shape: [0, 2], data: [] })] });
  expect(empty.headers['content-type']).toBe('application/json');
  expect(empty.json()).toMatchObject({ outputs: [{ shape: [0, 2], parameters: { binary_data_size: 0 } }] });
});

test('FP16 outputs are refused as JSON before the model runs', async () => {
  const bytes = bytesOf(samples.FP16);
  const json = JSON.stringify({
    inputs: [{ name: 'i', shape: [1, 2], datatype: 'FP16', parameters: { binary_data_size: 4 } }],
  });
  const reply = await fake.call('/v2/models/echo-fp16/infer', {
    body: Buffer.concat([Buffer.from(json), bytes]),
    headers: { 'Inference-Header-Content-Length': String(json.length) },
  });
  expect([reply.status, reply.json()]).toEqual([
    400,
    { error: 'sending FP16 data via JSON is not supported. Please use the binary data format for output o' },
  ]);
});

test.each([
  ['-1', 'inference header size should be in range (0, 2), got: -1'],
  ['3', 'inference header size should be in range (0, 2), got: 3'],
  ['x', 'Unable to parse Inference-Header-Content-Length, got: x'],
  ['99999999999', 'Unable to parse Inference-Header-Content-Length, got: 99999999999'],
])('the header length %s is refused: %s', async (length, error) => {
  const reply = await infer('echo-fp32', '{}', { 'Inference-Header-Content-Length': length });
  expect([reply.status, reply.json()]).toEqual([400, { error }]);
});

test.each([
  ['incomplete string length indicator', Buffer.from([1, 0])],
  ['incomplete string data', Buffer.from([9, 0, 0, 0, 65])],
  ["expected 2 string elements for inference input 'i' for model 'echo-bytes', got 1", Buffer.from([1, 0, 0, 0, 65])],
  ["expected 2 string elements for inference input 'i' for model 'echo-bytes', got more than 2", Buffer.alloc(12)],
  ["element 0 of input 'i' for model 'echo-bytes' is not valid UTF-8", Buffer.from([1, 0, 0, 0, 0xff, 0, 0, 0, 0])],
])('binary text is refused: %s', async (error, bytes) => {
  const json = JSON.stringify({
    inputs: [{ name: 'i', shape: [1, 2], datatype: 'BYTES', parameters: { binary_data_size: bytes.length } }],
  });
  const reply = await fake.call('/v2/models/echo-bytes/infer', {
    body: Buffer.concat([Buffer.from(json), bytes]),
    headers: { 'Inference-Header-Content-Length': String(json.length) },
  });
  expect([reply.status, reply.json()]).toEqual([400, { error: expect.stringContaining(error) }]);
});

test('bytes that no input claims are refused', async () => {
  const json = JSON.stringify({ inputs: [input()] });
  const reply = await infer('echo-fp32', `${json}1234`, { 'Inference-Header-Content-Length': String(json.length) });
  expect([reply.status, reply.text]).toEqual([400, expect.stringContaining('unexpected additional input data')]);
});

test('a raw request is the single input, one row of it, answered as bytes', async () => {
  const raw = { 'Inference-Header-Content-Length': '0' };
  const reply = await fake.call('/v2/models/echo-fp32/infer', { body: bytesOf(Float32Array.of(1, 2)), headers: raw });
  const head = Number(reply.headers['inference-header-content-length']);
  expect(JSON.parse(reply.body.subarray(0, head).toString())).toMatchObject({
    outputs: [{ name: 'o', shape: [1, 2] }],
  });
  expect(reply.body.subarray(head)).toEqual(bytesOf(Float32Array.of(1, 2)));
  const text = await fake.call('/v2/models/text/infer', { body: 'hello', headers: raw });
  expect(text.body.toString()).toContain('\u0005\0\0\0hello');
});

test.each([
  ['add', "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in 'add' model configuration"],
  [
    'free',
    "The shape of the raw input 'i' can not be deduced because there are more than one variable-sized dimension",
  ],
  ['echo-bytes', "For BYTE datatype raw input 'i', the model must have input shape [1]"],
  ['echo-fp32', "input byte size mismatch for input 'i' for model 'echo-fp32'. Expected 8, got 5"],
])('a raw request for %s is refused: %s', async (model, error) => {
  const reply = await fake.call(`/v2/models/${model}/infer`, {
    body: 'hello',
    headers: { 'Inference-Header-Content-Length': '0' },
  });
  expect([reply.status, reply.json()]).toEqual([400, { error }]);
});

test.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
] as const)('a %s request is read, and the limit holds after decompression', async (coding, squeeze) => {
  const headers = { 'content-encoding': coding };
  const reply = await fake.call('/v2/models/echo-fp32/infer', {
    body: squeeze(JSON.stringify({ inputs: [input()] })),
    headers,
  });
  expect(reply.json()).toMatchObject({ outputs: [{ data: [1, 2] }] });
  const bomb = await fake.call('/v2/models/echo-fp32/infer', { body: squeeze(Buffer.alloc(5_000_000)), headers });
  expect(bomb.status).toBe(413);
  const damaged = await fake.call('/v2/models/echo-fp32/infer', { body: 'nonsense', headers });
  expect(damaged.status).toBe(400);
});

test.each([
  ['gzip', 'gzip', gunzipSync],
  ['deflate;q=0.9, gzip;q=0.1', 'deflate', inflateSync],
  ['gzip;q=0, deflate', 'deflate', inflateSync],
] as const)('an answer worth it is compressed as "%s" asks: %s', async (accept, coding, unpack) => {
  const data = Array.from({ length: 2000 }, (_, i) => i);
  const reply = await infer(
    'echo-fp32',
    { inputs: [input({ shape: [1000, 2], data })] },
    { 'accept-encoding': accept },
  );
  expect(reply.headers['content-encoding']).toBe(coding);
  expect(JSON.parse(unpack(reply.body).toString()).outputs[0].data).toEqual(data);
});

test('a body beyond the limit is refused, declared or not', async () => {
  const declared = await infer('echo-fp32', 'x'.repeat(100_001));
  expect([declared.status, declared.json()]).toEqual([
    400,
    {
      error: expect.stringContaining(
        'request JSON size of 100001 bytes exceeds the maximum allowed input size of 100000',
      ),
    },
  ]);
  const chunked = await infer('echo-fp32', 'x'.repeat(200_000), { 'transfer-encoding': 'chunked' });
  expect(chunked.json()).toEqual({
    error: expect.stringContaining('exceeds the maximum allowed input size of 100000'),
  });
});

test('a model without a batch dimension is one row, recorded whole', async () => {
  fake.sink.answers.length = 0;
  const data = Array.from({ length: 16 }, (_, i) => i);
  const reply = await infer('fixed', { inputs: [input({ shape: [16], datatype: 'INT32', data })] });
  expect(reply.json()).toMatchObject({ outputs: [{ shape: [16], data }] });
  expect(fake.sink.answers[0]).toMatchObject({ rows: 1 });
});

test('an optional input may be left out', async () => {
  const reply = await infer('optional', { inputs: good });
  expect(reply.status).toBe(200);
  const recorded: readonly Tensor[] = fake.sink.answers.at(-1)!.inputs;
  expect(recorded.map(({ name }) => name)).toEqual(['a', 'b']);
});
