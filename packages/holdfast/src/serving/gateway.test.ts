import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { fault } from '@holdfast/api';
import { expect, test, vi } from 'vitest';
import { addition, addModel, FakeGateway, type FakeReply } from './fake-gateway.ts';

const body = JSON.stringify({
  id: 'r1',
  inputs: [
    { name: 'a', shape: [2, 2], datatype: 'FP32', data: [1, 2, 3, 4] },
    {
      name: 'b',
      shape: [2, 2],
      datatype: 'FP32',
      data: [
        [10, 20],
        [30, 40],
      ],
    },
  ],
});
const infer = (fake: FakeGateway, headers: Record<string, string> = {}): Promise<FakeReply> =>
  fake.call('/v2/models/add/infer', { body, headers });

/** Everything the client wrote is read and, where it asks the model, waits in the gateway. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  await vi.waitUntil(isSo, { timeout: 5000, interval: 2 });
}

test('a prediction is answered with its id and version, and the sink hears of it', async () => {
  await using fake = await FakeGateway.start();
  await fake.serve('add', fake.version(addition, addModel, { version: 3 }));
  const reply = await infer(fake, { 'x-holdfast-tags': 'region=eu', 'x-holdfast-event-time': '2001-02-03T04:05:06Z' });
  expect(reply.status).toBe(200);
  const id = reply.headers['x-holdfast-prediction-id'];
  expect(reply.json()).toEqual({
    id: 'r1',
    model_name: 'add',
    model_version: '3',
    parameters: { prediction_id: id },
    outputs: [{ name: 'sum', datatype: 'FP32', shape: [2, 2], data: [11, 22, 33, 44] }],
  });
  expect(reply.headers['x-holdfast-version']).toBe('3');
  const [heard] = fake.sink.answers;
  expect(heard).toMatchObject({
    model: 'add',
    version: 3,
    id,
    rows: 2,
    key: 'r1',
    tags: 'region=eu',
    eventMs: Date.UTC(2001, 1, 3, 4, 5, 6),
    receivedMs: 1_000_000,
  });
  expect(heard!.inputs.map(({ name }) => name)).toEqual(['a', 'b']);
  expect(heard!.outputs[0]!.data).toEqual(Float32Array.of(11, 22, 33, 44));
});

test('the key header goes before the request id; bad headers are refused', async () => {
  await using fake = await FakeGateway.start();
  await fake.serve('add', fake.version(addition, addModel));
  await infer(fake, { 'x-holdfast-key': 'flight-17', 'x-holdfast-event-time': '981173106000' });
  expect(fake.sink.answers[0]).toMatchObject({ key: 'flight-17', eventMs: 981_173_106_000 });
  for (const headers of [
    { 'x-holdfast-event-time': 'yesterday' },
    { 'x-request-timeout-ms': '0' },
    { 'x-request-timeout-ms': 'soon' },
    { 'x-holdfast-key': 'k'.repeat(201) },
  ]) {
    expect((await infer(fake, headers)).status).toBe(400);
  }
});

test('requests that wait together run together, and each gets its own rows', async () => {
  await using fake = await FakeGateway.start();
  const runner = await fake.serve('add', fake.version(addition, addModel));
  runner.hold();
  const ask = (value: number): Promise<FakeReply> => {
    const inputs = ['a', 'b'].map(name => ({ name, shape: [1, 2], datatype: 'FP32', data: [value, value] }));
    return fake.call('/v2/models/add/infer', { body: JSON.stringify({ inputs }) });
  };
  const asked = Array.from({ length: 20 }, (_, i) => ask(i));
  await until(() => fake.gateway.report()[0]!.inFlight === 20);
  runner.release();
  const replies = await Promise.all(asked);
  expect(replies.map(reply => reply.json())).toMatchObject(
    replies.map((_, i) => ({ outputs: [{ data: [2 * i, 2 * i] }] })),
  );
  expect(runner.batches.length).toBeLessThan(5);
});

test('metrics exist at 0 once a version is routed, count exactly, and go with it', async () => {
  await using fake = await FakeGateway.start();
  const read = async (): Promise<Record<string, number>> => {
    const { text } = await fake.call('/metrics');
    const lines = text.split('\n').filter(line => line.includes('model="add"'));
    return Object.fromEntries(
      lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    );
  };
  await fake.serve('add', fake.version(addition, addModel));
  const labels = '{model="add",version="1"}';
  const zero = await read();
  expect(zero).toMatchObject({
    [`nv_inference_request_success${labels}`]: 0,
    [`nv_inference_count${labels}`]: 0,
    [`nv_inference_exec_count${labels}`]: 0,
    [`nv_inference_pending_request_count${labels}`]: 0,
    'nv_inference_request_failure{model="add",version="1",reason="REJECTED"}': 0,
    'nv_inference_request_failure{model="add",version="1",reason="CANCELED"}': 0,
    'nv_inference_request_failure{model="add",version="1",reason="BACKEND"}': 0,
    'nv_inference_request_failure{model="add",version="1",reason="OTHER"}': 0,
    [`holdfast_request_duration_seconds_count${labels}`]: 0,
    [`holdfast_queue_duration_seconds_count${labels}`]: 0,
    [`holdfast_infer_duration_seconds_count${labels}`]: 0,
  });
  await infer(fake);
  await infer(fake);
  await fake.call('/v2/models/add/infer', { body: '{}' });
  const after = await read();
  expect(after).toMatchObject({
    [`nv_inference_request_success${labels}`]: 2,
    [`nv_inference_count${labels}`]: 4,
    [`nv_inference_exec_count${labels}`]: 2,
    [`nv_inference_compute_infer_duration_us${labels}`]: 14,
    'nv_inference_request_failure{model="add",version="1",reason="REJECTED"}': 1,
    [`holdfast_request_duration_seconds_count${labels}`]: 2,
    [`holdfast_batch_rows_sum${labels}`]: 4,
    'holdfast_batch_rows_bucket{model="add",version="1",le="1"}': 0,
    'holdfast_batch_rows_bucket{model="add",version="1",le="2"}': 2,
  });
  expect((await fake.call('/metrics')).text).toContain('holdfast_refusals_total{code="bad_request"} 1');
  await fake.route();
  expect(await read()).toEqual({});
});

test('the report counts since the start and tells the latencies since the last report', async () => {
  await using fake = await FakeGateway.start();
  await fake.serve('add', fake.version(addition, addModel));
  await infer(fake);
  await fake.call('/v2/models/add/infer', { body: '{}' });
  const [first] = fake.gateway.report();
  expect(first).toMatchObject({ model: 'add', version: 1, requests: 2, rows: 2, errors: 1, inFlight: 0 });
  expect(first!.latency.reduce((sum, [, count]) => sum + count, 0)).toBe(1);
  expect(fake.gateway.report()[0]).toMatchObject({ requests: 2, latency: [], latencySum: 0 });
});

test('the queue refuses beyond its bound, with Retry-After and the words of the protocol', async () => {
  await using fake = await FakeGateway.start();
  const batching = { maximumRows: 2, maximumDelayMs: 0, queueRows: 2 };
  const runner = await fake.serve('add', fake.version(addition, addModel, { batching }));
  runner.hold();
  const running = infer(fake);
  await until(() => runner.batches.length === 1);
  const waiting = infer(fake);
  await until(() => fake.gateway.report()[0]!.inFlight === 2);
  const refused = await infer(fake);
  expect([refused.status, refused.json(), refused.headers['retry-after']]).toEqual([
    503,
    { error: 'Exceeds maximum queue size' },
    '1',
  ]);
  runner.release();
  expect([(await running).status, (await waiting).status]).toEqual([200, 200]);
});

test('a deadline is kept: 504, and 503 for the timeout of the schedule policy', async () => {
  await using fake = await FakeGateway.start({ requestTimeout: 2000 });
  const runner = await fake.serve('add', fake.version(addition, addModel));
  runner.hold();
  const late = await infer(fake, { 'x-request-timeout-ms': '20' });
  expect([late.status, late.json()]).toEqual([504, { error: 'No answer within the deadline of 20 ms.' }]);
  const policy = await fake.call('/v2/models/add/infer', {
    body: body.replace('{', '{"parameters":{"timeout":20000},'),
  });
  expect([policy.status, policy.json()]).toEqual([503, { error: 'Request timeout expired' }]);
  expect(fake.sink.failures.map(({ code }) => code)).toEqual(['deadline_exceeded', 'queue_timeout']);
});

test('a lost runner is a retryable 503, a throwing model a 500', async () => {
  await using fake = await FakeGateway.start();
  const runner = await fake.serve('add', fake.version(addition, addModel));
  vi.spyOn(runner, 'run')
    .mockRejectedValueOnce(fault('runner_lost', 'add'))
    .mockRejectedValueOnce(fault('inference_failed', 'bad'));
  const lost = await infer(fake);
  expect([lost.status, lost.headers['retry-after']]).toEqual([503, '1']);
  expect((await infer(fake)).status).toBe(500);
  expect((await infer(fake)).status).toBe(200);
});

test('a client that goes away frees its place and counts as canceled', async () => {
  await using fake = await FakeGateway.start();
  const runner = await fake.serve('add', fake.version(addition, addModel));
  runner.hold();
  const running = infer(fake);
  await until(() => runner.batches.length === 1);
  const socket = connect(fake.gateway.port, '127.0.0.1');
  socket.write(`POST /v2/models/add/infer HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await until(() => fake.gateway.report()[0]!.inFlight === 2);
  socket.destroy();
  await until(() => fake.gateway.report()[0]!.inFlight === 1);
  runner.release();
  expect((await running).status).toBe(200);
  expect(runner.batches).toHaveLength(1);
  expect((await fake.call('/metrics')).text).toContain(
    'nv_inference_request_failure{model="add",version="1",reason="CANCELED"} 1',
  );
});

test('100 flips under load fail no request, and a dropped version has none in flight', async () => {
  await using fake = await FakeGateway.start();
  await fake.serve('add', fake.version(addition, addModel));
  let isOver = false;
  const statuses = new Map<number, number>();
  const served = new Set<unknown>();
  let answered = 0;
  const clients = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const reply = await infer(fake);
      statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
      answered++;
      served.add(reply.headers['x-holdfast-version']);
    }
  });
  for (let flip = 1; flip <= 100; flip++) {
    const version = fake.version(addition, addModel, { version: 1 + (flip % 2) });
    await fake.serve('add', version);
    expect(fake.gateway.report().map(({ version: number }) => number)).toEqual([version.version]);
    const before = answered;
    await until(() => answered > before);
  }
  isOver = true;
  await Promise.all(clients);
  expect([...statuses.keys()]).toEqual([200]);
  expect(served).toEqual(new Set(['1', '2']));
  expect([...fake.runners.values()].filter(runner => !runner.isDisposed)).toHaveLength(1);
});

test('a flip waits for the runs of what it drops, while new requests already go to the new version', async () => {
  await using fake = await FakeGateway.start();
  const old = fake.version(addition, addModel, { version: 1 });
  const runner = await fake.serve('add', old);
  runner.hold();
  const slow = infer(fake);
  await until(() => runner.batches.length === 1);
  let isFlipped = false;
  const flip = fake.serve('add', fake.version(addition, addModel, { version: 2 })).then(() => (isFlipped = true));
  await until(() => fake.gateway.report()[0]!.version === 2);
  expect((await infer(fake)).headers['x-holdfast-version']).toBe('2');
  expect(isFlipped).toBe(false);
  runner.release();
  expect((await slow).headers['x-holdfast-version']).toBe('1');
  await flip;
  expect(runner.isDisposed).toBe(true);
});

test('requests that wait for a version are answered by it, although the next table keeps it without a runner', async () => {
  await using fake = await FakeGateway.start();
  const version = fake.version(addition, addModel);
  const runner = await fake.serve('add', version);
  runner.hold();
  const first = infer(fake);
  await until(() => runner.batches.length === 1);
  const second = infer(fake);
  await until(() => fake.gateway.report()[0]?.inFlight === 2);
  const unloaded = fake.serve('add', { ...version, state: 'unloaded', sockets: [] });
  await until(async () => (await infer(fake)).status === 503);
  runner.release();
  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  await unloaded;
  expect(runner.isDisposed).toBe(true);
});

test('what waits for a version in quarantine is refused at once, with when to retry', async () => {
  await using fake = await FakeGateway.start();
  const version = fake.version(addition, addModel);
  const runner = await fake.serve('add', version);
  runner.hold();
  const running = infer(fake);
  await until(() => runner.batches.length === 1);
  const waiting = infer(fake);
  await until(() => fake.gateway.report()[0]?.inFlight === 2);
  await fake.serve('add', { ...version, state: 'quarantined', reason: 'it died three times', sockets: [] });
  for (const reply of [await running, await waiting, await infer(fake)]) {
    expect(reply.status).toBe(503);
    expect(reply.headers['retry-after']).toBe('1');
  }
  expect((await waiting).text).toBe('{"error":"Version 1 of \\"add\\" is not ready to serve."}');
  await fake.serve('add', fake.version(addition, addModel));
  expect((await infer(fake)).status).toBe(200);
});

test('an older table changes nothing', async () => {
  await using fake = await FakeGateway.start();
  await fake.serve('add', fake.version(addition, addModel));
  await fake.gateway.applyRouting({ generation: 0, models: [] });
  expect((await infer(fake)).status).toBe(200);
});

test('a runner that cannot be reached at the flip is connected as soon as it can', async () => {
  await using fake = await FakeGateway.start();
  const version = fake.version(addition, addModel);
  const socket = version.sockets[0]!;
  const runner = fake.runners.get(socket)!;
  fake.runners.delete(socket);
  await fake.serve('add', { ...version, hangTimeoutMs: 1 }).catch(() => {});
  const waiting = infer(fake);
  await until(() => fake.gateway.report()[0]?.inFlight === 1);
  fake.runners.set(socket, runner);
  expect((await waiting).status).toBe(200);
});

test('readiness: not before the first table, not while a champion loads, not when draining', async () => {
  const fake = await FakeGateway.start();
  const ready = async (): Promise<number> => (await fake.call('/v2/health/ready')).status;
  expect(await ready()).toBe(503);
  await fake.serve('add', fake.version(addition, addModel, { state: 'loading' }));
  expect(await ready()).toBe(503);
  const runner = await fake.serve('add', fake.version(addition, addModel, { state: 'ready' }));
  expect(await ready()).toBe(200);
  runner.hold();
  const inFlight = infer(fake);
  await until(() => runner.batches.length === 1);
  const drained = fake.gateway.drain();
  runner.release();
  expect((await inFlight).status).toBe(200);
  await drained;
  await expect(ready()).rejects.toThrow('ECONNREFUSED');
});

test('while draining a request on an open connection is refused with draining', async () => {
  const fake = await FakeGateway.start();
  const runner = await fake.serve('add', fake.version(addition, addModel));
  runner.hold();
  const inFlight = infer(fake);
  await until(() => runner.batches.length === 1);
  const socket = connect(fake.gateway.port, '127.0.0.1');
  // A request that is on its way keeps the connection out of the idle ones. It comes in one packet with one before it,
  // whose answer says that both have arrived.
  const before = 'GET /v2/health/live HTTP/1.1\r\nHost: h\r\n\r\n';
  socket.write(`${before}POST /v2/models/add/infer HTTP/1.1\r\nHost: h\r\nContent-Length: ${body.length}\r\n`);
  const live = await new Promise<Buffer>(resolve => socket.once('data', resolve));
  expect(live.toString()).toMatch(/^HTTP\/1.1 200 /);
  const drained = fake.gateway.drain();
  const heard: Buffer[] = [];
  socket.on('data', chunk => heard.push(chunk));
  socket.write(`\r\n${body}`);
  await new Promise(resolve => socket.once('close', resolve));
  const text = Buffer.concat(heard).toString();
  expect(text).toMatch(/^HTTP\/1.1 503 /);
  expect(text.toLowerCase()).toContain('connection: close');
  runner.release();
  expect((await inFlight).status).toBe(200);
  await drained;
});

async function exchangeRaw(fake: FakeGateway, bytes: string): Promise<string> {
  const socket = connect(fake.gateway.port, '127.0.0.1');
  const heard: Buffer[] = [];
  socket.on('data', chunk => heard.push(chunk));
  socket.write(bytes);
  await new Promise(resolve => socket.once('close', resolve));
  return Buffer.concat(heard).toString();
}

test.each([
  ['no HTTP at all', 'GARBAGE\r\n\r\n', 400],
  ['two hosts', 'GET /v2 HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n', 400],
  [
    'both Content-Length and Transfer-Encoding',
    'POST /v2/models/add/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
  ],
  ['headers beyond 16 KiB', `GET /v2 HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  [
    'a header named __proto__',
    'GET /v2/health/live HTTP/1.1\r\nHost: a\r\n__proto__: x\r\nConnection: close\r\n\r\n',
    200,
  ],
])('%s is answered in one line of JSON', async (_, bytes, status) => {
  await using fake = await FakeGateway.start();
  const text = await exchangeRaw(fake, bytes);
  expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4));
});

test.each([
  ['bodies', 8, (text: string) => text, {}],
  ['compressed bodies', 7, (text: string) => gzipSync(text), { 'content-encoding': 'gzip' }],
] as const)('%s are held only up to a bound, and their place is given back', async (_, most, encode, headers) => {
  await using fake = await FakeGateway.start({ bodyBytes: 1000 });
  const runner = await fake.serve('add', fake.version(addition, addModel));
  runner.hold();
  const padded = encode(body.padEnd(980));
  const ask = (): Promise<FakeReply> => fake.call('/v2/models/add/infer', { body: padded, headers });
  const held = Array.from({ length: most }, ask);
  await until(() => fake.gateway.report()[0]!.inFlight === most);
  const refused = await ask();
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
  runner.release();
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual(Array(most).fill(200));
  expect((await ask()).status).toBe(200);
});

test('a body in more than 65536 pieces is refused', async () => {
  await using fake = await FakeGateway.start();
  await fake.serve('add', fake.version(addition, addModel));
  const pieces = '1\r\n \r\n'.repeat(65_600);
  const text = await exchangeRaw(
    fake,
    `POST /v2/models/add/infer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${pieces}0\r\n\r\n`,
  );
  expect(text).toContain('Chunked request body exceeds maximum of 65536 non-empty chunks');
});
