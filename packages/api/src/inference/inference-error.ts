/**
 * Why an inference call failed. `unavailable`, `overloaded` and `connection` may succeed when they are tried again;
 * `cancelled` is the caller's own signal, `bad_answer` a server that does not keep to the protocol.
 */
export type InferenceErrorCode =
  | 'invalid_request'
  | 'unauthorized'
  | 'not_found'
  | 'too_large'
  | 'overloaded'
  | 'unavailable'
  | 'deadline_exceeded'
  | 'cancelled'
  | 'connection'
  | 'unsupported'
  | 'server_error'
  | 'bad_answer';

export interface InferenceErrorOptions extends ErrorOptions {
  /** HTTP status; undefined when there was no answer. */
  readonly status?: number | undefined;
  /** The server's own code, where its protocol has one. */
  readonly serverCode?: string | undefined;
  /** What the server's `Retry-After` asks for. */
  readonly retryAfterMs?: number | undefined;
}

/** A call that failed, with the server's sentence. */
export class InferenceError extends Error {
  override readonly name = 'InferenceError';
  readonly code: InferenceErrorCode;
  readonly status: number | undefined;
  readonly serverCode: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(code: InferenceErrorCode, message: string, options: InferenceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.serverCode = options.serverCode;
    this.retryAfterMs = options.retryAfterMs;
  }
}

function codeOf(status: number): InferenceErrorCode {
  switch (status) {
    case 401:
    case 403:
      return 'unauthorized';
    case 404:
      return 'not_found';
    case 408:
    case 504:
      return 'deadline_exceeded';
    case 413:
      return 'too_large';
    case 405:
    case 415:
    case 501:
      return 'unsupported';
    case 429:
      return 'overloaded';
    case 502:
    case 503:
      return 'unavailable';
    default:
      return status < 500 ? 'invalid_request' : 'server_error';
  }
}

/** Delay that a `Retry-After` header asks for: seconds, or a date. */
export function retryAfterMsOf(header: string | null, nowMs: number): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** The sentence and code in an error body: `{"error": "..."}`, `{"error": {"code", "message"}}` or `{"detail": "..."}`. */
function toldIn(text: string): { readonly message: string | undefined; readonly serverCode: string | undefined } {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { message: undefined, serverCode: undefined };
  }
  const error = fieldOf(body, 'error');
  const message = [error, fieldOf(error, 'message'), fieldOf(body, 'detail'), fieldOf(body, 'message')].find(
    candidate => typeof candidate === 'string',
  );
  const code = [fieldOf(error, 'code'), fieldOf(body, 'code'), fieldOf(body, 'error_code')].find(
    candidate => typeof candidate === 'string',
  );
  return {
    message: message === undefined ? undefined : String(message),
    serverCode: code === undefined ? undefined : String(code),
  };
}

/** The error that an answer outside 2xx tells. */
export async function errorOfAnswer(response: Response, nowMs: number): Promise<InferenceError> {
  // The status says enough when the connection is lost within the body.
  const text = await response.text().catch(() => '');
  const { message, serverCode } = toldIn(text);
  const { status } = response;
  return new InferenceError(codeOf(status), message ?? `The server answered ${status}: ${text.slice(0, 200)}`, {
    status,
    serverCode,
    retryAfterMs: retryAfterMsOf(response.headers.get('retry-after'), nowMs),
  });
}
