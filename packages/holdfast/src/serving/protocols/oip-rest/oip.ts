import { fault } from '@holdfast/api';
import { z } from 'zod';
import { checkOrigin } from '../../http/check-origin.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { BodyReader } from '../../large-body/body-reader.ts';
import type { PredictionPath } from '../../prediction-path.ts';
import { badRequest } from '../../refusal.ts';
import { parseSelector, type Traffic } from '../../traffic/traffic.ts';
import type { OipControl } from '../oip/control-calls.ts';
import { findVersion } from '../oip/find-version.ts';
import { unsupported } from '../oip/parameters.ts';
import type { PredictProtocol } from '../protocol.ts';
import type { ResponsePlan } from './infer-response.ts';
import { modelConfig, modelMetadata, serverMetadata } from './metadata.ts';
import { oipPredict, unresolvedOip } from './predict.ts';
import type { OipRoute } from './routes.ts';

export interface OipOptions {
  readonly path: PredictionPath;
  readonly bodies: BodyReader;
  readonly traffic: Traffic;
  readonly control: OipControl;
  readonly bodyBytes: number;
  readonly serverVersion: string;
  /** Whether requests would be answered now. */
  readonly isReady: () => boolean;
}

const repositorySchema = z.looseObject({
  parameters: z.record(z.string(), z.union([z.string(), z.boolean(), z.number()])).default({}),
});

function replyJson(exchange: Exchange, value: object, status = 200): void {
  exchange.reply({ status, contentType: 'application/json', body: JSON.stringify(value) });
}

/** The Open Inference Protocol v2 over REST. */
export class OipRest {
  readonly #options: OipOptions;
  readonly #predict: PredictProtocol<ResponsePlan>;

  constructor(options: OipOptions) {
    this.#options = options;
    this.#predict = oipPredict(options.bodies);
  }

  /** @throws Refusal */
  answer(exchange: Exchange, route: OipRoute): Promise<void> | undefined {
    if (route.kind === 'infer') {
      return this.#options.path.predict(exchange, this.#predict, route.model, parseSelector(route.version));
    }
    return this.#look(exchange, route);
  }

  #look(exchange: Exchange, route: Exclude<OipRoute, { readonly kind: 'infer' }>): Promise<void> | undefined {
    const { traffic, control, serverVersion, isReady } = this.#options;
    switch (route.kind) {
      case 'stats':
        return control.statistics(route.model, route.version).then(stats => replyJson(exchange, stats));
      case 'index':
        return this.#index(exchange);
      case 'load':
      case 'unload':
        return this.#change(exchange, route.kind, route.model);
      case 'logging':
        return this.#logging(exchange);
      case 'trace':
        return this.#trace(exchange, route.model);
      case 'unsupported':
        throw unsupported(route.what);
      case 'live':
        replyJson(exchange, { live: true });
        return undefined;
      case 'ready': {
        const ready = isReady();
        replyJson(exchange, { ready }, ready ? 200 : 503);
        return undefined;
      }
      case 'server':
        replyJson(exchange, serverMetadata(serverVersion));
        return undefined;
      case 'models':
        replyJson(exchange, { models: [...traffic.models.keys()].toSorted() });
        return undefined;
      case 'model':
      case 'config': {
        const { model, served } = findVersion(traffic, route.model, parseSelector(route.version));
        replyJson(exchange, route.kind === 'model' ? modelMetadata(model, served) : modelConfig(served));
        return undefined;
      }
      case 'model-ready':
        this.#ready(route.model, route.version);
        replyJson(exchange, { name: route.model, ready: true });
        return undefined;
      default:
        return route satisfies never;
    }
  }

  /** The object that a control request carries; an empty body is an empty object. @throws Refusal `bad_request` */
  async #bodyOf(exchange: Exchange): Promise<object> {
    if (exchange.method !== 'POST') return {};
    const body = await exchange.readBody(this.#options.bodyBytes);
    if (body.length === 0) return {};
    try {
      return z.looseObject({}).parse(JSON.parse(body.toString('utf8')));
    } catch {
      throw badRequest('failed to parse the request JSON buffer: it is no object');
    }
  }

  async #index(exchange: Exchange): Promise<void> {
    const parsed = z.looseObject({ ready: z.boolean().default(false) }).safeParse(await this.#bodyOf(exchange));
    if (!parsed.success) throw badRequest("Invalid value for 'ready': expected a boolean");
    const entries = this.#options.control.index(parsed.data.ready);
    replyJson(
      exchange,
      entries.map(({ reason, ...entry }) => (reason === '' ? entry : { ...entry, reason })),
    );
  }

  async #change(exchange: Exchange, kind: 'load' | 'unload', model: string): Promise<void> {
    checkOrigin(exchange);
    const parsed = repositorySchema.safeParse(await this.#bodyOf(exchange));
    if (!parsed.success) throw badRequest("Invalid value for 'parameters': expected an object of strings and booleans");
    const parameters = new Map(Object.entries(parsed.data.parameters));
    if (kind === 'load') await this.#options.control.load('', model, parameters);
    else await this.#options.control.unload('', model);
    exchange.reply({ status: 200, contentType: 'application/json', body: '' });
  }

  async #logging(exchange: Exchange): Promise<void> {
    if (exchange.method === 'POST') checkOrigin(exchange);
    replyJson(exchange, await this.#options.control.logSettings(await this.#bodyOf(exchange)));
  }

  async #trace(exchange: Exchange, model: string | undefined): Promise<void> {
    const changes = new Map<string, readonly string[]>();
    for (const [name, value] of Object.entries(await this.#bodyOf(exchange))) {
      const values = value === null ? [] : Array.isArray(value) ? value.map(String) : [String(value)];
      changes.set(name, values);
    }
    const settings = this.#options.control.traceSettings(model, changes);
    const plain = Object.entries(settings).map(([name, values]) => [name, name === 'trace_level' ? values : values[0]]);
    replyJson(exchange, Object.fromEntries(plain));
  }

  #ready(model: string, version: string | undefined): void {
    const selector = parseSelector(version);
    const resolution = this.#options.traffic.resolve(model, selector);
    if (resolution.kind !== 'ready') throw unresolvedOip(model, selector, resolution);
    const { away } = resolution.served;
    if (away !== undefined) throw fault('remote_unavailable', model, away);
  }
}
