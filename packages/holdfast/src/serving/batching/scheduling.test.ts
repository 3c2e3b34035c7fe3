import type { Tensor } from '@holdfast/api';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type BatchingConfig, parseConfig } from '../../config/index.ts';
import type { Runner } from '../../runtime/index.ts';
import { FakeRunner } from '../fake-runner.ts';
import { Refusal } from '../refusal.ts';
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

/** One runner, held until it is released; its batches are the order in which requests were served. */
function setUp(batching: Partial<BatchingConfig> = {}) {
  const runner = new FakeRunner(inputs => [{ ...inputs[0]!, name: 'y' }]);
  const free: Runner[] = [runner];
  const limits: (number | undefined)[] = [];
  const batcher = new Batcher({
    batching: { maximumRows: 1, maximumDelayMs: 0, ...batching },
    isBatchable: true,
    runners: { take: () => free.shift(), has: () => true, giveBack: given => void free.push(given) },
    clock,
    observer: {
      executed: () => {},
      occupied: () => {},
      limited: rows => void limits.push(rows),
      unsplittable: () => {},
    },
  });
  const submit = (value: number, options: Partial<RunRequest> = {}): Ticket => {
    const ticket = batcher.submit({
      inputs: [column([value])],
      rows: 1,
      batchKey: '',
      deadlineMs: 1e9,
      expired: () => new Refusal('deadline_exceeded', 'too late'),
      ...options,
    });
    // Outcomes are read later; a refusal until then is no unhandled rejection.
    ticket.result.catch(() => {});
    return ticket;
  };
  const served = (): number[][] => runner.batches.map(([input]) => Array.from(input!.data, Number));
  const outcomes = async (tickets: readonly Ticket[]): Promise<string[]> =>
    (await Promise.allSettled(tickets.map(({ result }) => result))).map(one =>
      one.status === 'fulfilled' ? 'answered' : String(one.reason.code),
    );
  return { batcher, runner, submit, served, outcomes, limits };
}

test('urgent requests go first; those of equal priority keep their order', async () => {
  const it = setUp({ priorityLevels: 3, defaultPriority: 2 });
  it.runner.hold();
  const tickets = [it.submit(0)];
  for (const [value, priority] of [
    [31, 3],
    [21, undefined],
    [11, 1],
    [22, 2],
    [32, 3],
    [12, 1],
    [23, 9],
  ] as const) {
    tickets.push(it.submit(value, { priority }));
  }
  it.runner.release();
  await it.outcomes(tickets);
  expect(it.served().flat()).toEqual([0, 11, 12, 21, 22, 23, 31, 32]);
});

test('a request that waited for promoteAfterMs goes before more urgent ones, so none starves', async () => {
  const it = setUp({ priorityLevels: 2, promoteAfterMs: 50 });
  it.runner.hold();
  const tickets = [it.submit(0), it.submit(20, { priority: 2 })];
  clock.nowMs = 60;
  tickets.push(it.submit(10, { priority: 1 }), it.submit(21, { priority: 2 }));
  it.runner.release();
  await it.outcomes(tickets);
  expect(it.served().flat()).toEqual([0, 20, 10, 21]);
});

test('a batch of an urgent request is filled with less urgent ones', async () => {
  const it = setUp({ maximumRows: 3, priorityLevels: 2 });
  it.runner.hold();
  const tickets = [it.submit(0), it.submit(20, { priority: 2 }), it.submit(21, { priority: 2 })];
  tickets.push(it.submit(10, { priority: 1 }));
  it.runner.release();
  await it.outcomes(tickets);
  expect(it.served()).toEqual([[0], [10, 20, 21]]);
});

test('past its time in the queue a request is refused, or delayed behind the punctual ones, as its policy says', async () => {
  const it = setUp({
    priorityLevels: 2,
    queuePolicies: { '1': { timeoutMs: 10 }, '2': { timeoutMs: 10, onTimeout: 'delay' } },
  });
  it.runner.hold();
  const running = it.submit(0);
  const [rejected, delayed] = [it.submit(10, { priority: 1 }), it.submit(20, { priority: 2 })];
  clock.nowMs = 10;
  await vi.advanceTimersByTimeAsync(10);
  const punctual = it.submit(21, { priority: 2 });
  it.runner.release();
  expect(await it.outcomes([running, rejected, delayed, punctual])).toEqual([
    'answered',
    'queue_timeout',
    'answered',
    'answered',
  ]);
  expect(it.served().flat()).toEqual([0, 21, 20]);
});

test.each([
  { policyMs: 20, askedMs: 5, isOverridable: true, refusedAtMs: 5 },
  { policyMs: 20, askedMs: 30, isOverridable: true, refusedAtMs: 20 },
  { policyMs: 20, askedMs: 5, isOverridable: false, refusedAtMs: 20 },
  { policyMs: 0, askedMs: 5, isOverridable: true, refusedAtMs: 5 },
])('a time-out of $askedMs ms against a default of $policyMs ms ends the wait after $refusedAtMs ms', async one => {
  const queuePolicy = { timeoutMs: one.policyMs, allowTimeoutOverride: one.isOverridable };
  const it = setUp({ queuePolicy });
  it.runner.hold();
  const running = it.submit(0);
  it.submit(1, { queueTimeoutMs: one.askedMs });
  clock.nowMs = one.refusedAtMs - 1;
  await vi.advanceTimersByTimeAsync(one.refusedAtMs - 1);
  expect(it.batcher.pending).toBe(1);
  clock.nowMs = one.refusedAtMs;
  await vi.advanceTimersByTimeAsync(1);
  expect(it.batcher.pending).toBe(0);
  it.runner.release();
  await running.result;
});

test('the requests of a priority are bounded by its policy', () => {
  const it = setUp({ priorityLevels: 2, queuePolicies: { '2': { maximumRequests: 1 } } });
  it.runner.hold();
  it.submit(0);
  it.submit(20, { priority: 2 });
  expect(() => it.submit(21, { priority: 2 })).toThrow(expect.objectContaining({ code: 'overloaded' }));
  expect(() => it.submit(10, { priority: 1 })).not.toThrow();
});

test('at a full queue an urgent request takes the place of the last and least urgent', async () => {
  const it = setUp({ priorityLevels: 2, queueRows: 2 });
  it.runner.hold();
  const tickets = [it.submit(0), it.submit(20, { priority: 2 }), it.submit(21, { priority: 2 })];
  expect(() => it.submit(22, { priority: 2 })).toThrow(expect.objectContaining({ code: 'overloaded' }));
  tickets.push(it.submit(10, { priority: 1 }));
  it.runner.release();
  expect(await it.outcomes(tickets)).toEqual(['answered', 'answered', 'overloaded', 'answered']);
  expect(it.served().flat()).toEqual([0, 10, 20]);
});

test('callers take turns however many requests one of them sends, by their weights', async () => {
  const it = setUp({ queueRows: 100 });
  it.runner.hold();
  const tickets = [it.submit(0, { caller: { key: 'flood', weight: 1 } })];
  for (let i = 0; i < 6; i++) tickets.push(it.submit(100 + i, { caller: { key: 'flood', weight: 1 } }));
  for (let i = 0; i < 4; i++) tickets.push(it.submit(200 + i, { caller: { key: 'heavy', weight: 2 } }));
  it.runner.release();
  await it.outcomes(tickets);
  const firstSix = it.served().flat().slice(1, 7);
  expect(firstSix.filter(value => value >= 200)).toHaveLength(4);
  expect(firstSix.filter(value => value < 200)).toEqual([100, 101]);
});

test('at a full queue a quiet caller takes a place of the one that holds the most', async () => {
  const it = setUp({ queueRows: 4 });
  it.runner.hold();
  const flood = { key: 'flood', weight: 1 };
  const tickets = [0, 1, 2, 3, 4].map(value => it.submit(value, { caller: flood }));
  expect(() => it.submit(5, { caller: flood })).toThrow(expect.objectContaining({ code: 'overloaded' }));
  tickets.push(it.submit(9, { caller: { key: 'quiet', weight: 1 } }));
  it.runner.release();
  expect((await it.outcomes(tickets)).filter(outcome => outcome === 'overloaded')).toHaveLength(1);
  expect(it.served().flat()).toContain(9);
});

test('within the maximum delay a batch waits for a preferred size, then goes as it is', async () => {
  const it = setUp({ maximumRows: 8, preferredRows: [2, 4], maximumDelayMs: 5 });
  const tickets = [it.submit(1)];
  expect(it.served()).toEqual([]);
  tickets.push(it.submit(2));
  expect(it.served()).toEqual([[1, 2]]);
  await it.outcomes(tickets);
  const late = it.submit(3);
  clock.nowMs = 5;
  await vi.advanceTimersByTimeAsync(5);
  await late.result;
  expect(it.served()).toEqual([[1, 2], [3]]);
});

test('with allowed sizes the model never sees another, and the padding is cut off the answers', async () => {
  const it = setUp({ maximumRows: 4, allowedRows: [1, 4] });
  it.runner.hold();
  const tickets = [1, 2, 3, 4].map(value => it.submit(value));
  it.runner.release();
  const answers = await Promise.all(
    tickets.map(async ({ result }) => Array.from((await result).outputs[0]!.data, Number)),
  );
  expect(it.served()).toEqual([[1], [2, 3, 4, 4]]);
  expect(answers).toEqual([[1], [2], [3], [4]]);
});

test('a request whose deadline would pass in the queue is refused at once', async () => {
  const it = setUp();
  it.runner.hold();
  const first = it.submit(0);
  clock.nowMs = 100;
  it.runner.release();
  await first.result;
  await vi.advanceTimersByTimeAsync(0);
  it.runner.hold();
  it.submit(1);
  it.submit(2);
  expect(() => it.submit(3, { deadlineMs: 250 })).toThrow(expect.objectContaining({ code: 'overloaded' }));
  expect(() => it.submit(3, { deadlineMs: 350 })).not.toThrow();
});

test('mode auto starts small and tells what it learned', () => {
  const it = setUp({ mode: 'auto', targetP99Ms: 10, maximumRows: 64 });
  expect(it.limits).toEqual([1]);
  it.batcher.batching = { maximumRows: 64, maximumDelayMs: 0 };
  expect(it.limits).toEqual([1, undefined]);
});

test('a schedule that contradicts itself is refused with the key at fault', () => {
  const refusal = (batching: object): string => {
    try {
      parseConfig({ models: { m: { batching } } }, 'holdfast.yaml');
      return 'accepted';
    } catch (error) {
      return String(error);
    }
  };
  expect(refusal({ mode: 'auto' })).toContain('targetP99Ms');
  expect(refusal({ maximumRows: 8, allowedRows: [2, 4] })).toContain('allowedRows');
  expect(refusal({ defaultPriority: 2 })).toContain('defaultPriority');
  expect(refusal({ priorityLevels: 2, queuePolicies: { '3': {} } })).toContain('queuePolicies');
  expect(refusal({ priorityLevels: 2, queuePolicies: { '2': { onTimeout: 'delay' } } })).toBe('accepted');
});
