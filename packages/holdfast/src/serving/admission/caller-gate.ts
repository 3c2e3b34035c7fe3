import { faults } from '@holdfast/api';
import type { CallersConfig } from '../../config/index.ts';
import type { Cell, MetricRegistry } from '../../telemetry/index.ts';
import type { ServingClock } from '../clock.ts';
import { Refusal } from '../refusal.ts';
import type { RequestFacts } from '../traffic/request-facts.ts';

/** A caller inside the gateway; given back when its request has its answer. */
export interface AdmittedCaller {
  readonly key: string;
  readonly weight: number;
}

interface Allowance {
  readonly perSecond: number;
  readonly burst: number;
  readonly concurrent: number;
  readonly weight: number;
  readonly admitted: Cell;
  readonly limited: Cell;
}

interface Bucket {
  readonly key: string;
  readonly weight: number;
  readonly allowance: Allowance;
  tokens: number;
  filledMs: number;
  inside: number;
}

export interface CallerGateOptions {
  readonly callers: CallersConfig;
  readonly clock: Pick<ServingClock, 'monotonicMs'>;
  readonly registry: MetricRegistry;
  /** Uniform in [0, 1), so that those who were refused together do not come back together. @default Math.random */
  readonly random?: () => number;
}

/** Callers remembered; beyond them the one that was away longest starts anew. */
const rememberedCallers = 10_000;

/** Holds every caller to its allowance, before anything else of its request is looked at: a token bucket each. */
export class CallerGate {
  readonly #header: string;
  readonly #sharesUnknown: boolean;
  readonly #clock: Pick<ServingClock, 'monotonicMs'>;
  readonly #random: () => number;
  readonly #known = new Map<string, Allowance>();
  readonly #others: Allowance;
  readonly #anonymous: Allowance;
  /** The one that was away longest first. */
  readonly #buckets = new Map<string, Bucket>();

  constructor({ callers, clock, registry, random = Math.random }: CallerGateOptions) {
    this.#header = callers.header;
    this.#sharesUnknown = callers.shareUnknown;
    this.#clock = clock;
    this.#random = random;
    const requests = registry.counter(
      'holdfast_caller_requests_total',
      'Prediction requests by caller, and whether they were within its allowance',
    );
    type Terms = Pick<CallersConfig, 'requestsPerSecond' | 'burst' | 'concurrent' | 'weight'>;
    const allowance = (caller: string, { requestsPerSecond, burst, concurrent, weight }: Terms): Allowance => ({
      perSecond: requestsPerSecond ?? Number.POSITIVE_INFINITY,
      burst: burst ?? Math.max(1, requestsPerSecond ?? 1),
      concurrent: concurrent ?? Number.POSITIVE_INFINITY,
      weight: weight ?? 1,
      admitted: requests.labels({ caller, outcome: 'admitted' }),
      limited: requests.labels({ caller, outcome: 'limited' }),
    });
    this.#others = allowance('other', callers);
    this.#anonymous = allowance('none', callers);
    for (const { name, key, ...terms } of callers.known)
      this.#known.set(key, allowance(name, { ...callers, ...terms }));
  }

  /** @throws Refusal `rate_limited` */
  enter(facts: RequestFacts): AdmittedCaller {
    const bucket = this.#bucketOf(facts.header(this.#header) ?? '');
    const { allowance } = bucket;
    if (bucket.inside >= allowance.concurrent) throw this.#refusal(allowance, 1);
    if (allowance.perSecond !== Number.POSITIVE_INFINITY) {
      const nowMs = this.#clock.monotonicMs();
      const filled = bucket.tokens + ((nowMs - bucket.filledMs) / 1000) * allowance.perSecond;
      bucket.tokens = Math.min(allowance.burst, filled);
      bucket.filledMs = nowMs;
      if (bucket.tokens < 1) throw this.#refusal(allowance, (1 - bucket.tokens) / allowance.perSecond);
      bucket.tokens--;
    }
    bucket.inside++;
    allowance.admitted.add();
    return bucket;
  }

  leave({ key }: AdmittedCaller): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined && bucket.inside > 0) bucket.inside--;
  }

  #refusal(allowance: Allowance, waitSeconds: number): Refusal {
    allowance.limited.add();
    const retryAfterSeconds = Math.max(1, Math.ceil(waitSeconds * (1 + 0.5 * this.#random())));
    return new Refusal('rate_limited', faults.rate_limited.say(retryAfterSeconds), { retryAfterSeconds });
  }

  #bucketOf(value: string): Bucket {
    const known = this.#known.get(value);
    const key = known === undefined && this.#sharesUnknown ? '' : value;
    const found = this.#buckets.get(key);
    if (found !== undefined) {
      this.#buckets.delete(key);
      this.#buckets.set(key, found);
      return found;
    }
    const allowance = known ?? (key === '' && !this.#sharesUnknown ? this.#anonymous : this.#others);
    const { weight, burst } = allowance;
    const bucket = { key, weight, allowance, tokens: burst, filledMs: this.#clock.monotonicMs(), inside: 0 };
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > rememberedCallers) {
      for (const [oldest, { inside }] of this.#buckets) {
        if (inside > 0) continue;
        this.#buckets.delete(oldest);
        break;
      }
    }
    return bucket;
  }
}
