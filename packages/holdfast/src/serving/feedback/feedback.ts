import { type FaultCode, fault } from '@holdfast/api';
import type { ServingClock } from '../clock.ts';
import { checkOrigin } from '../http/check-origin.ts';
import type { Exchange, Reply } from '../http/exchange.ts';
import type { BodyReader } from '../large-body/body-reader.ts';
import type { LabelSink } from '../prediction-sink.ts';
import type { Refusal } from '../refusal.ts';
import type { Traffic } from '../traffic/traffic.ts';

const pattern = /^\/v1\/models\/([^/:]+)\/feedback$/;

/** The model whose feedback path this is. */
export function matchFeedback(path: string): string | undefined {
  return pattern.exec(path)?.[1];
}

/** An error in the shape of Holdfast's own API. */
export function refuseFeedback({ code, message, status, retryAfterSeconds }: Refusal): Reply {
  const body: { error: { code: FaultCode; message: string } } = { error: { code, message } };
  return {
    status,
    contentType: 'application/json',
    body: JSON.stringify(body),
    ...(retryAfterSeconds === undefined ? {} : { headers: ['Retry-After', String(retryAfterSeconds)] }),
  };
}

export interface FeedbackOptions {
  readonly labels: LabelSink;
  readonly traffic: Traffic;
  readonly bodies: BodyReader;
  readonly clock: Pick<ServingClock, 'wallMs'>;
  readonly bodyBytes: number;
}

/** Takes ground truth in. An answer means that it is durable. */
export class Feedback {
  readonly #options: FeedbackOptions;

  constructor(options: FeedbackOptions) {
    this.#options = options;
  }

  /** @throws Refusal, Fault */
  async answer(exchange: Exchange, model: string): Promise<void> {
    const { labels, traffic, clock, bodies, bodyBytes } = this.#options;
    checkOrigin(exchange);
    if (!traffic.models.has(model)) throw fault('model_not_found', model);
    const body = await exchange.readBody(bodyBytes);
    const isLines = (exchange.headers.contentType ?? '').trim().toLowerCase().startsWith('application/x-ndjson');
    const received = await bodies.labels(body, isLines, clock.wallMs());
    await labels.append(model, received);
    exchange.reply({
      status: 200,
      contentType: 'application/json',
      body: `{"accepted":${received.length}}`,
      isAscii: true,
    });
  }
}
