import type { Signature, Tensor } from '@holdfast/api';
import type { Exchange, Reply } from '../http/exchange.ts';
import type { CallerHeaders } from '../http/request-headers.ts';
import type { Refusal } from '../refusal.ts';
import type { SequenceParameters } from '../sequences/sequence-book.ts';
import type { RequestFacts } from '../traffic/request-facts.ts';
import type { ServedVersion } from '../traffic/served-version.ts';
import type { Resolution, Selector } from '../traffic/traffic.ts';

/** One request for a prediction on its way through the gateway, whatever transport brought it. */
export interface PredictionCall<Encoded, Refused> extends RequestFacts {
  /** When it arrived: wall clock, and monotonic clock. */
  readonly receivedMs: number;
  readonly startedMs: number;
  readonly headers: CallerHeaders;
  /** How long the transport itself lets it live from {@link startedMs}; undefined when it does not say. */
  readonly transportTimeoutMs: number | undefined;
  /** @throws Refusal `too_large`, `bad_request` */
  readBody(limitBytes: number): Promise<Buffer>;
  /** Calls back when the caller goes away before it has its answer. */
  onGone(gone: () => void): void;
  answer(encoded: Encoded, by: { readonly predictionId: string; readonly version: number }): void;
  reply(refused: Refused): void;
}

/** A prediction request as its protocol brought it. */
export interface Decoded<Context> {
  readonly inputs: readonly Tensor[];
  /** A name for the request that its caller can label it by. */
  readonly id: string | undefined;
  /** How long it may wait in the queue; undefined leaves it to the model's policy. */
  readonly timeout: { readonly ms: number } | undefined;
  /** 1 is the most urgent; undefined leaves it to the model's default. */
  readonly priority: number | undefined;
  /** The sequence that it belongs to, for a stateful model. */
  readonly sequence?: SequenceParameters | undefined;
  /** What the encoder needs to know of the request. */
  readonly context: Context;
}

/** What is sent back: everything a protocol may mention. */
export interface Answer {
  readonly served: ServedVersion;
  readonly predictionId: string;
  readonly outputs: readonly Tensor[];
}

/** One wire format of the prediction path, over HTTP unless it names its own kinds of call, answer and refusal. */
export interface PredictProtocol<
  Context,
  Encoded = EncodedAnswer,
  Refused = Reply,
  Call extends PredictionCall<Encoded, Refused> = Exchange & PredictionCall<Encoded, Refused>,
> {
  /** Why no version answers, in the protocol's words. */
  unresolved(model: string, selector: Selector, resolution: Exclude<Resolution, { kind: 'ready' }>): Refusal;
  /** @throws Refusal */
  decode(body: Buffer, call: Call, model: string, signature: Signature): Decoded<Context> | Promise<Decoded<Context>>;
  /** @throws Refusal */
  encode(answer: Answer, context: Context): Encoded | Promise<Encoded>;
  refuse(refusal: Refusal): Refused;
}

export type EncodedAnswer = Pick<Reply, 'contentType' | 'headers' | 'body' | 'isAscii'>;
