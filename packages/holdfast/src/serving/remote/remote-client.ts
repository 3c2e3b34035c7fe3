import type { Signature, Tensor } from '@holdfast/api';

/** What a model on another server takes and gives. */
export type RemoteTensors = Pick<Signature, 'inputs' | 'outputs'>;

/** Speaks one protocol with the server of one model. Every call ends within its time. */
export interface RemoteClient {
  /** @throws RemoteFailure */
  describe(timeoutMs: number): Promise<RemoteTensors>;
  /** Whether the server says that the model would answer. @throws RemoteFailure */
  isReady(timeoutMs: number): Promise<boolean>;
  /** @throws RemoteFailure */
  infer(inputs: readonly Tensor[], timeoutMs: number): Promise<readonly Tensor[]>;
  close(): void;
}

/**
 * Why the other server gave no answer. `unsent`: it was not reached, so that asking again is safe; `broken`: it was, but
 * did not answer; `unavailable`: it said that it does not answer this now, or to us; `refused`: the request is at
 * fault; `failed`: the model is, or the answer cannot be read.
 */
export class RemoteFailure extends Error {
  override readonly name = 'RemoteFailure';
  readonly kind: 'unsent' | 'broken' | 'unavailable' | 'refused' | 'failed';
  /** The words of the other server. */
  readonly detail: string | undefined;

  /** @param message goes on a sentence that begins with the server */
  constructor(
    kind: RemoteFailure['kind'],
    message: string,
    { detail, cause }: { readonly detail?: string; readonly cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.kind = kind;
    this.detail = detail === undefined || detail === '' ? undefined : detail.slice(0, 500);
  }

  /** The sentence with the words of the other server. */
  get told(): string {
    return this.detail === undefined ? this.message : `${this.message}: ${this.detail}`;
  }
}

/** An answer that is not what the protocol says. */
export function unreadable(protocol: string, cause: unknown): RemoteFailure {
  if (cause instanceof RemoteFailure) return cause;
  const why = cause instanceof Error ? cause.message : 'it cannot be read';
  return new RemoteFailure('failed', `gave an answer that is no ${protocol}: ${why.slice(0, 200)}`, { cause });
}

/** Largest answer that is taken. */
export const largestAnswer = 256 * 1024 * 1024;
/** A connection that is not made by then is given up. */
export const connectTimeoutMs = 3000;
