import { type FaultCode, faults, isFault } from '@holdfast/api';

export interface RefusalOptions {
  /** HTTP status where a protocol differs from the table of faults. */
  readonly status?: number;
  /** gRPC status where a protocol differs from the table of faults. */
  readonly grpcStatus?: number;
  /** Seconds after which a retry may succeed. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** A request that is answered with an error: a code of the table of faults, in the words of the caller's protocol. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: FaultCode;
  readonly status: number;
  readonly grpcStatus: number | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: FaultCode, text: string, options: RefusalOptions = {}) {
    super(text, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status ?? faults[code].http;
    this.grpcStatus = options.grpcStatus;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** A body beyond the limit; protocols that have their own words for it find the numbers here. */
export class BodyTooLarge extends Refusal {
  readonly bytes: number;
  readonly limitBytes: number;
  /** Whether it was within the limit until it was decompressed. */
  readonly isDecompressed: boolean;

  constructor(bytes: number, limitBytes: number, isDecompressed: boolean) {
    super('too_large', faults.too_large.say(bytes, limitBytes));
    this.bytes = bytes;
    this.limitBytes = limitBytes;
    this.isDecompressed = isDecompressed;
  }
}

/** The caller's mistake, told as `text`. */
export function badRequest(text: string): Refusal {
  return new Refusal('bad_request', text);
}

const retryable: ReadonlySet<FaultCode> = new Set([
  'overloaded',
  'queue_timeout',
  'runner_lost',
  'remote_unavailable',
  'version_not_ready',
  'draining',
  'starting',
]);

/** Any error as a refusal; what is neither a refusal nor a fault becomes `internal` under `errorId`. */
export function asRefusal(error: unknown, errorId: string): Refusal {
  if (error instanceof Refusal) return error;
  if (isFault(error)) {
    return new Refusal(
      error.code,
      error.message,
      retryable.has(error.code) ? { retryAfterSeconds: 1, cause: error } : { cause: error },
    );
  }
  return new Refusal('internal', faults.internal.say(errorId), { cause: error });
}
