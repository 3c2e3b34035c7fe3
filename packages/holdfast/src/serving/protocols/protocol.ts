import type { Signature, Tensor } from '@holdfast/api';
import type { Exchange, Reply } from '../http/exchange.ts';
import type { Refusal } from '../refusal.ts';
import type { ServedVersion } from '../traffic/served-version.ts';
import type { Resolution, Selector } from '../traffic/traffic.ts';

/** A prediction request as its protocol brought it. */
export interface Decoded<Context> {
  readonly inputs: readonly Tensor[];
  /** A name for the request that its caller can label it by. */
  readonly id: string | undefined;
  /** A shorter deadline than the header's, and what is said when it passes in the queue. */
  readonly timeout: { readonly ms: number; readonly refusal: () => Refusal } | undefined;
  /** What the encoder needs to know of the request. */
  readonly context: Context;
}

/** What is sent back: everything a protocol may mention. */
export interface Answer {
  readonly served: ServedVersion;
  readonly predictionId: string;
  readonly outputs: readonly Tensor[];
}

/** One wire format of the prediction path. */
export interface PredictProtocol<Context> {
  /** Why no version answers, in the protocol's words. */
  unresolved(model: string, selector: Selector, resolution: Exclude<Resolution, { kind: 'ready' }>): Refusal;
  /** @throws Refusal */
  decode(
    body: Buffer,
    exchange: Exchange,
    model: string,
    signature: Signature,
  ): Decoded<Context> | Promise<Decoded<Context>>;
  /** @throws Refusal */
  encode(answer: Answer, context: Context): EncodedAnswer | Promise<EncodedAnswer>;
  refuse(refusal: Refusal): Reply;
}

export type EncodedAnswer = Pick<Reply, 'contentType' | 'headers' | 'body' | 'isAscii'>;
