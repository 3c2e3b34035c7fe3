import { Metadata } from '@grpc/grpc-js';
import type { ServingClock } from '../clock.ts';
import type { CallerHeaders } from '../http/request-headers.ts';
import type { PredictionCall } from '../protocols/protocol.ts';
import type { GrpcStatus } from './status.ts';

/** Who calls: what stands beside the message, and news of the caller going away. */
export interface GrpcCaller {
  readonly headers: CallerHeaders;
  /** Any metadata, by its name in lower case. */
  header(name: string): string | undefined;
  /** Milliseconds until the call's deadline; undefined when it has none. */
  readonly timeoutMs: number | undefined;
  onGone(gone: () => void): void;
}

/** How a prediction ends: with a message, or with a status. */
export type GrpcOutcome<Message = Buffer> =
  | { readonly kind: 'message'; readonly message: Message; readonly metadata: Metadata }
  | { readonly kind: 'status'; readonly status: GrpcStatus };

/** The first value of a metadata entry. */
export function metadataNamed(metadata: Metadata, name: string): string | undefined {
  const value = metadata.get(name)[0];
  return value === undefined ? undefined : String(value);
}

/** What a caller may say beside its message: the names of the HTTP headers, as metadata. */
export function callerHeadersOf(metadata: Metadata): CallerHeaders {
  return {
    requestTimeout: metadataNamed(metadata, 'x-request-timeout-ms'),
    key: metadataNamed(metadata, 'x-holdfast-key'),
    tags: metadataNamed(metadata, 'x-holdfast-tags'),
    eventTime: metadataNamed(metadata, 'x-holdfast-event-time'),
  };
}

/** The time that is left until a deadline, which is never 0: that would mean none. */
export function timeLeft(deadline: Date | number, nowMs: number): number | undefined {
  const atMs = Number(deadline);
  return Number.isFinite(atMs) ? Math.max(0.001, atMs - nowMs) : undefined;
}

/** A prediction asked for over gRPC, alone or as one message of a stream. */
export class GrpcPrediction<Request, Message = Buffer> implements PredictionCall<Message, GrpcStatus> {
  /** The message as its protocol read it. */
  readonly request: Request;
  readonly receivedMs: number;
  readonly startedMs: number;
  readonly #caller: GrpcCaller;
  readonly #body: Buffer;
  readonly #settle: (outcome: GrpcOutcome<Message>) => void;

  constructor(
    caller: GrpcCaller,
    { request, body }: { readonly request: Request; readonly body: Buffer },
    clock: ServingClock,
    settle: (outcome: GrpcOutcome<Message>) => void,
  ) {
    this.request = request;
    this.#body = body;
    this.#caller = caller;
    this.#settle = settle;
    this.receivedMs = clock.wallMs();
    this.startedMs = clock.monotonicMs();
  }

  get headers(): CallerHeaders {
    return this.#caller.headers;
  }

  get transportTimeoutMs(): number | undefined {
    return this.#caller.timeoutMs;
  }

  header(name: string): string | undefined {
    return this.#caller.header(name);
  }

  async readBody(): Promise<Buffer> {
    return this.#body;
  }

  onGone(gone: () => void): void {
    this.#caller.onGone(gone);
  }

  answer(message: Message, by: { readonly predictionId: string; readonly version: number }): void {
    const metadata = new Metadata();
    metadata.set('x-holdfast-prediction-id', by.predictionId);
    metadata.set('x-holdfast-version', String(by.version));
    this.#settle({ kind: 'message', message, metadata });
  }

  reply(status: GrpcStatus): void {
    this.#settle({ kind: 'status', status });
  }
}
