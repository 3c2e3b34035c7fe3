import type { z } from 'zod';
import { type LiveEvent, liveEventSchema } from './events.ts';
import { type RouteName, routes } from './routes.ts';

type Route<N extends RouteName> = (typeof routes)[N];
type ParamsOf<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamsOf<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;
type Params<N extends RouteName> =
  ParamsOf<Route<N>['path']> extends never
    ? object
    : { readonly params: Record<ParamsOf<Route<N>['path']>, string | number> };
type Query<N extends RouteName> =
  Route<N> extends { query: infer Q extends z.ZodType } ? { readonly query?: z.input<Q> } : object;
type Body<N extends RouteName> =
  Route<N> extends { body: infer B }
    ? B extends z.ZodType
      ? { readonly body: z.input<B> }
      : { readonly body: Uint8Array | Blob }
    : object;
type Answer<N extends RouteName> = Route<N> extends { answer: infer A extends z.ZodType } ? z.output<A> : Response;

export type CallOptions<N extends RouteName> = Params<N> & Query<N> & Body<N> & { readonly signal?: AbortSignal };

/** A control API that answered with an error: its stable code, HTTP status and sentence. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

interface AnyCall {
  readonly params?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

function urlOf(base: string, path: string, call: AnyCall): string {
  const filled = path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(String(call.params?.[name] ?? '')));
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(call.query ?? {})) if (value !== undefined) query.set(key, String(value));
  const text = query.toString();
  return `${base}${filled}${text === '' ? '' : `?${text}`}`;
}

async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'error' in parsed) {
      const { error } = parsed;
      if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) {
        return new ApiError(String(error.code), response.status, String(error.message));
      }
    }
  } catch {
    // The body is not JSON: something between the client and the server answered.
  }
  return new ApiError(
    'unexpected_answer',
    response.status,
    `The server answered ${response.status}: ${text.slice(0, 200)}`,
  );
}

/** The typed client of the control API; runs in Node and in a browser, over `fetch` only. */
export class HoldfastClient {
  readonly #base: string;
  readonly #timeoutMs: number;
  readonly #headers: Readonly<Record<string, string>>;

  /**
   * @param base address of control, such as `http://127.0.0.1:8090`; empty for the page's own origin
   * @param options.timeoutMs bound on one call; @default 60000
   * @param options.actor who acts, for the history of changes
   */
  constructor(base: string, options: { readonly timeoutMs?: number; readonly actor?: string } = {}) {
    this.#base = base.replace(/\/$/, '');
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    this.#headers = options.actor === undefined ? {} : { 'x-holdfast-actor': options.actor };
  }

  /** Calls one route of the table. @throws ApiError when the server refuses; TypeError when it cannot be reached. */
  async call<N extends RouteName>(name: N, options: CallOptions<N>): Promise<Answer<N>>;
  async call(name: RouteName, given: object): Promise<unknown> {
    const options: AnyCall = given;
    const route = routes[name];
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const headers: Record<string, string> = { ...this.#headers };
    const init: RequestInit = {
      method: route.method,
      headers,
      signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
    };
    if (options.body instanceof Uint8Array || options.body instanceof Blob) {
      headers['content-type'] = 'application/octet-stream';
      init.body = new Blob([options.body instanceof Blob ? options.body : Uint8Array.from(options.body)]);
    } else if (options.body !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(options.body);
    }
    const response = await fetch(urlOf(this.#base, route.path, options), init);
    if (!response.ok) throw await errorOf(response);
    if (typeof route.answer === 'string') return response;
    return route.answer.parse(await response.json());
  }

  /** Live events until the signal aborts or the connection ends. */
  async *events(signal: AbortSignal): AsyncGenerator<LiveEvent> {
    const response = await fetch(`${this.#base}${routes.events.path}`, { signal });
    if (!response.ok || response.body === null) throw await errorOf(response);
    let rest = '';
    const decoder = new TextDecoder();
    for await (const bytes of response.body) {
      rest += decoder.decode(bytes, { stream: true });
      const frames = rest.split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const line = frame.split('\n').find(part => part.startsWith('data: '));
        if (line !== undefined) yield liveEventSchema.parse(JSON.parse(line.slice(6)));
      }
    }
  }
}
