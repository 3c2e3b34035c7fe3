import type { Expiring } from './deadlines.ts';
import type { RunRequest, RunResult, Ticket } from './run-request.ts';
import type { Waiting } from './waiting-line.ts';

/** Told when a job has its outcome. */
export interface JobOwner {
  settled(job: Job): void;
}

const everyone = { key: '', weight: 1 };

/** A request in the queue or in a run. */
export class Job implements Ticket, Expiring, Waiting {
  readonly request: RunRequest;
  readonly rows: number;
  readonly lane: string;
  readonly caller: string;
  readonly weight: number;
  readonly level: number;
  readonly deadlineMs: number;
  readonly queuedAtMs: number;
  readonly result: Promise<RunResult>;
  turn = 0;
  /** No longer wanted once it is settled. */
  isSettled = false;
  isQueued = true;
  readonly #owner: JobOwner;
  #resolve: (result: RunResult) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(owner: JobOwner, request: RunRequest, level: number, queuedAtMs: number) {
    this.#owner = owner;
    this.request = request;
    this.rows = request.rows;
    this.lane = request.sequence === undefined ? request.batchKey : `sequence ${request.sequence.slot}`;
    const { key, weight } = request.caller ?? everyone;
    this.caller = key;
    this.weight = weight;
    this.level = level;
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

/** The end of a job's wait in the queue. */
export class WaitLimit implements Expiring {
  readonly job: Job;
  readonly deadlineMs: number;
  readonly #expired: () => void;

  constructor(job: Job, deadlineMs: number, expired: () => void) {
    this.job = job;
    this.deadlineMs = deadlineMs;
    this.#expired = expired;
  }

  expire(): void {
    this.#expired();
  }
}
