import type { IncomingMessage, ServerResponse } from 'node:http';
import { fault } from '@holdfast/api';
import { asRefusal, BodyTooLarge, badRequest, type Refusal } from '../refusal.ts';
import { type Coding, compress, decompress, requestCoding, responseCoding } from './content-coding.ts';
import type { CorsPolicy } from './cors.ts';
import { headerNamed, type RequestHeaders, readHeaders } from './request-headers.ts';

/** A chunked body in more pieces than this is an attack on the allocator. */
const maximumChunks = 65_536;

export interface Reply {
  readonly status: number;
  readonly contentType: string;
  /** Further headers, name and value in turn. */
  readonly headers?: readonly string[];
  readonly body: string | Buffer;
  /** Says that a text body has only ASCII characters, so that it need not be measured. */
  readonly isAscii?: boolean;
}

/** What all exchanges of a listener share. */
export interface ListenerState {
  /** Every answer ends its connection, so that no client sends another request into it. */
  isClosing: boolean;
  /** Bytes of bodies received for requests that are not answered yet, and of what compressed ones grew to. */
  heldBytes: number;
  /** More than this many are not held: the next body is refused as `overloaded`. */
  readonly heldBytesLimit: number;
  /** @default pages of other origins may not ask */
  readonly cors?: CorsPolicy | undefined;
}

/** One request and its answer. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #listener: ListenerState;
  readonly headers: RequestHeaders;
  /** The path without its query. */
  readonly path: string;
  /** When it arrived: wall clock, and monotonic clock. */
  readonly receivedMs: number;
  readonly startedMs: number;
  /** HTTP has no deadline of its own; callers name one in a header. */
  readonly transportTimeoutMs = undefined;
  #mustClose = false;
  #heldBytes = 0;

  /** @throws Refusal when the headers contradict themselves */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    arrival: { readonly path: string; readonly receivedMs: number; readonly startedMs: number },
    listener: ListenerState,
  ) {
    this.request = request;
    this.#response = response;
    this.#listener = listener;
    this.path = arrival.path;
    this.receivedMs = arrival.receivedMs;
    this.startedMs = arrival.startedMs;
    this.headers = readHeaders(request.rawHeaders);
  }

  /** Whether it was the question of a browser whether it may ask, which is answered herewith. */
  answerPreflight(): boolean {
    const reply = this.#listener.cors?.preflight(this.method, name => this.header(name));
    if (reply !== undefined) this.reply(reply);
    return reply !== undefined;
  }

  get method(): string {
    return this.request.method ?? 'GET';
  }

  /** Any header, by its name in lower case. */
  header(name: string): string | undefined {
    return headerNamed(this.request.rawHeaders, name);
  }

  /** The connection ends with this answer. */
  #closeAfterwards(): void {
    this.#mustClose = true;
  }

  /** Calls back when the client goes away before it has its answer. */
  onGone(gone: () => void): void {
    const response = this.#response;
    // It may have gone while its body was decompressed, or read in another thread.
    if (response.destroyed && !response.writableFinished) {
      gone();
      return;
    }
    response.once('close', () => {
      if (!response.writableFinished) gone();
    });
  }

  /**
   * The whole body, decompressed.
   * @throws Refusal `too_large`, `bad_request`; 501 for an unknown content coding
   */
  readBody(limitBytes: number): Promise<Buffer> {
    const coding = requestCoding(this.headers.contentEncoding);
    const declared = this.headers.contentLength;
    if (declared !== undefined && Number(declared) > limitBytes) throw this.#tooLarge(Number(declared), limitBytes);
    const received = this.#receive(limitBytes, declared === undefined);
    if (coding === 'identity') return received;
    return received.then(body => decompress(body, coding, limitBytes, bytes => this.#holdOrRefuse(bytes)));
  }

  #tooLarge(bytes: number, limitBytes: number): Refusal {
    this.#closeAfterwards();
    return new BodyTooLarge(bytes, limitBytes, false);
  }

  #receive(limitBytes: number, isChunked: boolean): Promise<Buffer> {
    const { request } = this;
    return new Promise((resolve, reject) => {
      let first: Buffer | undefined;
      let chunks: Buffer[] | undefined;
      let bytes = 0;
      let count = 0;
      const refuse = (refusal: Refusal): void => {
        request.removeAllListeners('data');
        request.resume();
        this.#closeAfterwards();
        reject(refusal);
      };
      request.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        this.#hold(chunk.length);
        if (bytes > limitBytes) refuse(this.#tooLarge(bytes, limitBytes));
        else if (this.#listener.heldBytes > this.#listener.heldBytesLimit)
          refuse(asRefusal(fault('overloaded', 1000), ''));
        else if (isChunked && ++count > maximumChunks) {
          refuse(badRequest(`Chunked request body exceeds maximum of ${maximumChunks} non-empty chunks.`));
        } else if (first === undefined) first = chunk;
        else if (chunks === undefined) chunks = [first, chunk];
        else chunks.push(chunk);
      });
      request.on('end', () =>
        resolve(chunks === undefined ? (first ?? Buffer.alloc(0)) : Buffer.concat(chunks, bytes)),
      );
      // An aborted request has no 'end'; without a listener for its 'error' it only closes.
      request.on('close', () => {
        if (!request.complete) reject(badRequest('The request body ended early.'));
      });
    });
  }

  /** @throws Refusal `overloaded` when more is held than may be */
  #holdOrRefuse(bytes: number): void {
    this.#hold(bytes);
    if (this.#listener.heldBytes > this.#listener.heldBytesLimit) throw asRefusal(fault('overloaded', 1000), '');
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#listener.heldBytes += bytes;
  }

  /** The request is answered: its body counts no longer. */
  release(): void {
    this.#listener.heldBytes -= this.#heldBytes;
    this.#heldBytes = 0;
  }

  /** Sends what a prediction was answered with, under its names. */
  answer(
    { contentType, headers, body, isAscii }: Omit<Reply, 'status'>,
    { predictionId, version }: { readonly predictionId: string; readonly version: number },
  ): void {
    const own = ['x-holdfast-prediction-id', predictionId, 'x-holdfast-version', String(version)];
    this.reply({
      status: 200,
      contentType,
      body,
      isAscii: isAscii === true,
      headers: headers === undefined ? own : [...own, ...headers],
    });
  }

  /** Sends the answer, compressed when the client asks and it pays. */
  reply(reply: Reply): void {
    const coding = responseCoding(this.headers.acceptEncoding);
    const compressing = compress(reply.body, coding);
    if (compressing === undefined) this.#send(reply, undefined);
    else {
      compressing.then(
        body => this.#send({ ...reply, body }, coding),
        () => this.#send(reply, undefined),
      );
    }
  }

  #send({ status, contentType, headers, body, isAscii }: Reply, coding: Coding | undefined): void {
    const response = this.#response;
    if (response.headersSent || response.destroyed) return;
    const isText = typeof body === 'string';
    const bytes = isText && isAscii !== true ? Buffer.byteLength(body) : body.length;
    const all = ['Content-Type', contentType, 'Content-Length', String(bytes)];
    if (headers !== undefined) for (const part of headers) all.push(part);
    if (coding !== undefined) all.push('Content-Encoding', coding);
    const cors = this.#listener.cors?.headersFor(this.headers.origin);
    if (cors !== undefined) all.push(...cors);
    if (this.#mustClose || this.#listener.isClosing) all.push('Connection', 'close');
    response.writeHead(status, all);
    if (isText) response.end(body, isAscii === true ? 'latin1' : 'utf8');
    else response.end(body);
  }
}
