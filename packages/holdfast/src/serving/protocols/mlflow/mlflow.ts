import { type FaultCode, faults, type Tensor } from '@holdfast/api';
import type { Exchange, Reply } from '../../http/exchange.ts';
import type { BodyReader } from '../../large-body/body-reader.ts';
import type { PredictionPath } from '../../prediction-path.ts';
import { badRequest, Refusal } from '../../refusal.ts';
import type { Traffic } from '../../traffic/traffic.ts';
import { unresolvedOip } from '../oip-rest/predict.ts';
import type { Decoded, PredictProtocol } from '../protocol.ts';
import { plainWriterOf, writeColumns, writeRows } from '../tfs-rest/predict-response.ts';
import { formatOf } from './read-invocation.ts';
import type { MlflowRoute } from './routes.ts';

const errorCodes: Partial<Readonly<Record<FaultCode, string>>> = {
  route_not_found: 'ENDPOINT_NOT_FOUND',
  control_disabled: 'PERMISSION_DENIED',
  deadline_exceeded: 'DEADLINE_EXCEEDED',
};

function errorCodeOf({ code, status }: Refusal): string {
  const own = errorCodes[code];
  if (own !== undefined) return own;
  if (status === 404) return 'RESOURCE_DOES_NOT_EXIST';
  if (status === 429) return 'REQUEST_LIMIT_EXCEEDED';
  if (status === 503) return 'TEMPORARILY_UNAVAILABLE';
  return status < 500 ? 'BAD_REQUEST' : 'INTERNAL_ERROR';
}

/** An error as MLflow's servers print it. */
export function refuseMlflow(refusal: Refusal): Reply {
  return {
    status: refusal.status,
    contentType: 'application/json',
    body: JSON.stringify({ error_code: errorCodeOf(refusal), message: refusal.message }),
    ...(refusal.retryAfterSeconds === undefined ? {} : { headers: ['Retry-After', String(refusal.retryAfterSeconds)] }),
  };
}

/** A list for one output, a list of records for several, and by name where outputs have no rows in common. */
function predictionsOf(outputs: readonly Tensor[]): string {
  const rows = outputs[0]?.shape[0];
  const hasRows = rows !== undefined && outputs.every(({ shape }) => shape[0] === rows);
  return hasRows || outputs.length === 1 ? writeRows(outputs, plainWriterOf) : writeColumns(outputs, plainWriterOf);
}

function mlflowInvocation(bodies: BodyReader): PredictProtocol<undefined> {
  const decodedFrom = (inputs: readonly Tensor[]): Decoded<undefined> => ({
    inputs,
    id: undefined,
    timeout: undefined,
    priority: undefined,
    context: undefined,
  });
  return {
    unresolved: unresolvedOip,
    decode(body, exchange, _model, signature) {
      const inputs = bodies.invocation(body, formatOf(exchange.headers.contentType), signature);
      return inputs instanceof Promise ? inputs.then(decodedFrom) : decodedFrom(inputs);
    },
    encode: ({ outputs }) => ({
      contentType: 'application/json',
      body: `{"predictions": ${predictionsOf(outputs)}}`,
    }),
    refuse: refuseMlflow,
  };
}

/** Models named in an error. */
const mostNamed = 20;

export interface MlflowOptions {
  readonly path: PredictionPath;
  readonly bodies: BodyReader;
  readonly traffic: Traffic;
  readonly serverVersion: string;
  readonly isReady: () => boolean;
}

/** The scoring server of MLflow: one model at the root, or each under its name. */
export class MlflowRest {
  readonly #options: MlflowOptions;
  readonly #invocation: PredictProtocol<undefined>;

  constructor(options: MlflowOptions) {
    this.#options = options;
    this.#invocation = mlflowInvocation(options.bodies);
  }

  /** @throws Refusal */
  answer(exchange: Exchange, route: MlflowRoute): Promise<void> | undefined {
    const { path, serverVersion, isReady } = this.#options;
    switch (route.kind) {
      case 'invocations':
        return path.predict(exchange, this.#invocation, route.model ?? this.#onlyModel(), route.selector);
      case 'ping':
        if (!isReady()) throw new Refusal('starting', faults.starting.say(), { retryAfterSeconds: 1 });
        exchange.reply({ status: 200, contentType: 'application/json', body: '\n' });
        return undefined;
      case 'version':
        exchange.reply({ status: 200, contentType: 'text/plain; charset=utf-8', body: serverVersion });
        return undefined;
      default:
        return route satisfies never;
    }
  }

  /** @throws Refusal when a request that names no model could mean several, or none */
  #onlyModel(): string {
    const names = [...this.#options.traffic.models.keys()];
    const [only] = names;
    if (only === undefined) throw new Refusal('model_not_found', 'No model is served here yet.');
    if (names.length === 1) return only;
    const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '';
    throw badRequest(
      `Several models are served here: ${names.toSorted().slice(0, mostNamed).join(', ')}${more}. Send the request to /models/NAME/invocations.`,
    );
  }
}
