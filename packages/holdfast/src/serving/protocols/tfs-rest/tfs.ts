import { faults } from '@holdfast/api';
import type { Exchange, Reply } from '../../http/exchange.ts';
import type { BodyReader } from '../../large-body/body-reader.ts';
import type { PredictionPath } from '../../prediction-path.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import type { ServedVersion } from '../../traffic/served-version.ts';
import type { Resolution, Selector, Traffic } from '../../traffic/traffic.ts';
import type { Decoded, PredictProtocol } from '../protocol.ts';
import { metadataOf, statusOf } from './metadata.ts';
import type { PredictRequest } from './predict-request.ts';
import { writePredictResponse } from './predict-response.ts';
import type { TfsLook, TfsRoute, TfsSelector } from './routes.ts';

/** An error as TensorFlow Serving prints it. */
export function refuseTfs(refusal: Refusal): Reply {
  return {
    status: refusal.status,
    contentType: 'application/json',
    body: `{\n    "error": ${JSON.stringify(refusal.message)}\n}`,
    ...(refusal.retryAfterSeconds === undefined ? {} : { headers: ['Retry-After', String(refusal.retryAfterSeconds)] }),
  };
}

function unrecognizedLabel(label: string): Refusal {
  return badRequest(`Unrecognized servable version label: ${label}`);
}

function unresolved(model: string, selector: Selector, resolution: Exclude<Resolution, { kind: 'ready' }>): Refusal {
  if (resolution.kind === 'no-alias') return unrecognizedLabel(resolution.alias);
  if (resolution.kind === 'not-ready') {
    return new Refusal('version_not_ready', faults.version_not_ready.say(model, resolution.served.version), {
      retryAfterSeconds: 1,
    });
  }
  const wanted = selector.kind === 'version' ? `Specific(${model}, ${selector.version})` : `Latest(${model})`;
  const code = resolution.kind === 'no-version' ? 'version_not_found' : 'model_not_found';
  return new Refusal(code, `Servable not found for request: ${wanted}`);
}

function decodedFrom({ inputs, form }: PredictRequest): Decoded<'row' | 'column'> {
  return { inputs, id: undefined, timeout: undefined, priority: undefined, context: form };
}

function tfsPredict(bodies: BodyReader): PredictProtocol<'row' | 'column'> {
  return {
    unresolved,
    decode(body, _exchange, _model, signature) {
      const request = bodies.predict(body, signature);
      return request instanceof Promise ? request.then(decodedFrom) : decodedFrom(request);
    },
    encode: writePredictResponse,
    refuse: refuseTfs,
  };
}

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
      if (post.verb !== 'predict') {
        throw new Refusal('bad_request', `${post.verb} is not served here; use predict.`, { status: 501 });
      }
      return this.#options.path.predict(exchange, this.#predict, post.model, selector);
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
      if (resolution.kind !== 'ready') throw unresolved(model, selector, resolution);
      replyPretty(exchange, metadataOf(resolution.served));
    } else replyPretty(exchange, statusOf(this.#versions(model, selector)));
  }

  #versions(model: string, selector: Selector): readonly ServedVersion[] {
    const served = this.#options.traffic.models.get(model);
    if (served === undefined) {
      throw new Refusal('model_not_found', `Could not find any versions of model ${model}`);
    }
    if (selector.kind === 'default') return [...served.versions.values()];
    if (selector.kind === 'alias' && !served.aliases.has(selector.alias)) throw unrecognizedLabel(selector.alias);
    const number = selector.kind === 'alias' ? served.aliases.get(selector.alias)! : selector.version;
    const version = served.versions.get(number);
    if (version === undefined) {
      throw new Refusal('version_not_found', `Could not find version ${number} of model ${model}`);
    }
    return [version];
  }
}
