import type { RetryBudget, RetryClock } from './retry.ts';

/**
 * Runs `attempt`; when it has not settled after `afterMs`, a second one joins and the first success wins, the other is
 * aborted. The second costs one token of the budget, and is left out when there is none.
 * @throws what the first failed with, when both fail
 */
export async function hedged<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  afterMs: number,
  { budget, clock, signal }: { readonly budget: RetryBudget; readonly clock: RetryClock; readonly signal: AbortSignal },
): Promise<T> {
  const over = new AbortController();
  const both = AbortSignal.any([signal, over.signal]);
  const first = attempt(both);
  const timer = new AbortController();
  const second = clock.sleep(afterMs, AbortSignal.any([both, timer.signal])).then(() => {
    if (!budget.take()) return first;
    return attempt(both);
  });
  // A first try that fails early is an answer: there is nothing slow to hedge against.
  first.catch(() => timer.abort());
  try {
    return await Promise.any([first, second]);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  } finally {
    over.abort();
  }
}
