import type { Tensor } from '@holdfast/api';
import type { Refusal } from '../refusal.ts';
import type { SequenceStep } from '../sequences/sequence-book.ts';

/** What a request asks of the batcher. Inputs are borrowed until its answer. */
export interface RunRequest {
  readonly inputs: readonly Tensor[];
  readonly rows: number;
  readonly batchKey: string;
  /** 1 is the most urgent; undefined leaves it to the model's default. */
  readonly priority?: number | undefined;
  /** How long the caller would have it wait in the queue, in ms; undefined leaves it to the model's policy. */
  readonly queueTimeoutMs?: number | undefined;
  /** Whose request it is, with the weight of its share of the queue. @default everyone's, of weight 1 */
  readonly caller?: { readonly key: string; readonly weight: number } | undefined;
  /** Of a stateful model: its steps run alone, in order, and where their state is. */
  readonly sequence?: SequenceStep | undefined;
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
  /** The versions that answered parts of it, `MODEL/VERSION` joined by `+`, of an ensemble. */
  readonly parts?: string;
}

/** Where the time of one run went, in microseconds. */
export type RunTimes = Pick<RunResult, 'joinUs' | 'inferUs' | 'splitUs'>;

/** A submitted request. */
export interface Ticket {
  readonly result: Promise<RunResult>;
  /** The caller is gone: a waiting request leaves the queue, a running one is forgotten. */
  cancel(reason: Error): void;
}
