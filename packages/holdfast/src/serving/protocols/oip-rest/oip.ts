import type { Exchange } from '../../http/exchange.ts';
import type { BodyReader } from '../../large-body/body-reader.ts';
import type { PredictionPath } from '../../prediction-path.ts';
import { parseSelector, type Traffic } from '../../traffic/traffic.ts';
import { findVersion } from '../oip/find-version.ts';
import type { PredictProtocol } from '../protocol.ts';
import type { ResponsePlan } from './infer-response.ts';
import { modelConfig, modelMetadata, serverMetadata } from './metadata.ts';
import { oipPredict, unresolvedOip } from './predict.ts';
import type { OipRoute } from './routes.ts';

export interface OipOptions {
  readonly path: PredictionPath;
  readonly bodies: BodyReader;
  readonly traffic: Traffic;
  readonly serverVersion: string;
  /** Whether requests would be answered now. */
  readonly isReady: () => boolean;
}

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
    this.#look(exchange, route);
    return undefined;
  }

  #look(exchange: Exchange, route: Exclude<OipRoute, { readonly kind: 'infer' }>): void {
    const { traffic, serverVersion, isReady } = this.#options;
    switch (route.kind) {
      case 'live':
        replyJson(exchange, { live: true });
        return;
      case 'ready': {
        const ready = isReady();
        replyJson(exchange, { ready }, ready ? 200 : 503);
        return;
      }
      case 'server':
        replyJson(exchange, serverMetadata(serverVersion));
        return;
      case 'models':
        replyJson(exchange, { models: [...traffic.models.keys()].toSorted() });
        return;
      case 'model':
      case 'config': {
        const { model, served } = findVersion(traffic, route.model, parseSelector(route.version));
        replyJson(exchange, route.kind === 'model' ? modelMetadata(model, served) : modelConfig(served));
        return;
      }
      case 'model-ready':
        this.#ready(route.model, route.version);
        replyJson(exchange, { name: route.model, ready: true });
        return;
      default:
        route satisfies never;
    }
  }

  #ready(model: string, version: string | undefined): void {
    const selector = parseSelector(version);
    const resolution = this.#options.traffic.resolve(model, selector);
    if (resolution.kind !== 'ready') throw unresolvedOip(model, selector, resolution);
  }
}
