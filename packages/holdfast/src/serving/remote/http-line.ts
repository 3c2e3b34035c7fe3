import {
  Agent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as plainRequest,
} from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import type { RemoteCredentials } from './credentials.ts';
import { connectTimeoutMs, largestAnswer, RemoteFailure } from './remote-client.ts';

export interface RemoteReply {
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface RemoteAsk {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly timeoutMs: number;
}

/** The caller's mistakes; every other 4xx is one of whoever set this up. */
const refusedStatus: ReadonlySet<number> = new Set([400, 413, 422]);
const failedStatus: ReadonlySet<number> = new Set([500, 501]);

/** What the protocols say in `error`; other text may be of a server that was never meant, and is not passed on. */
function wordsOf(body: Buffer): string {
  try {
    const { error } = Object(JSON.parse(body.toString('utf8')));
    return typeof error === 'string' ? error : '';
  } catch {
    return '';
  }
}

function failureOfStatus(status: number, body: Buffer): RemoteFailure {
  const kind = refusedStatus.has(status) ? 'refused' : failedStatus.has(status) ? 'failed' : 'unavailable';
  return new RemoteFailure(kind, `answered ${status}`, { detail: wordsOf(body) });
}

function readAll(response: IncomingMessage, done: (body: Buffer) => void, fail: (error: unknown) => void): void {
  const pieces: Buffer[] = [];
  let bytes = 0;
  response.on('data', (piece: Buffer) => {
    bytes += piece.length;
    if (bytes > largestAnswer)
      response.destroy(new RemoteFailure('failed', `gave an answer of more than ${largestAnswer} bytes`));
    else pieces.push(piece);
  });
  response.on('end', () => done(Buffer.concat(pieces, bytes)));
  response.on('error', fail);
}

/** Connections to one server, kept open between requests. Redirections are not followed. */
export class HttpLine {
  readonly #host: string;
  readonly #port: string;
  readonly #agent: Agent;
  readonly #send: typeof plainRequest;
  readonly #authorization: string | undefined;

  constructor(address: string, isEncrypted: boolean, credentials: RemoteCredentials) {
    const url = new URL(`${isEncrypted ? 'https' : 'http'}://${address}`);
    this.#host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    this.#port = url.port === '' ? (isEncrypted ? '443' : '80') : url.port;
    const { authorization, certificateAuthority: ca, certificate: cert, key } = credentials;
    this.#authorization = authorization;
    this.#send = isEncrypted ? secureRequest : plainRequest;
    this.#agent = isEncrypted
      ? new SecureAgent({ keepAlive: true, ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) })
      : new Agent({ keepAlive: true });
  }

  /** One request; an answer that is no 2xx is a failure with its words. @throws RemoteFailure */
  ask({ method, path, headers, body, timeoutMs }: RemoteAsk): Promise<RemoteReply> {
    return new Promise((resolve, reject) => {
      let isConnected = false;
      let hasResponse = false;
      const request = this.#send({
        host: this.#host,
        port: this.#port,
        method,
        path,
        agent: this.#agent,
        headers: {
          ...headers,
          ...(this.#authorization !== undefined && { Authorization: this.#authorization }),
          ...(body !== undefined && {
            'Content-Length': body.length,
            // What gRPC says with its deadline.
            'X-Request-Timeout-Ms': Math.ceil(timeoutMs),
          }),
        },
      });
      const timers: NodeJS.Timeout[] = [];
      const end = (outcome: () => void): void => {
        for (const timer of timers) clearTimeout(timer);
        outcome();
      };
      const fail = (error: unknown): void => {
        // A server may close a connection that was idle in the moment it is used again: nothing was read of it.
        const isStale = request.reusedSocket && !hasResponse && codeOf(error) !== undefined;
        if (isStale) this.#closeIdle();
        end(() => reject(failureOf(error, !isConnected || isStale)));
      };
      const late = (why: string) => (): void => void request.destroy(new RemoteFailure('broken', why));
      timers.push(setTimeout(late('did not answer in time'), timeoutMs));
      request.on('error', fail);
      watchConnection(
        request,
        () => {
          isConnected = true;
        },
        timers,
      );
      request.on('response', response => {
        hasResponse = true;
        readAll(
          response,
          received => {
            const { statusCode = 0, headers: got } = response;
            if (statusCode >= 200 && statusCode < 300) end(() => resolve({ headers: got, body: received }));
            else end(() => reject(failureOfStatus(statusCode, received)));
          },
          fail,
        );
      });
      request.end(body);
    });
  }

  /** The other idle connections are most likely closed too: what is sent again goes on a new one. */
  #closeIdle(): void {
    for (const sockets of Object.values(this.#agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  close(): void {
    this.#agent.destroy();
  }
}

function watchConnection(request: ClientRequest, connected: () => void, timers: NodeJS.Timeout[]): void {
  request.on('socket', socket => {
    if (!socket.connecting) {
      connected();
      return;
    }
    const timer = setTimeout(
      () => void request.destroy(new RemoteFailure('unsent', 'cannot be reached (no connection in time)')),
      connectTimeoutMs,
    );
    timers.push(timer);
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      connected();
    });
  });
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = Object(error).code;
  return typeof code === 'string' ? code : undefined;
}

function failureOf(error: unknown, isUnsent: boolean): RemoteFailure {
  if (error instanceof RemoteFailure) return error;
  const code = codeOf(error) ?? 'unknown error';
  return isUnsent
    ? new RemoteFailure('unsent', `cannot be reached (${code})`, { cause: error })
    : new RemoteFailure('broken', `broke off (${code})`, { cause: error });
}
