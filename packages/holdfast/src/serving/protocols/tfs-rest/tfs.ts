import type { Exchange } from '../../http/exchange.ts';
import type { BodyReader } from '../../large-body/body-reader.ts';
import type { PredictionPath } from '../../prediction-path.ts';
import { badRequest } from '../../refusal.ts';
import type { Selector, Traffic } from '../../traffic/traffic.ts';
import type { Decoded, PredictProtocol } from '../protocol.ts';
import { metadataOf, statusOf } from './metadata.ts';
import type { PredictRequest } from './predict-request.ts';
import { writePredictResponse } from './predict-response.ts';
import type { TfsLook, TfsRoute, TfsSelector } from './routes.ts';
import { tfsScore } from './score.ts';
import { refuseTfs, unresolvedTfs, versionsAsked } from './words.ts';

function decodedFrom({ inputs, form }: PredictRequest): Decoded<'row' | 'column'> {
  return { inputs, id: undefined, timeout: undefined, priority: undefined, context: form };
}

function tfsPredict(bodies: BodyReader): PredictProtocol<'row' | 'column'> {
  return {
    unresolved: unresolvedTfs,
    decode(body, _exchange, _model, signature) {
      const request = bodies.predict(body, signature);
      return request instanceof Promise ? request.then(decodedFrom) : decodedFrom(request);
    },
    encode: writePredictResponse,
    refuse: refuseTfs,
  };
}

const classify = tfsScore('classify');
const regress = tfsScore('regress');

function usable(selector: TfsSelector): Selector {
  if (selector.kind === 'unconvertible') throw badRequest(`Failed to convert version: ${selector.text} to numeric.`);
  return selector;
}

function replyPretty(exchange: Exchange, value: object): void {
  exchange.reply({ status: 200, contentType: 'application/json', body: `${JSON.stringify(value, undefined, 1)}\n` });
}

export interface TfsOptions {
  readonly path: PredictionPath;
  readonly bodies: BodyReader;
  readonly traffic: Traffic;
}

/** TensorFlow Serving's REST API v1. */
export class TfsRest {
  readonly #options: TfsOptions;
  readonly #predict: PredictProtocol<'row' | 'column'>;

  constructor(options: TfsOptions) {
    this.#options = options;
    this.#predict = tfsPredict(options.bodies);
  }

  /** @throws Refusal */
  answer(exchange: Exchange, { post, get }: TfsRoute): Promise<void> | undefined {
    const { method } = exchange;
    if (method === 'POST' && post !== undefined) {
      const selector = usable(post.selector);
      const { path } = this.#options;
      if (post.verb === 'predict') return path.predict(exchange, this.#predict, post.model, selector);
      return path.predict(exchange, post.verb === 'classify' ? classify : regress, post.model, selector);
    }
    if (method === 'OPTIONS' && /^https?:\/\//i.test(exchange.headers.origin ?? '')) {
      exchange.reply({ status: 200, contentType: 'application/json', body: '' });
    } else if ((method === 'GET' || method === 'HEAD') && get !== undefined) this.#look(exchange, get);
    else throw badRequest(`Malformed request: ${method} ${exchange.path}`);
    return undefined;
  }

  #look(exchange: Exchange, { model, selector: asked, isMetadata }: TfsLook): void {
    if (model === undefined) throw badRequest('Missing model name in request.');
    const selector = usable(asked);
    if (isMetadata) {
      const resolution = this.#options.traffic.resolve(model, selector);
      if (resolution.kind !== 'ready') throw unresolvedTfs(model, selector, resolution);
      replyPretty(exchange, metadataOf(resolution.served));
    } else replyPretty(exchange, statusOf(versionsAsked(this.#options.traffic, model, selector)));
  }
}
