import { fault, isFault, type Tensor } from '@holdfast/api';
import type { BatchingConfig } from '../../config/index.ts';
import type { Runner } from '../../runtime/index.ts';
import type { ServingClock } from '../clock.ts';
import type { Refusal } from '../refusal.ts';
import type { SequenceStep } from '../sequences/sequence-book.ts';
import { BatchLimit } from './batch-limit.ts';
import { Deadlines, longestTimerMs } from './deadlines.ts';
import { Job, WaitLimit } from './job.ts';
import { type QueueTerms, queueTermsOf } from './queue-terms.ts';
import { haveRows, joinRows, padRows, sliceRows } from './rows.ts';
import type { RunRequest, RunTimes, Ticket } from './run-request.ts';
import { type Lane, WaitingLine } from './waiting-line.ts';

/** The runners of one version, each lent for one batch at a time. */
export interface FreeRunners {
  /** A free runner, if there is one; it must be given back. */
  take(): Runner | undefined;
  /** Whether it still belongs to the version. */
  has(runner: Runner): boolean;
  giveBack(runner: Runner): void;
}

export interface BatchObserver {
  executed(rows: number, requests: number, times: RunTimes): void;
  /** A runner was occupied for so long by one batch. */
  occupied(runner: Runner, ms: number): void;
  /** Mode auto has learned another limit; undefined in mode fixed. */
  limited(rows: number | undefined): void;
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

/** A batch on its way to a runner. */
interface Batch {
  readonly jobs: readonly Job[];
  /** Whether a job that waits had no room in it. */
  readonly wasFull: boolean;
}

function latestOf(jobs: readonly Job[]): number {
  let latestMs = Number.NEGATIVE_INFINITY;
  for (const { deadlineMs } of jobs) if (deadlineMs > latestMs) latestMs = deadlineMs;
  return latestMs;
}

/** Weight of the newest run in the mean time of a run. */
const newest = 0.1;

/**
 * The queue in front of one version's runners. While every runner is busy rows gather; whenever one is free, all that
 * wait and fit (up to `maximumRows` or what mode auto learned, same batch key, the most urgent first, callers in turn)
 * go as one run. When idle a request runs at once, unless the last run had company: then it waits for the other requests
 * of the same turn of the event loop.
 */
export class Batcher {
  readonly #runners: FreeRunners;
  readonly #clock: Pick<ServingClock, 'monotonicMs'>;
  readonly #observer: BatchObserver;
  readonly #deadlines: Deadlines<Job>;
  readonly #waitLimits: Deadlines<WaitLimit>;
  readonly #waitLimitOf = new Map<Job, WaitLimit>();
  readonly #line = new WaitingLine<Job>();
  #batching: BatchingConfig;
  #limit: BatchLimit | undefined;
  #isBatchable: boolean;
  #running = 0;
  /** Mean time of a run; 0 before the first. */
  #runMs = 0;
  #lastRunJobs = 1;
  #isTurnPending = false;
  #delayTimer: NodeJS.Timeout | undefined;

  constructor({ batching, isBatchable, runners, clock, observer }: BatcherOptions) {
    this.#isBatchable = isBatchable;
    this.#runners = runners;
    this.#clock = clock;
    this.#observer = observer;
    this.#deadlines = new Deadlines(clock);
    this.#waitLimits = new Deadlines(clock);
    this.#batching = batching;
    this.batching = batching;
  }

  /** Requests that wait for a runner. */
  get pending(): number {
    return this.#line.requests;
  }

  /** What was learned is kept unless the target or the maximum changes. */
  set batching(batching: BatchingConfig) {
    const { mode, targetP99Ms, maximumRows } = batching;
    const before = this.#batching;
    this.#batching = batching;
    const isKept = before.targetP99Ms === targetP99Ms && before.maximumRows === maximumRows && before.mode === mode;
    if (isKept && this.#limit !== undefined) return;
    this.#limit = mode === 'auto' && targetP99Ms !== undefined ? new BatchLimit(targetP99Ms, maximumRows) : undefined;
    this.#observer.limited(this.#limit?.rows);
  }

  get #queueLimit(): number {
    return this.#batching.queueRows ?? Math.max(128, 2 * this.#batching.maximumRows);
  }

  get #batchRows(): number {
    return this.#limit?.rows ?? this.#batching.maximumRows;
  }

  /** Whether a request of this caller would be refused whatever it says, so that it need not be read. */
  isFullFor(caller: string): boolean {
    const { priorityLevels } = this.#batching;
    return priorityLevels === undefined && this.#line.rows >= this.#queueLimit && this.#line.isOnly(caller);
  }

  /**
   * A request larger than the whole queue may wait alone.
   * @throws Fault `overloaded` when the queue is full, or so long that the deadline would pass in it
   */
  submit(request: RunRequest): Ticket {
    const nowMs = this.#clock.monotonicMs();
    const leftMs = request.deadlineMs - nowMs;
    const { priority, queueTimeoutMs: timeoutMs } = request;
    const terms = this.#termsOf(request.sequence, { priority, timeoutMs, leftMs });
    const job = new Job(this, request, terms.level, nowMs);
    if (this.#line.requests > 0) this.#makeRoom(job, terms, leftMs);
    this.#line.add(job);
    this.#deadlines.add(job);
    if (terms.timeoutMs !== undefined) this.#limitWait(job, terms.timeoutMs, terms.onTimeout);
    if (this.#lastRunJobs === 1) this.wake();
    else this.#wakeAfterThisTurn();
    return job;
  }

  /** The steps of a sequence keep their order, so they are all of one priority, and none is delayed. */
  #termsOf(sequence: SequenceStep | undefined, asked: Parameters<typeof queueTermsOf>[1]): QueueTerms {
    if (sequence === undefined) return queueTermsOf(this.#batching, asked);
    return { ...queueTermsOf(this.#batching, { ...asked, priority: undefined }), onTimeout: 'reject' };
  }

  /** @throws Fault `overloaded` */
  #makeRoom(job: Job, { level, maximumRequests }: QueueTerms, leftMs: number): void {
    if (this.#line.requestsAt(level) >= maximumRequests) throw fault('overloaded', 1000);
    const targetMs = this.#limit === undefined ? undefined : this.#batching.targetP99Ms;
    if (this.#estimateMs(job) > Math.min(leftMs, targetMs ?? leftMs)) throw fault('overloaded', 1000);
    const excess = this.#line.rows + job.rows - this.#queueLimit;
    if (excess <= 0) return;
    const victims = this.#line.victims(job, excess);
    if (victims === undefined) throw fault('overloaded', 1000);
    for (const victim of victims) victim.fail(fault('overloaded', 1000));
  }

  /** Until a job that arrives now would have its answer: the runs before it, its own, and what is running. */
  #estimateMs(job: Job): number {
    if (this.#runMs === 0) return 0;
    const batchRows = this.#isBatchable ? this.#batchRows : 1;
    const runs = Math.ceil((this.#line.rowsBefore(job) + job.rows) / batchRows);
    return (runs / Math.max(1, this.#running)) * this.#runMs;
  }

  #limitWait(job: Job, timeoutMs: number, onTimeout: QueueTerms['onTimeout']): void {
    const limit = new WaitLimit(job, job.queuedAtMs + timeoutMs, () => {
      this.#waitLimitOf.delete(job);
      if (!job.isQueued || job.isSettled) return;
      if (onTimeout === 'reject') job.fail(fault('queue_timeout'));
      else this.#line.delay(job);
    });
    this.#waitLimitOf.set(job, limit);
    this.#waitLimits.add(limit);
  }

  #endWaitLimit(job: Job): void {
    const limit = this.#waitLimitOf.get(job);
    if (limit === undefined) return;
    this.#waitLimitOf.delete(job);
    this.#waitLimits.delete(limit);
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
    job.isQueued = false;
    this.#endWaitLimit(job);
    this.#line.remove(job);
  }

  /** Starts runs while something waits and a runner is free. */
  wake(): void {
    const unused: Runner[] = [];
    while (this.#line.requests > 0) {
      const runner = this.#runners.take();
      if (runner === undefined) break;
      const batch = this.#next(runner);
      if (batch === undefined) {
        // Another one may have the state that a sequence needs.
        unused.push(runner);
        continue;
      }
      for (const job of batch.jobs) this.#leaves(job);
      void this.#occupy(runner, batch);
    }
    for (const runner of unused) this.#runners.giveBack(runner);
  }

  #leaves(job: Job): void {
    job.isQueued = false;
    this.#endWaitLimit(job);
    this.#line.take(job);
  }

  /** What to run next, if anything must not wait for company. */
  #next(runner: Runner): Batch | undefined {
    const nowMs = this.#clock.monotonicMs();
    this.#dropLate(nowMs);
    let firstMs = Number.POSITIVE_INFINITY;
    for (const lane of this.#line.lanes(nowMs, this.#batching.promoteAfterMs)) {
      if (!this.#fits(lane, runner)) continue;
      const { batch, restMs } = this.#batchOf(lane, nowMs);
      if (batch !== undefined) return batch;
      firstMs = Math.min(firstMs, restMs);
    }
    if (firstMs === Number.POSITIVE_INFINITY) return undefined;
    clearTimeout(this.#delayTimer);
    this.#delayTimer = setTimeout(() => this.wake(), Math.min(longestTimerMs, Math.ceil(firstMs)));
    this.#delayTimer.unref();
    return undefined;
  }

  /** A sequence runs where its state is; when that runner is gone, any other may say so. */
  #fits(lane: Lane<Job>, runner: Runner): boolean {
    const home = lane.jobs[0]!.request.sequence?.home;
    if (home === undefined) return true;
    if (home.runner !== undefined && !this.#runners.has(home.runner)) home.runner = undefined;
    if (home.runner !== undefined && home.runner !== runner) return false;
    return true;
  }

  /** Timers may be late; nothing that is late is run. */
  #dropLate(nowMs: number): void {
    for (const job of this.#line.all()) if (job.deadlineMs <= nowMs) job.expire();
    for (const limit of [...this.#waitLimitOf.values()]) if (limit.deadlineMs <= nowMs) limit.expire();
  }

  /** The first jobs of a lane, as many as fit into a run; none while they wait for company, which is over in `restMs`. */
  #batchOf(lane: Lane<Job>, nowMs: number): { readonly batch: Batch | undefined; readonly restMs: number } {
    const { maximumDelayMs, preferredRows } = this.#batching;
    const limit = this.#isBatchable ? this.#batchRows : 0;
    const [first] = lane.jobs;
    if (first?.request.sequence !== undefined) return { batch: { jobs: [first], wasFull: false }, restMs: 0 };
    const company = this.#line.companyOf(lane);
    let rows = 0;
    let count = 0;
    let preferred = 0;
    let queuedAtMs = nowMs;
    for (const job of company) {
      if (count > 0 && rows + job.rows > limit) break;
      rows += job.rows;
      count++;
      queuedAtMs = Math.min(queuedAtMs, job.queuedAtMs);
      if (preferredRows?.includes(rows) === true) preferred = count;
    }
    const wasFull = count < company.length;
    const restMs = queuedAtMs + maximumDelayMs - nowMs;
    const mayWait = this.#isBatchable && restMs > 0 && !wasFull && rows < limit;
    if (mayWait && preferred === 0) return { batch: undefined, restMs };
    return { batch: { jobs: company.slice(0, mayWait ? preferred : count), wasFull }, restMs: 0 };
  }

  async #occupy(runner: Runner, { jobs, wasFull }: Batch): Promise<void> {
    this.#running++;
    try {
      this.#lastRunJobs = jobs.length;
      const home = jobs[0]?.request.sequence?.home;
      if (home !== undefined) home.runner = runner;
      const startMs = this.#clock.monotonicMs();
      await this.#run(runner, jobs);
      this.#learn(jobs, startMs, wasFull);
      this.#observer.occupied(runner, this.#clock.monotonicMs() - startMs);
    } finally {
      this.#running--;
      this.#runners.giveBack(runner);
      this.wake();
    }
  }

  #learn(jobs: readonly Job[], startMs: number, wasFull: boolean): void {
    const runMs = this.#clock.monotonicMs() - startMs;
    const runBeforeMs = this.#runMs === 0 ? runMs : this.#runMs;
    this.#runMs = runBeforeMs + newest * (runMs - runBeforeMs);
    if (this.#limit === undefined) return;
    const before = this.#limit.rows;
    for (const job of jobs) {
      this.#limit.observe(Math.min(startMs - job.queuedAtMs, runBeforeMs) + runMs, wasFull);
    }
    if (this.#limit.rows !== before) this.#observer.limited(this.#limit.rows);
  }

  /** With only some batch sizes allowed, the smallest that holds these rows; more than the largest go as they are. */
  #paddedRows(rows: number): number {
    const { allowedRows } = this.#batching;
    if (allowedRows === undefined || !this.#isBatchable) return rows;
    const larger = allowedRows.filter(allowed => allowed >= rows);
    return larger.length === 0 ? rows : Math.min(...larger);
  }

  async #run(runner: Runner, jobs: readonly Job[]): Promise<'done' | 'lost'> {
    const startMs = this.#clock.monotonicMs();
    const rows = jobs.reduce((sum, job) => sum + job.rows, 0);
    try {
      const joined =
        jobs.length === 1
          ? jobs[0]!.request.inputs
          : joinRows(
              jobs.map(job => job.request.inputs),
              rows,
            );
      const step = jobs[0]!.request.sequence;
      const runRows = step === undefined ? this.#paddedRows(rows) : rows;
      const inputs = runRows === rows ? joined : padRows(joined, runRows);
      const sentMs = this.#clock.monotonicMs();
      const { outputs, inferUs } = await runner.run(inputs, { step, deadlineMs: latestOf(jobs) });
      const backMs = this.#clock.monotonicMs();
      const joinUs = (sentMs - startMs) * 1000;
      const times = { joinUs, inferUs, splitUs: Math.max(0, (backMs - sentMs) * 1000 - inferUs) };
      this.#observer.executed(rows, jobs.length, times);
      if ((jobs.length > 1 || runRows !== rows) && !haveRows(outputs, runRows)) {
        this.#isBatchable = false;
        this.#observer.unsplittable();
        await this.#runSingly(runner, jobs);
      } else this.#share(jobs, outputs, runRows, startMs, times);
      return 'done';
    } catch (error) {
      const isLost = isFault(error) && (error.code === 'runner_lost' || error.code === 'remote_unavailable');
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
    for (const job of jobs) {
      if (job.isSettled) continue;
      job.isQueued = true;
      this.#line.putBack(job);
    }
  }

  #share(jobs: readonly Job[], outputs: readonly Tensor[], runRows: number, startMs: number, times: RunTimes): void {
    let from = 0;
    for (const job of jobs) {
      const { rows } = job;
      const own = rows === runRows ? outputs : sliceRows(outputs, from, rows);
      from += rows;
      job.succeed({ outputs: own, queueUs: (startMs - job.queuedAtMs) * 1000, ...times });
    }
  }

  /** Fails everything that still waits for a runner. */
  failWaiting(error: () => Error): void {
    for (const job of this.#line.all()) job.fail(error());
  }

  /** Fails everything that still waits, for good. */
  close(error: () => Refusal): void {
    clearTimeout(this.#delayTimer);
    this.failWaiting(error);
    this.#deadlines.close();
    this.#waitLimits.close();
  }
}
