import { fault, type Tensor } from '@holdfast/api';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Runner } from '../../runtime/index.ts';
import { FakeRunner } from '../fake-runner.ts';
import { badRequest, Refusal } from '../refusal.ts';
import { Batcher } from './batcher.ts';
import type { RunRequest, Ticket } from './run-request.ts';

const clock = { nowMs: 0, monotonicMs: (): number => clock.nowMs };

beforeEach(() => {
  clock.nowMs = 0;
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
});
afterEach(() => vi.useRealTimers());

function column(values: readonly number[]): Tensor {
  return { name: 'x', datatype: 'FP32', shape: [values.length, 1], data: Float32Array.from(values) };
}

function request(values: readonly number[], options: Partial<RunRequest> = {}): RunRequest {
  return {
    inputs: [column(values)],
    rows: values.length,
    batchKey: '',
    deadlineMs: 10_000,
    expired: () => new Refusal('deadline_exceeded', 'too late'),
    ...options,
  };
}

/** Doubles every value; a negative one makes it throw. */
function doubling(inputs: readonly Tensor[]): readonly Tensor[] {
  const values = Array.from(inputs[0]!.data, Number);
  if (values.some(value => value < 0)) throw fault('inference_failed', 'negative');
  return [{ ...column(values.map(value => 2 * value)), name: 'y' }];
}

function setUp(
  options: {
    maximumRows?: number;
    maximumDelayMs?: number;
    queueRows?: number;
    isBatchable?: boolean;
    runners?: number;
  } = {},
) {
  const runners = Array.from({ length: options.runners ?? 1 }, () => new FakeRunner(doubling));
  const free: Runner[] = [...runners];
  const gone = new Set<Runner>();
  const executed: (readonly [rows: number, requests: number])[] = [];
  const batcher = new Batcher({
    batching: {
      maximumRows: options.maximumRows ?? 64,
      maximumDelayMs: options.maximumDelayMs ?? 0,
      ...(options.queueRows === undefined ? {} : { queueRows: options.queueRows }),
    },
    isBatchable: options.isBatchable ?? true,
    runners: {
      take: () => free.shift(),
      has: () => true,
      giveBack: runner => void (gone.has(runner) || free.push(runner)),
    },
    clock,
    observer: {
      executed: (rows, requests) => void executed.push([rows, requests]),
      occupied: () => {},
      limited: () => {},
      unsplittable: () => {},
    },
  });
  return { batcher, runner: runners[0]!, runners, free, gone, executed };
}

async function values(ticket: { result: Promise<{ outputs: readonly Tensor[] }> }): Promise<number[]> {
  return Array.from((await ticket.result).outputs[0]!.data, Number);
}

test('an idle runner takes a request at once; what gathers meanwhile goes as one run, each answer to its request', async () => {
  const { batcher, runner, executed } = setUp();
  runner.hold();
  const first = batcher.submit(request([1]));
  const others = [batcher.submit(request([2, 3])), batcher.submit(request([4])), batcher.submit(request([5, 6]))];
  expect(batcher.pending).toBe(3);
  runner.release();
  expect(await values(first)).toEqual([2]);
  expect(await Promise.all(others.map(values))).toEqual([[4, 6], [8], [10, 12]]);
  expect(executed).toEqual([
    [1, 1],
    [5, 3],
  ]);
  expect(batcher.pending).toBe(0);
});

test('after a shared run requests of one turn of the loop run together although the runner is idle', async () => {
  const { batcher, runner, executed } = setUp();
  runner.hold();
  const opening = [1, 2, 3].map(value => batcher.submit(request([value])));
  runner.release();
  await Promise.all(opening.map(values));
  const turn = [4, 5, 6].map(value => batcher.submit(request([value])));
  vi.runAllTicks();
  await vi.advanceTimersByTimeAsync(0);
  expect(await Promise.all(turn.map(values))).toEqual([[8], [10], [12]]);
  expect(executed.at(-1)).toEqual([3, 3]);
});

test('a run takes no more than the maximum rows, in order of arrival', async () => {
  const { batcher, runner, executed } = setUp({ maximumRows: 4 });
  runner.hold();
  const tickets = [[0], [1, 2], [3], [4, 5], [6]].map(rows => batcher.submit(request(rows)));
  runner.release();
  await Promise.all(tickets.map(values));
  expect(executed).toEqual([
    [1, 1],
    [3, 2],
    [3, 2],
  ]);
});

test('a request larger than the maximum runs alone, also when the queue is smaller than it', async () => {
  const { batcher, runner, executed } = setUp({ maximumRows: 2, queueRows: 2 });
  runner.hold();
  const first = batcher.submit(request([0]));
  const large = batcher.submit(request([1, 2, 3, 4, 5]));
  runner.release();
  await values(first);
  expect(await values(large)).toEqual([2, 4, 6, 8, 10]);
  expect(executed[1]).toEqual([5, 1]);
});

test('requests of different shapes never share a run; the oldest goes first', async () => {
  const { batcher, runner } = setUp();
  runner.hold();
  const tickets: Ticket[] = [batcher.submit(request([0]))];
  for (const [index, batchKey] of ['a', 'b', 'a', 'b'].entries()) {
    clock.nowMs = index;
    tickets.push(batcher.submit(request([index + 1], { batchKey })));
  }
  runner.release();
  await Promise.all(tickets.map(values));
  expect(runner.batches.map(([input]) => Array.from(input!.data, Number))).toEqual([[0], [1, 3], [2, 4]]);
});

test('a model without a batch dimension runs one request at a time', async () => {
  const { batcher, executed } = setUp({ isBatchable: false });
  await Promise.all([1, 2, 3].map(value => values(batcher.submit(request([value])))));
  expect(executed).toEqual([
    [1, 1],
    [1, 1],
    [1, 1],
  ]);
});

test('when a shared run fails each request is tried alone, so only the bad one is refused', async () => {
  const { batcher, runner } = setUp();
  runner.hold();
  const tickets = [[1], [2], [-3], [4]].map(rows => batcher.submit(request(rows)));
  runner.release();
  const outcomes = await Promise.allSettled(tickets.map(values));
  expect(outcomes.map(outcome => (outcome.status === 'fulfilled' ? outcome.value : outcome.reason.code))).toEqual([
    [2],
    [4],
    'inference_failed',
    [8],
  ]);
});

test('when a batch cannot be sent at all its requests are tried alone too', async () => {
  const { batcher, runner } = setUp();
  runner.hold();
  const tickets = [[1], [2], [3]].map(rows => batcher.submit(request(rows)));
  const send = runner.run.bind(runner);
  vi.spyOn(runner, 'run').mockImplementation(async inputs => {
    if (inputs[0]!.shape[0]! > 1) throw fault('bad_request', 'the frame is too large');
    return send(inputs);
  });
  runner.release();
  expect(await Promise.all(tickets.map(values))).toEqual([[2], [4], [6]]);
});

test('a lost runner fails only what it was running; the rest waits for another', async () => {
  const { batcher, runner, free, gone } = setUp();
  runner.hold();
  const running = batcher.submit(request([1]));
  const waiting = batcher.submit(request([2]));
  gone.add(runner);
  runner.lose();
  await expect(running.result).rejects.toMatchObject({ code: 'runner_lost' });
  expect(batcher.pending).toBe(1);
  free.push(new FakeRunner(doubling));
  batcher.wake();
  expect(await values(waiting)).toEqual([4]);
});

test('a runner lost while neighbours of a bad request are retried fails one and keeps the others', async () => {
  const { batcher, runner, free, gone } = setUp();
  let runs = 0;
  vi.spyOn(runner, 'run').mockImplementation(async inputs => {
    runs++;
    if (runs === 1) return { outputs: doubling(inputs), inferUs: 0 };
    if (runs === 3) gone.add(runner);
    throw runs === 2 ? fault('inference_failed', 'together') : fault('runner_lost', 'fake');
  });
  const tickets = [[0], [1], [2], [3]].map(rows => batcher.submit(request(rows)));
  await expect(tickets[1]!.result).rejects.toMatchObject({ code: 'runner_lost' });
  free.push(new FakeRunner(doubling));
  batcher.wake();
  expect(await Promise.all(tickets.slice(2).map(values))).toEqual([[4], [6]]);
});

test('rows go to whichever runner is free', async () => {
  const { batcher, runners } = setUp({ runners: 2 });
  runners[0]!.hold();
  const slow = batcher.submit(request([1]));
  expect(await values(batcher.submit(request([2])))).toEqual([4]);
  expect(runners.map(runner => runner.batches.length)).toEqual([1, 1]);
  runners[0]!.release();
  expect(await values(slow)).toEqual([2]);
});

test('a full queue refuses; two batches are the default', async () => {
  const { batcher, runner } = setUp({ maximumRows: 100 });
  runner.hold();
  const tickets = [batcher.submit(request([0]))];
  for (let i = 0; i < 200; i++) tickets.push(batcher.submit(request([i])));
  expect(() => batcher.submit(request([1]))).toThrow(expect.objectContaining({ code: 'overloaded' }));
  runner.release();
  await Promise.all(tickets.map(values));
});

test('a request past its deadline fails in time, in the queue and in a run, and is not run later', async () => {
  const { batcher, runner } = setUp();
  runner.hold();
  const running = batcher.submit(request([1], { deadlineMs: 50 }));
  const queued = batcher.submit(request([2], { deadlineMs: 20 }));
  const patient = batcher.submit(request([3]));
  const outcomes = Promise.allSettled([running.result, queued.result]);
  clock.nowMs = 50;
  await vi.advanceTimersByTimeAsync(50);
  expect((await outcomes).map(outcome => outcome.status === 'rejected' && outcome.reason.message)).toEqual([
    'too late',
    'too late',
  ]);
  runner.release();
  expect(await values(patient)).toEqual([6]);
  expect(runner.batches.map(([input]) => Array.from(input!.data, Number))).toEqual([[1], [3]]);
});

test('a cancelled request leaves the queue and frees its place', async () => {
  const { batcher, runner } = setUp({ queueRows: 1 });
  runner.hold();
  const first = batcher.submit(request([1]));
  const gone = batcher.submit(request([2]));
  const refused = expect(gone.result).rejects.toThrow('closed');
  gone.cancel(new Error('the client closed the connection'));
  await refused;
  const next = batcher.submit(request([3]));
  runner.release();
  expect(await values(first)).toEqual([2]);
  expect(await values(next)).toEqual([6]);
  expect(runner.batches).toHaveLength(2);
});

test('with a maximum delay a lone request waits for company, but no longer', async () => {
  const { batcher, executed } = setUp({ maximumDelayMs: 5, maximumRows: 3 });
  const first = batcher.submit(request([1]));
  clock.nowMs = 2;
  const second = batcher.submit(request([2]));
  expect(executed).toEqual([]);
  clock.nowMs = 5;
  await vi.advanceTimersByTimeAsync(5);
  expect(await Promise.all([first, second].map(values))).toEqual([[2], [4]]);
  const full = [4, 5, 6].map(value => batcher.submit(request([value])));
  await vi.advanceTimersByTimeAsync(0);
  await Promise.all(full.map(values));
  expect(executed).toEqual([
    [2, 2],
    [3, 3],
  ]);
});

test('outputs that do not have the rows of the batch are never handed out: requests run one at a time', async () => {
  const { batcher, runner, executed } = setUp();
  vi.spyOn(runner, 'run').mockImplementation(async inputs => {
    const sum = Array.from(inputs[0]!.data, Number).reduce((a, b) => a + b, 0);
    return { outputs: [{ ...column([sum]), name: 'sum' }], inferUs: 0 };
  });
  const tickets = [[1], [2], [3]].map(rows => batcher.submit(request(rows)));
  expect(await Promise.all(tickets.map(values))).toEqual([[1], [2], [3]]);
  const later = [[4], [5]].map(rows => batcher.submit(request(rows)));
  await vi.advanceTimersByTimeAsync(0);
  expect(await Promise.all(later.map(values))).toEqual([[4], [5]]);
  expect(executed.slice(-2)).toEqual([
    [1, 1],
    [1, 1],
  ]);
});

test('closing fails what waits', async () => {
  const { batcher, runner } = setUp();
  runner.hold();
  const first = batcher.submit(request([1]));
  const waiting = batcher.submit(request([2]));
  const refused = expect(waiting.result).rejects.toThrow('closing');
  batcher.close(() => badRequest('closing'));
  await refused;
  runner.release();
  await values(first);
});
