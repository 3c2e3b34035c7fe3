import type { Datatype } from '../datatype.ts';
import { inOrder } from './in-order.ts';
import { type CallOptions, type InferenceClient, jsonOf } from './inference-client.ts';
import { InferenceError } from './inference-error.ts';
import { decodeAnswer, encodeBinary, encodeJson, inferenceHeaderLength, type Parameters } from './message.ts';
import type { TypedTensor } from './tensor.ts';

/** Datatypes of a model's tensors by name; an input marked optional may be left out. */
export interface ModelSignature {
  readonly inputs: { readonly [name: string]: Datatype | undefined };
  readonly outputs: { readonly [name: string]: Datatype };
}

type TensorFor<D> = TypedTensor<Extract<D, Datatype>>;
export type InputsOf<S extends ModelSignature> = { readonly [N in keyof S['inputs']]: TensorFor<S['inputs'][N]> };
export type OutputsOf<S extends ModelSignature> = { readonly [N in keyof S['outputs']]: TensorFor<S['outputs'][N]> };

export interface InferOptions<N extends PropertyKey = string> extends CallOptions {
  /** Which outputs to answer. @default all */
  readonly outputs?: readonly N[];
  /** A name for the request, given back in the answer. */
  readonly id?: string;
  /** Further parameters of the protocol or of the server, such as `sequence_id`. */
  readonly parameters?: Parameters;
  /** 1 is the most urgent. */
  readonly priority?: number;
  /** Further headers, such as `x-holdfast-key`. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface InferAnswer<O> {
  readonly outputs: O;
  readonly id: string | undefined;
  readonly modelName: string;
  /** Which version answered, where the server says so. */
  readonly modelVersion: string | undefined;
  /** Names the prediction for later ground truth; only Holdfast gives one. */
  readonly predictionId: string | undefined;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface InferRequest<S extends ModelSignature> extends Pick<InferOptions, 'id' | 'parameters' | 'priority'> {
  readonly inputs: InputsOf<S>;
}

export interface StreamOptions<N extends PropertyKey> extends Omit<InferOptions<N>, 'id'> {
  /** Requests in flight at a time. @default 4 */
  readonly concurrency?: number;
}

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** Ground truth for one prediction, named by the server's prediction id or by the caller's own key. */
export type FeedbackLabel = (
  | { readonly predictionId: string; readonly key?: never }
  | { readonly key: string; readonly predictionId?: never }
) & {
  readonly value: string | number | boolean;
  /** When the truth came about, ms since the epoch. @default when the server receives it */
  readonly eventTimeMs?: number;
};

function textIn(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function tensorsIn(value: unknown): TensorMetadata[] {
  if (!Array.isArray(value)) return [];
  return value.map((tensor: unknown) => {
    const shape = fieldOf(tensor, 'shape');
    return {
      name: textIn(fieldOf(tensor, 'name')),
      datatype: textIn(fieldOf(tensor, 'datatype')),
      shape: Array.isArray(shape) ? shape.map(Number) : [],
    };
  });
}

/** One model of a server. */
export class ModelClient<S extends ModelSignature = ModelSignature> {
  readonly #client: InferenceClient;
  readonly #path: string;
  readonly #name: string;

  /** Made by {@link InferenceClient.model}. */
  constructor(client: InferenceClient, name: string, version: string | undefined) {
    this.#client = client;
    this.#name = name;
    const base = `/v2/models/${encodeURIComponent(name)}`;
    this.#path = version === undefined ? base : `${base}/versions/${encodeURIComponent(version)}`;
  }

  async isReady(options: CallOptions = {}): Promise<boolean> {
    return this.#client.isOk(`${this.#path}/ready`, options);
  }

  async metadata(options: CallOptions = {}): Promise<ModelMetadata> {
    const answer = jsonOf(await this.#client.call({ ...options, path: this.#path, init: () => ({ method: 'GET' }) }));
    const versions = fieldOf(answer, 'versions');
    return {
      name: textIn(fieldOf(answer, 'name')),
      versions: Array.isArray(versions) ? versions.map(String) : [],
      platform: textIn(fieldOf(answer, 'platform')),
      inputs: tensorsIn(fieldOf(answer, 'inputs')),
      outputs: tensorsIn(fieldOf(answer, 'outputs')),
    };
  }

  /**
   * Runs the model. A `timeoutMs` of the call is also told to the server, as the parameter `timeout` in microseconds of what
   * is left, so that it need not start what nobody waits for.
   * @throws InferenceError
   */
  async infer<N extends keyof S['outputs'] & string = keyof S['outputs'] & string>(
    inputs: InputsOf<S>,
    options: InferOptions<N> = {},
  ): Promise<InferAnswer<Pick<OutputsOf<S>, N>>> {
    const { outputs, id, parameters, priority, headers, timeoutMs, signal } = options;
    const named: readonly (readonly [string, TypedTensor | undefined])[] = Object.entries(inputs);
    const given = named.flatMap(([name, tensor]) => (tensor === undefined ? [] : [[name, tensor] as const]));
    const answer = await this.#client.call({
      path: `${this.#path}/infer`,
      timeoutMs,
      signal,
      mayHedge: parameters?.sequence_id === undefined,
      asksEncoding: true,
      init: (leftMs, isBinary) => {
        const message = {
          id,
          inputs: given,
          outputs,
          parameters: {
            ...parameters,
            ...(priority !== undefined && { priority }),
            ...(timeoutMs !== undefined && { timeout: Math.ceil(leftMs * 1000) }),
          },
        };
        const encoded = isBinary ? encodeBinary(message) : encodeJson(message);
        return { method: 'POST', headers: { ...headers, ...encoded.headers }, body: encoded.body };
      },
    });
    const { headers: told, body } = answer;
    const message = decodeAnswer(body, told.get(inferenceHeaderLength));
    for (const name of outputs ?? []) {
      if (!Object.hasOwn(message.outputs, name))
        throw new InferenceError('bad_answer', `The server left out output "${name}" of "${this.#name}".`);
    }
    const predictionId = message.parameters.prediction_id ?? told.get('x-holdfast-prediction-id') ?? undefined;
    return {
      // The names and datatypes are the caller's claim `S` about the model.
      outputs: message.outputs as Pick<OutputsOf<S>, N>,
      id: message.id,
      modelName: message.modelName,
      modelVersion: message.modelVersion,
      predictionId: typeof predictionId === 'string' ? predictionId : undefined,
      parameters: message.parameters,
    };
  }

  /**
   * Runs many requests, several at a time, and yields their answers in order. The source is drawn from as answers are
   * taken. The first failure ends it, at its place.
   * @throws InferenceError
   */
  async *inferMany<N extends keyof S['outputs'] & string = keyof S['outputs'] & string>(
    requests: Iterable<InferRequest<S>> | AsyncIterable<InferRequest<S>>,
    options: StreamOptions<N> = {},
  ): AsyncGenerator<InferAnswer<Pick<OutputsOf<S>, N>>, void, undefined> {
    const { concurrency = 4, signal, ...shared } = options;
    if (!Number.isInteger(concurrency) || concurrency < 1) {
      throw new InferenceError('invalid_request', `concurrency is ${concurrency}; give a whole number above 0.`);
    }
    yield* inOrder(requests, concurrency, ({ inputs, ...own }, over) =>
      this.infer<N>(inputs, {
        ...shared,
        ...own,
        signal: signal === undefined ? over : AbortSignal.any([signal, over]),
      }),
    );
  }

  /**
   * Tells Holdfast what became true; settles when the labels are durable.
   * @returns how many were accepted
   * @throws InferenceError
   */
  async label(labels: readonly FeedbackLabel[], options: CallOptions = {}): Promise<number> {
    const body = JSON.stringify({
      labels: labels.map(({ predictionId, key, value, eventTimeMs }) => ({
        ...(predictionId === undefined ? { key } : { prediction_id: predictionId }),
        value,
        ...(eventTimeMs !== undefined && { event_time: eventTimeMs }),
      })),
    });
    const answer = await this.#client.call({
      ...options,
      path: `/v1/models/${encodeURIComponent(this.#name)}/feedback`,
      init: () => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body }),
    });
    return Number(fieldOf(jsonOf(answer), 'accepted'));
  }
}
