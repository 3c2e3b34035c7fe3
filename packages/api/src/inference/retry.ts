import { InferenceError } from './inference-error.ts';

/** Time and chance, so that tests own both. */
export interface RetryClock {
  /** Wall clock, ms since the epoch. */
  nowMs(): number;
  /** Settles after `ms`; rejects with the signal's reason when it aborts before. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** Uniform in [0, 1). */
  random(): number;
}

export const systemRetryClock: RetryClock = {
  nowMs: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        signal.removeEventListener('abort', stop);
        resolve();
      }, ms);
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    }),
  random: Math.random,
};

export interface RetryOptions {
  /** Tries of one call, the first one included. @default 4 */
  readonly attempts?: number;
  /** Longest wait before the first retry; it doubles with each further one. @default 100 */
  readonly baseMs?: number;
  /** No wait is longer, unless the server asks for it. @default 5000 */
  readonly maximumMs?: number;
  /** Retries per call that succeeds, over time, so that an outage is not answered with a flood. @default 0.1 */
  readonly budgetRatio?: number;
  /** Retries that may be saved up; also what there is at the start. @default 10 */
  readonly budgetMaximum?: number;
}

/** A token bucket that all calls of a client share: successes pay in, retries and hedges take out. */
export class RetryBudget {
  readonly #ratio: number;
  readonly #maximum: number;
  #tokens: number;

  constructor({ budgetRatio = 0.1, budgetMaximum = 10 }: RetryOptions = {}) {
    this.#ratio = budgetRatio;
    this.#maximum = budgetMaximum;
    this.#tokens = budgetMaximum;
  }

  succeeded(): void {
    this.#tokens = Math.min(this.#maximum, this.#tokens + this.#ratio);
  }

  /** Takes one retry; false when none is left. */
  take(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** Network failures before any byte of a request was sent, by the codes that Node has for them. */
const neverSent: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'UND_ERR_CONNECT_TIMEOUT', 'EAI_AGAIN']);

function wasNeverSent({ cause }: Error): boolean {
  return typeof cause === 'object' && cause !== null && 'code' in cause && neverSent.has(cause.code);
}

/**
 * Whether trying again cannot do anything twice: the server said that it did not take the request (503, 429), or there
 * was nobody to take it. Browsers do not tell a refused connection from a lost one, so there it counts as lost.
 */
export function isSafeToRetry(error: InferenceError): boolean {
  if (error.code === 'overloaded') return true;
  if (error.code === 'unavailable') return error.status === 503;
  return error.code === 'connection' && error.cause instanceof Error && wasNeverSent(error.cause);
}

/** Wait before retry number `retry` (0 is the first): full jitter under an exponential bound, after what the server asks. */
export function backoffMs(
  retry: number,
  retryAfterMs: number | undefined,
  random: number,
  { baseMs = 100, maximumMs = 5000 }: RetryOptions = {},
): number {
  return (retryAfterMs ?? 0) + random * Math.min(maximumMs, baseMs * 2 ** retry);
}

/**
 * Calls `attempt` until it succeeds, fails for good, or has no time or budget left.
 * @param deadlineMs wall clock; no wait reaches beyond it
 * @throws InferenceError the last one
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  options: RetryOptions,
  context: {
    readonly budget: RetryBudget;
    readonly clock: RetryClock;
    readonly deadlineMs: number;
    readonly signal: AbortSignal;
  },
): Promise<T> {
  const { budget, clock, deadlineMs, signal } = context;
  const { attempts = 4 } = options;
  for (let retry = 0; ; retry++) {
    try {
      const answer = await attempt();
      budget.succeeded();
      return answer;
    } catch (error) {
      if (!(error instanceof InferenceError) || !isSafeToRetry(error) || retry + 1 >= attempts) throw error;
      const waitMs = backoffMs(retry, error.retryAfterMs, clock.random(), options);
      if (clock.nowMs() + waitMs >= deadlineMs || !budget.take()) throw error;
      await clock.sleep(waitMs, signal);
    }
  }
}
