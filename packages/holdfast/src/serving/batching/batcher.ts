import { fault, isFault, type Tensor } from '@holdfast/api';
import type { BatchingConfig } from '../../config/index.ts';
import type { Runner } from '../../runtime/index.ts';
import type { ServingClock } from '../clock.ts';
import type { Refusal } from '../refusal.ts';
import { Deadlines, type Expiring } from './deadlines.ts';
import { haveRows, joinRows, sliceRows } from './rows.ts';

/** What a request asks of the batcher. Inputs are borrowed until its answer. */
export interface RunRequest {
  readonly inputs: readonly Tensor[];
  readonly rows: number;
  readonly batchKey: string;
  /** 1 is the most urgent; undefined leaves it to the model's default. */
  readonly priority?: number | undefined;
  /** On the monotonic clock; afterwards the request fails with {@link RunRequest.expired}. */
  readonly deadlineMs: number;
  readonly expired: () => Refusal;
}

/** A request's share of a run, with where its time went, in microseconds. */
export interface RunResult {
  readonly outputs: readonly Tensor[];
  readonly queueUs: number;
  readonly joinUs: number;
  readonly inferUs: number;
  /** The way to the runtime and back, and taking the batch apart. */
  readonly splitUs: number;
}

/** Where the time of one run went, in microseconds. */
export type RunTimes = Pick<RunResult, 'joinUs' | 'inferUs' | 'splitUs'>;

/** A submitted request. */
export interface Ticket {
  readonly result: Promise<RunResult>;
  /** The caller is gone: a waiting request leaves the queue, a running one is forgotten. */
  cancel(reason: Error): void;
}

/** The runners of one version, each lent for one batch at a time. */
export interface FreeRunners {
  /** A free runner, if there is one; it must be given back. */
  take(): Runner | undefined;
  giveBack(runner: Runner): void;
}

export interface BatchObserver {
  executed(rows: number, requests: number, times: RunTimes): void;
  /** The outputs of a shared run could not be told apart by row; requests run one at a time from now on. */
  unsplittable(): void;
}

export interface BatcherOptions {
  readonly batching: BatchingConfig;
  /** False runs every request alone. */
  readonly isBatchable: boolean;
  readonly runners: FreeRunners;
  readonly clock: Pick<ServingClock, 'monotonicMs'>;
  readonly observer: BatchObserver;
}

class Job implements Ticket, Expiring {
  readonly request: RunRequest;
  readonly deadlineMs: number;
  readonly queuedAtMs: number;
  readonly result: Promise<RunResult>;
  /** No longer wanted once it is settled. */
  isSettled = false;
  isQueued = true;
  readonly #owner: Batcher;
  #resolve: (result: RunResult) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(owner: Batcher, request: RunRequest, queuedAtMs: number) {
    this.#owner = owner;
    this.request = request;
    this.deadlineMs = request.deadlineMs;
    this.queuedAtMs = queuedAtMs;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  succeed(result: RunResult): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.#owner.settled(this);
    this.#resolve(result);
  }

  fail(error: unknown): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.#owner.settled(this);
    this.#reject(error);
  }

  expire(): void {
    this.fail(this.request.expired());
  }

  cancel(reason: Error): void {
    this.fail(reason);
  }
}

/**
 * The queue in front of one version's runners. While every runner is busy rows gather; whenever one is free, all that
 * wait and fit (up to `maximumRows`, same batch key, oldest first) go as one run. When idle a request runs at once,
 * unless the last run had company: then it waits for the other requests of the same turn of the event loop.
 */
export class Batcher {
  readonly #runners: FreeRunners;
  readonly #clock: Pick<ServingClock, 'monotonicMs'>;
  readonly #observer: BatchObserver;
  readonly #deadlines: Deadlines<Job>;
  /** Waiting jobs by batch key, oldest first. Invariant: no list is empty. */
  readonly #queues = new Map<string, Job[]>();
  #batching: BatchingConfig;
  #isBatchable: boolean;
  #queuedRows = 0;
  #queuedJobs = 0;
  #lastRunJobs = 1;
  #isTurnPending = false;
  #delayTimer: NodeJS.Timeout | undefined;

  constructor({ batching, isBatchable, runners, clock, observer }: BatcherOptions) {
    this.#batching = batching;
    this.#isBatchable = isBatchable;
    this.#runners = runners;
    this.#clock = clock;
    this.#observer = observer;
    this.#deadlines = new Deadlines(clock);
  }

  /** Requests that wait for a runner. */
  get pending(): number {
    return this.#queuedJobs;
  }

  set batching(batching: BatchingConfig) {
    this.#batching = batching;
  }

  get #queueLimit(): number {
    return this.#batching.queueRows ?? Math.max(128, 2 * this.#batching.maximumRows);
  }

  /** @throws Fault `overloaded` when the queue is full; a request larger than the whole queue may wait alone */
  submit(request: RunRequest): Ticket {
    if (this.#queuedRows > 0 && this.#queuedRows + request.rows > this.#queueLimit) throw fault('overloaded', 1000);
    const job = new Job(this, request, this.#clock.monotonicMs());
    const queue = this.#queues.get(request.batchKey);
    if (queue === undefined) this.#queues.set(request.batchKey, [job]);
    else queue.push(job);
    this.#queuedRows += request.rows;
    this.#queuedJobs++;
    this.#deadlines.add(job);
    if (this.#lastRunJobs === 1) this.wake();
    else this.#wakeAfterThisTurn();
    return job;
  }

  #wakeAfterThisTurn(): void {
    if (this.#isTurnPending) return;
    this.#isTurnPending = true;
    setImmediate(() => {
      this.#isTurnPending = false;
      this.wake();
    });
  }

  /** A job has its outcome: it leaves the queue if it is still there. */
  settled(job: Job): void {
    this.#deadlines.delete(job);
    if (!job.isQueued) return;
    const queue = this.#queues.get(job.request.batchKey);
    const index = queue?.indexOf(job) ?? -1;
    if (queue === undefined || index < 0) return;
    queue.splice(index, 1);
    if (queue.length === 0) this.#queues.delete(job.request.batchKey);
    this.#left(job);
  }

  #left(job: Job): void {
    job.isQueued = false;
    this.#queuedRows -= job.request.rows;
    this.#queuedJobs--;
  }

  /** Starts runs while something waits and a runner is free. */
  wake(): void {
    while (this.#queuedJobs > 0) {
      if (this.#mustWait()) return;
      const runner = this.#runners.take();
      if (runner === undefined) return;
      void this.#occupy(runner, this.#take());
    }
  }

  /** With a maximum delay, a short batch waits for company until its oldest request has waited that long. */
  #mustWait(): boolean {
    const { maximumDelayMs, maximumRows } = this.#batching;
    if (maximumDelayMs === 0 || this.#queuedRows >= maximumRows || !this.#isBatchable) return false;
    const oldest = this.#oldestQueue()[0]!;
    const restMs = oldest.queuedAtMs + maximumDelayMs - this.#clock.monotonicMs();
    if (restMs <= 0) return false;
    clearTimeout(this.#delayTimer);
    this.#delayTimer = setTimeout(() => this.wake(), Math.ceil(restMs));
    this.#delayTimer.unref();
    return true;
  }

  #oldestQueue(): Job[] {
    let oldest: Job[] | undefined;
    for (const queue of this.#queues.values()) {
      if (oldest === undefined || queue[0]!.queuedAtMs < oldest[0]!.queuedAtMs) oldest = queue;
    }
    if (oldest === undefined) throw new Error('the queue is empty');
    return oldest;
  }

  /** Takes the oldest jobs of one key off the queue, as many as fit into a run; expired ones are dropped here. */
  #take(): Job[] {
    const nowMs = this.#clock.monotonicMs();
    const queue = this.#oldestQueue();
    const limit = this.#isBatchable ? this.#batching.maximumRows : 0;
    const taken: Job[] = [];
    const expired: Job[] = [];
    let rows = 0;
    let at = 0;
    for (; at < queue.length; at++) {
      const job = queue[at]!;
      if (job.deadlineMs <= nowMs) {
        expired.push(job);
        continue;
      }
      if (taken.length > 0 && rows + job.request.rows > limit) break;
      taken.push(job);
      rows += job.request.rows;
    }
    const key = queue[0]!.request.batchKey;
    if (at === queue.length) this.#queues.delete(key);
    else queue.splice(0, at);
    for (const job of taken) this.#left(job);
    for (const job of expired) {
      this.#left(job);
      job.expire();
    }
    return taken;
  }

  async #occupy(runner: Runner, jobs: readonly Job[]): Promise<void> {
    try {
      if (jobs.length === 0) return;
      this.#lastRunJobs = jobs.length;
      await this.#run(runner, jobs);
    } finally {
      this.#runners.giveBack(runner);
      this.wake();
    }
  }

  async #run(runner: Runner, jobs: readonly Job[]): Promise<'done' | 'lost'> {
    const startMs = this.#clock.monotonicMs();
    const rows = jobs.reduce((sum, job) => sum + job.request.rows, 0);
    try {
      const inputs =
        jobs.length === 1
          ? jobs[0]!.request.inputs
          : joinRows(
              jobs.map(job => job.request.inputs),
              rows,
            );
      const sentMs = this.#clock.monotonicMs();
      const { outputs, inferUs } = await runner.run(inputs);
      const backMs = this.#clock.monotonicMs();
      const joinUs = (sentMs - startMs) * 1000;
      const times = { joinUs, inferUs, splitUs: Math.max(0, (backMs - sentMs) * 1000 - inferUs) };
      this.#observer.executed(rows, jobs.length, times);
      if (jobs.length > 1 && !haveRows(outputs, rows)) {
        this.#isBatchable = false;
        this.#observer.unsplittable();
        await this.#runSingly(runner, jobs);
      } else this.#share(jobs, outputs, startMs, times);
      return 'done';
    } catch (error) {
      const isLost = isFault(error) && error.code === 'runner_lost';
      if (!isLost && jobs.length > 1) await this.#runSingly(runner, jobs);
      else for (const job of jobs) job.fail(error);
      return isLost ? 'lost' : 'done';
    }
  }

  /** After a shared run failed each request is tried alone, so that only the one at fault is refused. */
  async #runSingly(runner: Runner, jobs: readonly Job[]): Promise<void> {
    for (const [index, job] of jobs.entries()) {
      if (job.isSettled) continue;
      if ((await this.#run(runner, [job])) === 'lost') {
        this.#putBack(jobs.slice(index + 1));
        return;
      }
    }
  }

  #putBack(jobs: readonly Job[]): void {
    const waiting = jobs.filter(job => !job.isSettled);
    if (waiting.length === 0) return;
    const key = waiting[0]!.request.batchKey;
    this.#queues.set(key, [...waiting, ...(this.#queues.get(key) ?? [])]);
    for (const job of waiting) {
      job.isQueued = true;
      this.#queuedRows += job.request.rows;
      this.#queuedJobs++;
    }
  }

  #share(jobs: readonly Job[], outputs: readonly Tensor[], startMs: number, times: RunTimes): void {
    let from = 0;
    for (const job of jobs) {
      const { rows } = job.request;
      const own = jobs.length === 1 ? outputs : sliceRows(outputs, from, rows);
      from += rows;
      job.succeed({ outputs: own, queueUs: (startMs - job.queuedAtMs) * 1000, ...times });
    }
  }

  /** Fails everything that still waits. */
  close(error: () => Refusal): void {
    clearTimeout(this.#delayTimer);
    for (const queue of [...this.#queues.values()]) for (const job of [...queue]) job.fail(error());
    this.#deadlines.close();
  }
}
