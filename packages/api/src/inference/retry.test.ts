import { expect, test } from 'vitest';
import { InferenceError, retryAfterMsOf } from './inference-error.ts';
import { backoffMs, isSafeToRetry, RetryBudget, type RetryClock, withRetries } from './retry.ts';

/** A clock whose sleeps pass at once and are remembered. */
class FakeClock implements RetryClock {
  now = 0;
  readonly slept: number[] = [];

  nowMs(): number {
    return this.now;
  }

  async sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.now += ms;
  }

  random(): number {
    return 0.5;
  }
}

const unavailable = (retryAfterMs?: number) =>
  new InferenceError('unavailable', 'The queue is full.', { status: 503, retryAfterMs });

/** Fails with these errors, one per try, then answers. */
function flaky(...errors: readonly InferenceError[]): { tries: number; attempt: () => Promise<string> } {
  const state = {
    tries: 0,
    attempt: async () => {
      const error = errors[state.tries++];
      if (error !== undefined) throw error;
      return 'answer';
    },
  };
  return state;
}

function context(clock: FakeClock, deadlineMs = 60_000, budget = new RetryBudget()) {
  return { budget, clock, deadlineMs, signal: new AbortController().signal };
}

test('waits double, carry jitter, and come after what the server asks for', () => {
  expect([0, 1, 2, 9].map(retry => backoffMs(retry, undefined, 1))).toEqual([100, 200, 400, 5000]);
  expect(backoffMs(0, 2000, 0.25)).toBe(2025);
});

test('a 503 is tried again until it succeeds', async () => {
  const clock = new FakeClock();
  const { attempt } = flaky(unavailable(), unavailable(1000));
  expect(await withRetries(attempt, {}, context(clock))).toBe('answer');
  expect(clock.slept).toEqual([50, 1100]);
});

test.each([
  [unavailable(), true],
  [new InferenceError('overloaded', '', { status: 429 }), true],
  [new InferenceError('unavailable', '', { status: 502 }), false],
  [new InferenceError('server_error', '', { status: 500 }), false],
  [new InferenceError('deadline_exceeded', '', { status: 504 }), false],
  [new InferenceError('connection', '', { cause: Object.assign(new Error(), { code: 'ECONNRESET' }) }), false],
  [
    new InferenceError('connection', '', {
      cause: Object.assign(new Error(), { cause: Object.assign(new Error(), { code: 'ECONNREFUSED' }) }),
    }),
    true,
  ],
])('%o may be tried again: %s', (error, isSafe) => {
  expect(isSafeToRetry(error)).toBe(isSafe);
});

test('the last error is told when the tries are used up', async () => {
  const clock = new FakeClock();
  const last = unavailable();
  const state = flaky(unavailable(), last, unavailable());
  await expect(withRetries(state.attempt, { attempts: 2 }, context(clock))).rejects.toBe(last);
  expect(state.tries).toBe(2);
});

test('no wait reaches beyond the deadline', async () => {
  const clock = new FakeClock();
  const state = flaky(unavailable(5000));
  await expect(withRetries(state.attempt, {}, context(clock, 4000))).rejects.toThrow('The queue is full.');
  expect(clock.slept).toEqual([]);
});

test('an outage is answered with at most the budget of retries, which successes fill again', async () => {
  const clock = new FakeClock();
  const budget = new RetryBudget({ budgetMaximum: 3, budgetRatio: 0.5 });
  let tries = 0;
  const down = async () => {
    tries++;
    throw unavailable();
  };
  for (let call = 0; call < 20; call++) {
    await withRetries(down, {}, context(clock, Number.POSITIVE_INFINITY, budget)).catch(() => {});
  }
  expect(tries).toBe(23);
  for (let call = 0; call < 2; call++) await withRetries(flaky().attempt, {}, context(clock, 60_000, budget));
  expect([budget.take(), budget.take()]).toEqual([true, false]);
});

test.each([
  ['3', 3000],
  ['Thu, 01 Jan 1970 00:00:10 GMT', 9000],
  ['soon', undefined],
  [null, undefined],
])('Retry-After %s means a delay of %s ms', (header, ms) => {
  expect(retryAfterMsOf(header, 1000)).toBe(ms);
});
