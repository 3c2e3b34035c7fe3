import { hedged } from './hedge.ts';
import { errorOfAnswer, InferenceError } from './inference-error.ts';
import { ModelClient, type ModelSignature } from './model-client.ts';
import { RetryBudget, type RetryClock, type RetryOptions, systemRetryClock, withRetries } from './retry.ts';

/** How tensors travel: `auto` asks the server once whether it takes binary tensors, and sends JSON else. */
export type Encoding = 'auto' | 'binary' | 'json';

export interface InferenceClientOptions {
  /** Sent with every request, such as `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Bound on one call with all its retries, in ms; beyond 24 days it is 24 days. @default 60000 */
  readonly timeoutMs?: number;
  /** @default auto */
  readonly encoding?: Encoding;
  /** `false` never tries again. */
  readonly retry?: RetryOptions | false;
  /**
   * Sends a second request when the first has no answer after so many ms, and takes the faster one; never for a request of
   * a sequence, whose state would take its step twice. Off by default.
   */
  readonly hedgeAfterMs?: number;
  /** @default the global fetch */
  readonly fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** @default the system's */
  readonly clock?: RetryClock;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** @default the client's */
  readonly timeoutMs?: number | undefined;
}

/** One HTTP request; `init` is asked for anew with every try, and told how long that may take and how tensors travel. */
export interface HttpCall extends CallOptions {
  readonly path: string;
  readonly init: (
    leftMs: number,
    isBinary: boolean,
  ) => {
    readonly method: 'GET' | 'POST';
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: Uint8Array<ArrayBuffer> | string;
  };
  /** @default true */
  readonly mayRetry?: boolean;
  /** Whether it carries tensors, so that their encoding has to be known. */
  readonly asksEncoding?: boolean;
  /** Whether a second request may race the first. */
  readonly mayHedge?: boolean;
  /** Statuses outside 2xx that are an answer. */
  readonly answers?: readonly number[];
}

/** An answer, its body read. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: ArrayBuffer;
}

export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

export interface ListedModel {
  readonly name: string;
  /** Undefined where the server lists names only. */
  readonly version: string | undefined;
  /** Such as `READY`; undefined where the server lists names only. */
  readonly state: string | undefined;
}

/** A timer that is set to more goes off at once. */
const longestTimeoutMs = 2_147_483_647;

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** The JSON of an answer. @throws InferenceError `bad_answer` */
export function jsonOf({ body, status }: HttpAnswer): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch (error) {
    throw new InferenceError('bad_answer', 'The server answered something that is not JSON.', { status, cause: error });
  }
}

/** Settles like `promise`, or rejects with the signal's reason when that comes first. */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/**
 * A client of any server of the Open Inference Protocol v2 over HTTP: Holdfast, Triton, KServe, MLServer, OpenVINO. Uses
 * `fetch` only, so it runs in Node and in browsers.
 */
export class InferenceClient {
  readonly #base: string;
  readonly #options: InferenceClientOptions;
  readonly #budget: RetryBudget;
  readonly #clock: RetryClock;
  #speaksBinary: Promise<boolean> | undefined;

  /** @param base address of the server, such as `http://127.0.0.1:8080`; empty for a page's own origin */
  constructor(base: string, options: InferenceClientOptions = {}) {
    this.#base = base.replace(/\/+$/, '');
    this.#options = options;
    this.#budget = new RetryBudget(options.retry === false ? {} : options.retry);
    this.#clock = options.clock ?? systemRetryClock;
  }

  /**
   * One model of the server, its tensors typed by `S`.
   * @param version a version, or an alias where the server has them; undefined is the default one
   */
  model<S extends ModelSignature = ModelSignature>(name: string, version?: string | number): ModelClient<S> {
    return new ModelClient<S>(this, name, version === undefined ? undefined : String(version));
  }

  async isLive(options: CallOptions = {}): Promise<boolean> {
    return this.isOk('/v2/health/live', options);
  }

  async isReady(options: CallOptions = {}): Promise<boolean> {
    return this.isOk('/v2/health/ready', options);
  }

  async metadata(options: CallOptions = {}): Promise<ServerMetadata> {
    const answer = jsonOf(await this.call({ ...options, path: '/v2', init: () => ({ method: 'GET' }) }));
    const extensions = fieldOf(answer, 'extensions');
    return {
      name: textOf(fieldOf(answer, 'name')) ?? '',
      version: textOf(fieldOf(answer, 'version')) ?? '',
      extensions: Array.isArray(extensions) ? extensions.map(String) : [],
    };
  }

  /** The models of the server: by the repository extension, or by KServe's list. */
  async models(options: CallOptions = {}): Promise<readonly ListedModel[]> {
    const none = [404, 405, 501];
    const index = await this.call({
      ...options,
      path: '/v2/repository/index',
      init: () => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }),
      answers: none,
    });
    if (!none.includes(index.status)) {
      const listed = jsonOf(index);
      if (!Array.isArray(listed)) throw new InferenceError('bad_answer', 'The model index is not a list.');
      return listed.map((model: unknown) => ({
        name: textOf(fieldOf(model, 'name')) ?? '',
        version: textOf(fieldOf(model, 'version')),
        state: textOf(fieldOf(model, 'state')),
      }));
    }
    const listed = fieldOf(
      jsonOf(await this.call({ ...options, path: '/v2/models', init: () => ({ method: 'GET' }) })),
      'models',
    );
    if (!Array.isArray(listed)) throw new InferenceError('bad_answer', 'The model list is not a list.');
    return listed.map((name: unknown) => ({ name: String(name), version: undefined, state: undefined }));
  }

  /** Whether tensors go as bytes; asks the server once, and again only when it could not be reached. */
  sendsBinary(): Promise<boolean> {
    const { encoding = 'auto' } = this.#options;
    if (encoding !== 'auto') return Promise.resolve(encoding === 'binary');
    this.#speaksBinary ??= this.#askForBinary();
    return this.#speaksBinary;
  }

  async #askForBinary(): Promise<boolean> {
    try {
      const { extensions } = await this.metadata();
      return extensions.includes('binary_tensor_data');
    } catch (error) {
      if (error instanceof InferenceError && (error.code === 'not_found' || error.code === 'unsupported')) return false;
      this.#speaksBinary = undefined;
      throw error;
    }
  }

  /** @internal True for 2xx, false for any other answer. */
  async isOk(path: string, options: CallOptions): Promise<boolean> {
    try {
      await this.call({ ...options, path, init: () => ({ method: 'GET' }), mayRetry: false });
      return true;
    } catch (error) {
      if (error instanceof InferenceError && error.status !== undefined) return false;
      throw error;
    }
  }

  /** @internal One call with its deadline, retries and hedge. @throws InferenceError */
  async call(call: HttpCall): Promise<HttpAnswer> {
    const { signal, deadlineMs, timeoutMs } = this.#limit(call);
    const budget = this.#budget;
    const clock = this.#clock;
    const { retry = {}, hedgeAfterMs } = this.#options;
    let isBinary = false;
    const once = (within: AbortSignal): Promise<HttpAnswer> =>
      this.#once(call, call.init(Math.max(1, deadlineMs - clock.nowMs()), isBinary), within);
    const attempt = (): Promise<HttpAnswer> =>
      hedgeAfterMs === undefined || call.mayHedge !== true
        ? once(signal)
        : hedged(once, hedgeAfterMs, { budget, clock, signal });
    try {
      // Asked on behalf of all calls, so one that gives up does not end it for the others.
      if (call.asksEncoding === true) isBinary = await untilAborted(this.sendsBinary(), signal);
      if (retry === false || call.mayRetry === false) return await attempt();
      return await withRetries(attempt, retry, { budget, clock, deadlineMs, signal });
    } catch (error) {
      if (call.signal?.aborted === true)
        throw new InferenceError('cancelled', 'The call was cancelled.', { cause: error });
      if (!signal.aborted) throw error;
      throw new InferenceError('deadline_exceeded', `No answer within ${timeoutMs} ms.`, { cause: error });
    }
  }

  #limit({ signal, timeoutMs: askedMs = this.#options.timeoutMs ?? 60_000 }: CallOptions): {
    readonly signal: AbortSignal;
    readonly deadlineMs: number;
    readonly timeoutMs: number;
  } {
    const timeoutMs = Math.min(askedMs, longestTimeoutMs);
    const timeout = AbortSignal.timeout(timeoutMs);
    return {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      deadlineMs: this.#clock.nowMs() + timeoutMs,
      timeoutMs,
    };
  }

  async #once(
    { path, answers }: HttpCall,
    { method, headers, body }: ReturnType<HttpCall['init']>,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const send = this.#options.fetch ?? fetch;
    let response: Response;
    try {
      response = await send(`${this.#base}${path}`, {
        method,
        headers: { ...this.#options.headers, ...headers },
        signal,
        ...(body !== undefined && { body }),
      });
      if (response.ok || answers?.includes(response.status) === true) {
        return { status: response.status, headers: response.headers, body: await response.arrayBuffer() };
      }
    } catch (error) {
      if (signal.aborted) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new InferenceError('connection', `The server at ${this.#base || 'this origin'} cannot be reached: ${why}`, {
        cause: error instanceof Error && error.cause !== undefined ? error.cause : error,
      });
    }
    throw await errorOfAnswer(response, this.#clock.nowMs());
  }
}
