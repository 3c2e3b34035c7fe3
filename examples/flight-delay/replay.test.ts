import { createServer } from 'node:http';
import { expect, test } from 'vitest';
import type { Clock } from './clock.ts';
import { type FakeFlight, fakeSource } from './fake-flights.ts';
import type { FlightGroup } from './flight-groups.ts';
import { Replay, type ReplayOptions } from './replay.ts';
import { type Answer, httpTransport, type Transport } from './transport.ts';

const minuteMs = 60_000;
const start = Date.UTC(2001, 1, 1);
const span = { fromMs: start, untilMs: start + 1440 * minuteMs };
const never = new AbortController().signal;

const turn = () => new Promise<void>(resolve => setImmediate(resolve));

/** Time that passes only while somebody sleeps; the server answers meanwhile. */
class FakeClock implements Clock {
  now = 0;
  readonly sleeps: number[] = [];
  nowMs = (): number => this.now;
  sleep = async (ms: number): Promise<void> => {
    this.sleeps.push(ms);
    this.now += ms;
    for (let turns = 0; turns < 4; turns++) await turn();
  };
}

interface Posted {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

function answered(status: number, headers: Readonly<Record<string, string>> = {}, body = Buffer.alloc(0)): Answer {
  return { status, header: name => headers[name], body };
}

function rowsOf({ body, headers }: Posted): number {
  const head = JSON.parse(body.subarray(0, Number(headers['inference-header-content-length'])).toString());
  return head.inputs[0].shape[0];
}

/** A server in memory: answers every flight with 0.25 late, under the ids p1, p2, ... */
class FakeServer implements Transport {
  readonly posted: Posted[] = [];
  /** Answers given before the normal ones. */
  readonly refusals: (Answer | Error)[] = [];
  most = 0;
  #running = 0;
  #predictions = 0;

  async post(path: string, headers: Readonly<Record<string, string>>, body: Buffer): Promise<Answer> {
    this.most = Math.max(this.most, ++this.#running);
    await turn();
    this.#running--;
    const refusal = this.refusals.shift();
    if (refusal instanceof Error) throw refusal;
    if (refusal !== undefined) return refusal;
    this.posted.push({ path, headers, body });
    if (path.endsWith('/feedback')) return answered(200);
    const late = Buffer.concat(
      Array.from({ length: rowsOf({ path, headers, body }) }, () => Buffer.from(Float32Array.of(0.75, 0.25).buffer)),
    );
    const id = `p${++this.#predictions}`;
    return answered(200, { 'x-holdfast-prediction-id': id, 'inference-header-content-length': '0' }, late);
  }

  get requests(): Posted[] {
    return this.posted.filter(({ path }) => path.endsWith('/infer'));
  }

  get labels(): unknown[] {
    return this.posted
      .filter(({ path }) => path.endsWith('/feedback'))
      .flatMap(({ body }) => body.toString().trimEnd().split('\n'))
      .map(line => JSON.parse(line));
  }

  [Symbol.dispose](): void {}
}

function replayOf(flights: FakeFlight[], server: Transport, clock: Clock, more: Partial<ReplayOptions> = {}): Replay {
  return new Replay({
    source: fakeSource([flights]),
    span,
    transport: server,
    clock,
    model: 'flight-delay',
    speed: 60,
    ...more,
  });
}

const at = (minute: number, more: Partial<FakeFlight> = {}): FakeFlight => ({
  departedMs: start + minute * minuteMs,
  ...more,
});

test('requests leave in the rhythm of the departures and carry their time and key', async () => {
  const server = new FakeServer();
  const clock = new FakeClock();
  const answers: (readonly [string, number[]])[] = [];
  const onAnswer = (group: FlightGroup, late: Float32Array) => answers.push([group.key, [...late]]);
  const replay = replayOf([at(0), at(0), at(30), at(90)], server, clock, { onAnswer });
  await replay.run(never);
  expect(clock.sleeps).toEqual([30_000, 60_000]);
  expect(
    server.requests.map(({ path, headers }) => [path, headers['x-holdfast-event-time'], headers['x-holdfast-key']]),
  ).toEqual([
    ['/v2/models/flight-delay/infer', String(start), '2001-02-01T00:00'],
    ['/v2/models/flight-delay/infer', String(start + 30 * minuteMs), '2001-02-01T00:30'],
    ['/v2/models/flight-delay/infer', String(start + 90 * minuteMs), '2001-02-01T01:30'],
  ]);
  expect(answers).toEqual([
    ['2001-02-01T00:00', [0.25, 0.25]],
    ['2001-02-01T00:30', [0.25]],
    ['2001-02-01T01:30', [0.25]],
  ]);
  expect(replay.progress).toEqual({
    eventMs: start + 90 * minuteMs,
    requests: 3,
    rows: 4,
    labels: 4,
    labelsWaiting: 0,
    retries: 0,
  });
  expect(replay.takeLatencies()).toHaveLength(3);
  expect(replay.takeLatencies()).toHaveLength(0);
});

test('labels are sent when the flight has landed, each for its own row', async () => {
  const server = new FakeServer();
  // 450 miles take 90 minutes: the first two have landed when the third leaves.
  const flights = [at(0, { late: 1 }), at(0, { distance: 225 }), at(200), at(300)];
  await replayOf(flights, server, new FakeClock()).run(never);
  const landed = (minute: number) => start + minute * minuteMs;
  expect(server.labels).toEqual([
    { prediction_id: 'p1/1', value: 0, event_time: landed(60) },
    { prediction_id: 'p1/0', value: 1, event_time: landed(90) },
    { prediction_id: 'p2', value: 0, event_time: landed(290) },
    { prediction_id: 'p3', value: 0, event_time: landed(390) },
  ]);
  const posted = server.posted.map(({ path }) => (path.endsWith('/infer') ? 'flights' : 'labels'));
  expect(posted).toEqual(['flights', 'flights', 'labels', 'flights', 'labels', 'labels']);
});

test('a busy server is asked again after the time it names', async () => {
  const server = new FakeServer();
  const clock = new FakeClock();
  server.refusals.push(answered(503, { 'retry-after': '2' }), answered(503));
  const replay = replayOf([at(0)], server, clock);
  await replay.run(never);
  expect(clock.sleeps).toEqual([2_000, 250]);
  expect(replay.progress).toMatchObject({ rows: 1, labels: 1, retries: 2 });
});

test('a request whose connection is lost is sent again', async () => {
  const server = new FakeServer();
  server.refusals.push(Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }));
  const replay = replayOf([at(0)], server, new FakeClock());
  await replay.run(never);
  expect(replay.progress).toMatchObject({ rows: 1, retries: 1 });
});

test('a refused request ends the replay with what the server says', async () => {
  const server = new FakeServer();
  server.refusals.push(answered(400, {}, Buffer.from('{"error":"unexpected shape"}')));
  await expect(replayOf([at(0)], server, new FakeClock()).run(never)).rejects.toThrow(
    'the server answered 400: {"error":"unexpected shape"}',
  );
});

test('no more requests are in flight than allowed when the server is slower than the clock', async () => {
  const server = new FakeServer();
  const flights = Array.from({ length: 40 }, (_, minute) => at(minute));
  await replayOf(flights, server, new FakeClock(), { speed: 1e9, maximumRows: 1, concurrency: 3 }).run(never);
  expect(server.requests).toHaveLength(40);
  expect(server.most).toBe(3);
});

test('when told to stop it sends no further flights and labels those that have landed', async () => {
  const server = new FakeServer();
  const stop = new AbortController();
  const clock = new FakeClock();
  const replay = replayOf([at(0), at(120), at(240)], server, clock, {
    onAnswer: group => {
      if (group.eventMs === start + 120 * minuteMs) stop.abort();
    },
  });
  await replay.run(stop.signal);
  expect(replay.progress).toMatchObject({ rows: 2, labels: 1, labelsWaiting: 1 });
});

test('over real connections a request arrives whole and its answer is read to the end', async () => {
  const received: Buffer[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', part => parts.push(part));
    request.on('end', () => {
      received.push(Buffer.concat(parts));
      response.writeHead(200, { 'X-Holdfast-Prediction-Id': 'p1' });
      response.write('a'.repeat(70_000));
      response.end('b');
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  try {
    using transport = httpTransport(`http://127.0.0.1:${address.port}`, 2);
    const body = Buffer.alloc(100_000, 7);
    const answer = await transport.post('/v2/models/m/infer', { 'x-holdfast-key': 'k' }, body);
    expect(answer.status).toBe(200);
    expect(answer.header('x-holdfast-prediction-id')).toBe('p1');
    expect(answer.body.length).toBe(70_001);
    expect(received).toEqual([body]);
  } finally {
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  }
  using nobody = httpTransport(`http://127.0.0.1:${address.port}`, 1);
  await expect(nobody.post('/', {}, Buffer.alloc(0))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
