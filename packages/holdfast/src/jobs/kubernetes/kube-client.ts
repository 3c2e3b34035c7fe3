import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { LineSplitter } from '../line-feed.ts';
import type { KubeConnection, KubeCredential } from './kube-connection.ts';

/** Longest wait for the head of an answer. */
const answerMs = 30_000;
const keepAliveMs = 20_000;
const mostPauseMs = 10_000;

const statusSchema = z.looseObject({
  message: z.string().default(''),
  reason: z.string().default(''),
  code: z.number().optional(),
});

/** What the API server refused, as its Status says. */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message === '' ? `the API server answered ${status} ${reason}` : message);
    this.status = status;
    this.reason = reason;
  }
}

export function isKubeError(error: unknown, status: number): error is KubeError {
  return error instanceof KubeError && error.status === status;
}

const passingCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
]);

/** True when the same call may succeed a moment later: nobody answered, or the server is busy. */
export function isPassing(error: unknown): boolean {
  if (error instanceof KubeError) return error.status === 408 || error.status === 429 || error.status >= 500;
  return error instanceof Error && 'code' in error && passingCodes.has(String(error.code));
}

interface Call {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: object;
  readonly signal?: AbortSignal | undefined;
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function errorOf(status: number, text: string): KubeError {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    return new KubeError(status, '', text.trim().slice(0, 300));
  }
  const { message, reason } = statusSchema.catch({ message: '', reason: '' }).parse(said);
  return new KubeError(status, reason, message);
}

/** Calls of the Kubernetes API: objects as JSON, watches and logs as lines. */
export class KubeClient implements Disposable {
  readonly namespace: string;
  readonly #connection: KubeConnection;
  readonly #agent: HttpAgent;

  constructor(connection: KubeConnection, namespace: string) {
    this.namespace = namespace;
    this.#connection = connection;
    const options = { keepAlive: true, keepAliveMsecs: keepAliveMs };
    this.#agent = connection.server.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** @throws KubeError when the server refuses; whatever the network throws */
  async call(call: Call): Promise<unknown> {
    return JSON.parse(await textOf(await this.#open(call)));
  }

  /**
   * As `call`, again while the server is busy or out of reach.
   *
   * @param attempts after so many the error is thrown
   */
  async callPatiently(call: Call, attempts = Number.POSITIVE_INFINITY): Promise<unknown> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.call(call);
      } catch (error) {
        if (call.signal?.aborted || attempt >= attempts || !isPassing(error)) throw error;
        await this.rest(attempt, call.signal);
      }
    }
  }

  /**
   * Passes on the lines of an answer that may never end; the next one waits until this one was taken.
   *
   * @returns true at the end of the answer, false when the connection broke
   */
  async lines(call: Call, onLine: (line: string) => Promise<void>): Promise<boolean> {
    const response = await this.#open(call);
    const splitter = new LineSplitter();
    const chunks = response[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await chunks.next().catch(() => undefined);
        if (next === undefined) return false;
        if (next.done === true) break;
        const chunk: unknown = next.value;
        if (!(chunk instanceof Uint8Array)) continue;
        for (const line of splitter.push(chunk)) await onLine(line);
      }
      for (const line of splitter.end()) await onLine(line);
      return true;
    } finally {
      response.destroy();
    }
  }

  /** The pause before the next attempt. */
  async rest(attempt: number, signal?: AbortSignal): Promise<void> {
    const ms = Math.min(mostPauseMs, 100 * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random() / 2);
    await pause(ms, undefined, signal === undefined ? {} : { signal });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #open(call: Call): Promise<IncomingMessage> {
    for (let isRefused = false; ; isRefused = true) {
      const response = await this.#send(call, await this.#connection.credential(isRefused));
      const status = response.statusCode ?? 0;
      if (status < 300) return response;
      const error = errorOf(status, await textOf(response));
      // A token that was replaced meanwhile is read again, once.
      if (status !== 401 || isRefused) throw error;
    }
  }

  #send(
    { method = 'GET', path, query = {}, body, signal }: Call,
    { authorization, cert, key }: KubeCredential,
  ): Promise<IncomingMessage> {
    const { server, ca, isInsecure, serverName } = this.#connection;
    const url = new URL(`${server.pathname.replace(/\/$/, '')}${path}`, server);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    const text = body === undefined ? undefined : JSON.stringify(body);
    const common = {
      method,
      agent: this.#agent,
      ...(signal !== undefined && { signal }),
      headers: {
        accept: 'application/json',
        ...(authorization !== undefined && { authorization }),
        ...(text !== undefined && {
          'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
          'content-length': Buffer.byteLength(text),
        }),
      },
    };
    const tls = {
      rejectUnauthorized: !isInsecure,
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(serverName !== undefined && { servername: serverName }),
    };
    return new Promise((resolve, reject) => {
      const request = url.protocol === 'https:' ? requestHttps(url, { ...common, ...tls }) : requestHttp(url, common);
      const late = Object.assign(new Error(`the API server ${server.host} does not answer`), { code: 'ETIMEDOUT' });
      const timer = setTimeout(() => request.destroy(late), answerMs);
      request.on('error', error => {
        clearTimeout(timer);
        reject(error);
      });
      request.once('response', response => {
        clearTimeout(timer);
        resolve(response);
      });
      request.end(text);
    });
  }
}
