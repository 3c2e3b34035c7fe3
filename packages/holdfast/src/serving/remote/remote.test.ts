import { createServer, type RequestListener } from 'node:http';
import type { Signature, Tensor } from '@holdfast/api';
import { expect, test } from 'vitest';
import { type RemoteConfig, remoteSchema } from '../../config/index.ts';
import { createLog } from '../../telemetry/index.ts';
import { echoModel, FakeGateway, fakeSignature } from '../fake-gateway.ts';
import { portOf } from '../http/listener.ts';
import type { ConnectedRunner } from '../traffic/runner-links.ts';
import { remoteModels } from './remote-models.ts';
import { RemoteServers } from './remote-runner.ts';

const log = createLog('test', 'silent');
const noConfig = remoteSchema.parse({});
const signature: Signature = fakeSignature({
  inputs: [
    { name: 'number', datatype: 'FP32', shape: [-1, 3], optional: false },
    { name: 'whole', datatype: 'INT64', shape: [-1, 1], optional: false },
    { name: 'text', datatype: 'BYTES', shape: [-1, 1], optional: false },
  ],
  outputs: [
    { name: 'number_out', datatype: 'FP32', shape: [-1, 3], optional: false },
    { name: 'whole_out', datatype: 'INT64', shape: [-1, 1], optional: false },
    { name: 'text_out', datatype: 'BYTES', shape: [-1, 1], optional: false },
  ],
});
const inputs: readonly Tensor[] = [
  { name: 'number', datatype: 'FP32', shape: [2, 3], data: Float32Array.of(0.1, -0, Number.NaN, 1e38, Infinity, 7) },
  { name: 'whole', datatype: 'INT64', shape: [2, 1], data: BigInt64Array.of(9_007_199_254_740_993n, -(2n ** 63n)) },
  { name: 'text', datatype: 'BYTES', shape: [2, 1], data: ['', 'straße "x"\n'] },
];
const outputs = inputs.map(tensor => ({ ...tensor, name: `${tensor.name}_out` }));

interface Far extends AsyncDisposable {
  readonly address: string;
}

/** A server that answers as it is told. */
async function farServer(answer: RequestListener): Promise<Far> {
  const server = createServer(answer);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${portOf(server)}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise(resolve => server.close(resolve));
    },
  };
}

function connect(source: string, config: RemoteConfig = noConfig, hangTimeoutMs = 10_000): Promise<ConnectedRunner> {
  return new RemoteServers({ config, log }).connect(`${source}#1`, { model: 'near', hangTimeoutMs, signature });
}

const forms = ['oip+http', 'oip+grpc', 'tfs+http', 'tfs+grpc'];

test.each(forms)('%s carries every bit there and back', async form => {
  await using fake = await FakeGateway.start({}, { hasGrpc: true });
  await fake.serve('echo', fake.version(signature, echoModel(signature)));
  const port = form.endsWith('grpc') ? fake.gateway.grpcPort : fake.gateway.port;
  await using runner = await connect(`${form}://127.0.0.1:${port}/echo/1`);
  const answer = await runner.run(inputs);
  expect(answer.outputs).toEqual(outputs);
  expect(answer.inferUs).toBeGreaterThan(0);
});

test.each(forms)('%s describes what the model takes and gives', async form => {
  await using fake = await FakeGateway.start({}, { hasGrpc: true });
  await fake.serve('echo', fake.version(signature, echoModel(signature)));
  const port = form.endsWith('grpc') ? fake.gateway.grpcPort : fake.gateway.port;
  const source = `${form}://127.0.0.1:${port}/echo`;
  const tensors = await remoteModels(noConfig).describe(source);
  expect(tensors.inputs).toEqual(signature.inputs);
  expect(tensors.outputs).toEqual(signature.outputs);
  expect(await remoteModels(noConfig).compare(source, signature)).toBeUndefined();
});

test.each(forms)('%s passes on why a request was refused, and says which model is not there', async form => {
  await using fake = await FakeGateway.start({}, { hasGrpc: true });
  await fake.serve('echo', fake.version(signature, echoModel(signature)));
  const port = form.endsWith('grpc') ? fake.gateway.grpcPort : fake.gateway.port;
  await using runner = await connect(`${form}://127.0.0.1:${port}/echo`);
  await expect(runner.run(inputs.slice(0, 2))).rejects.toMatchObject({
    code: 'bad_request',
    message: expect.stringMatching(/^The server that runs "near" answered .*: .*(text|2)/),
  });
  await expect(remoteModels(noConfig).describe(`${form}://127.0.0.1:${port}/nobody`)).rejects.toMatchObject({
    code: 'model_rejected',
    message: expect.stringContaining('nobody'),
  });
});

test('a server that lists no binary tensors is spoken to in JSON', async () => {
  const bodies: string[] = [];
  await using far = await farServer((request, response) => {
    let text = '';
    request.on('data', piece => (text += piece));
    request.on('end', () => {
      if (request.method === 'POST') bodies.push(text);
      const named = outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
      const data = [
        [0.5, 1, 2, 3, 4, 5],
        [1, 2],
        [['a'], ['b']],
      ];
      const answer = { outputs: named.map((output, i) => ({ ...output, data: data[i] })) };
      response.end(JSON.stringify(request.url === '/v2' ? { name: 'other', extensions: [] } : answer));
    });
  });
  await using runner = await connect(`oip+http://${far.address}/echo`);
  const { outputs: answered } = await runner.run(inputs);
  expect(answered.map(({ data }) => data)).toEqual([
    Float32Array.of(0.5, 1, 2, 3, 4, 5),
    BigInt64Array.of(1n, 2n),
    ['a', 'b'],
  ]);
  expect(bodies[0]).toContain('"datatype":"INT64","shape":[2,1],"data":[9007199254740993,-9223372036854775808]');
});

test.each([
  ['oip+http', '<html>It works!</html>', 'gave an answer that is no Open Inference Protocol'],
  ['oip+http', '{"outputs":[{"name":"number_out"}]}', 'an output has no name or datatype'],
  [
    'oip+http',
    '{"outputs":[{"name":"number_out","datatype":"FP32","shape":[4000000000,4000000000],"data":[]}]}',
    'element',
  ],
  ['oip+http', '{"outputs":[{"name":"number_out","datatype":"FP32","shape":[1,3],"data":[1]}]}', '1 elements for 3'],
  [
    'oip+http',
    '{"outputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}',
    'without the output "number_out"',
  ],
  [
    'oip+http',
    '{"outputs":[{"name":"number_out","datatype":"FP64","shape":[1,3],"data":[1,2,3]}]}',
    'gave "number_out" as FP64 [1,3], registered is FP32 [-1,3]',
  ],
  ['tfs+http', 'no JSON', "gave an answer that is not TensorFlow Serving's"],
])('%s: the answer %s is a failure of the model, told as what it is', async (form, body, why) => {
  await using far = await farServer((_request, response) => void response.end(body));
  await using runner = await connect(`${form}://${far.address}/echo`);
  await expect(runner.run(inputs)).rejects.toMatchObject({
    code: 'inference_failed',
    message: expect.stringContaining(why),
  });
  expect(runner.away).toBeUndefined();
});

test.each([401, 404, 429, 502, 503, 302])(
  'a server that answers %i is unavailable, and its body is not passed on',
  async status => {
    await using far = await farServer(
      (_request, response) => void response.writeHead(status, { Location: '/' }).end('secret'),
    );
    await using runner = await connect(`oip+http://${far.address}/echo`);
    await expect(runner.run(inputs)).rejects.toMatchObject({
      code: 'remote_unavailable',
      message: `The server that runs "near" answered ${status}; retry.`,
    });
  },
);

test.each(['oip+http', 'oip+grpc'])(
  '%s: who is away is known, fails at once, and is found when it is back',
  async form => {
    const gate = await FakeGateway.start({}, { hasGrpc: true });
    const port = form.endsWith('grpc') ? gate.gateway.grpcPort : gate.gateway.port;
    await gate[Symbol.asyncDispose]();
    await using runner = await connect(`${form}://127.0.0.1:${port}/echo`);
    await expect(runner.run(inputs)).rejects.toMatchObject({
      code: 'remote_unavailable',
      message: expect.stringContaining('The server that runs "near" cannot be reached'),
    });
    expect(runner.away).toContain('cannot be reached');
    expect(runner.isConnected).toBe(false);
    await using back = await FakeGateway.start(
      {},
      {
        hasGrpc: true,
        ports: { port: form.endsWith('grpc') ? 0 : port!, grpcPort: form.endsWith('grpc') ? port! : 0 },
      },
    );
    await back.serve('echo', back.version(signature, echoModel(signature)));
    await expect.poll(() => runner.away, { timeout: 10_000 }).toBeUndefined();
    expect((await runner.run(inputs)).outputs).toEqual(outputs);
  },
);

test('a request is not sent again once it may have arrived on a new connection', async () => {
  const known = new WeakSet<object>();
  const askedOnNew: boolean[] = [];
  await using far = await farServer((request, response) => {
    const isNew = !known.has(request.socket);
    known.add(request.socket);
    if (request.url === '/v2') response.end('{"extensions":[]}');
    else if (request.method === 'POST') {
      askedOnNew.push(isNew);
      request.socket.destroy();
    } else response.end('{}');
  });
  await using runner = await connect(`oip+http://${far.address}/echo`);
  await expect(runner.run(inputs)).rejects.toMatchObject({ code: 'remote_unavailable' });
  // Those that were open before may have been closed while they were idle.
  expect(askedOnNew.length).toBeGreaterThan(0);
  expect(askedOnNew.filter(isNew => isNew).length).toBeLessThanOrEqual(1);
});

test.each([
  ['the hang timeout', 50, undefined],
  ['the deadline of whoever waits', 10_000, 1],
])('%s bounds a run', async (_what, hangTimeoutMs, leftMs) => {
  await using far = await farServer((request, response) => {
    if (request.method === 'GET') response.end('{"extensions":["binary_tensor_data"]}');
  });
  await using runner = await connect(`oip+http://${far.address}/echo`, noConfig, hangTimeoutMs);
  const deadlineMs = leftMs === undefined ? undefined : performance.now() + leftMs;
  await expect(runner.run(inputs, { deadlineMs })).rejects.toMatchObject({
    code: 'remote_unavailable',
    message: 'The server that runs "near" did not answer in time; retry.',
  });
});

test('a listed server is shown its token and no other is', async () => {
  const shown: (string | undefined)[] = [];
  const answer: RequestListener = (request, response) => {
    shown.push(request.headers.authorization);
    response.writeHead(404).end('{}');
  };
  await using listed = await farServer(answer);
  await using other = await farServer(answer);
  process.env.HOLDFAST_TEST_TOKEN = 'sesame';
  const config = remoteSchema.parse({ servers: { [listed.address]: { tokenVariable: 'HOLDFAST_TEST_TOKEN' } } });
  const models = remoteModels(config);
  await expect(models.describe(`oip+http://${listed.address}/echo`)).rejects.toThrow('answered 404');
  await expect(models.describe(`oip+http://${other.address}/echo`)).rejects.toThrow('answered 404');
  delete process.env.HOLDFAST_TEST_TOKEN;
  expect(shown).toEqual(['Bearer sesame', undefined]);
  await expect(models.describe(`oip+http://${listed.address}/echo`)).rejects.toThrow('HOLDFAST_TEST_TOKEN is not set');
});

test('with onlyListed no other server is asked', async () => {
  let asked = 0;
  await using far = await farServer((_request, response) => {
    asked++;
    response.end();
  });
  const config = remoteSchema.parse({ onlyListed: true });
  await expect(remoteModels(config).describe(`oip+http://${far.address}/echo`)).rejects.toThrow(
    'is not among remote.servers',
  );
  await expect(connect(`oip+http://${far.address}/echo`, config)).rejects.toThrow('is not among remote.servers');
  expect(asked).toBe(0);
});

test('a server that has another model by now is told apart from one that is away', async () => {
  await using fake = await FakeGateway.start();
  await fake.serve('echo', fake.version(signature, echoModel(signature)));
  const source = `oip+http://127.0.0.1:${fake.gateway.port}/echo`;
  const { inputs: own } = signature;
  const wider = { ...signature, inputs: [{ ...own[0]!, shape: [-1, 4] }, ...own.slice(1)] };
  const models = remoteModels(noConfig);
  await expect(models.compare(source, wider)).rejects.toThrow(
    'another model by now: the input "number" is FP32 [-1,3] and was FP32 [-1,4]',
  );
  await fake.route();
  expect(await models.compare(source, signature)).toEqual({ away: 'answered 404' });
});
