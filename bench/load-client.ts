// A load generator that costs little: raw keep-alive sockets, requests built once, answers read only as far as their
// status and length. Runs in a process of its own, so that its work is not counted as the server's.
import { type ChildProcess, fork } from 'node:child_process';
import { connect, type Socket } from 'node:net';

/** One stretch of load: each connection sends its next request when the answer to the last one is there. */
export interface Load {
  readonly port: number;
  /** Whole HTTP/1.1 requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  readonly connections: number;
  /** It lasts at least this long ... */
  readonly seconds: number;
  /** ... and for at least this many requests. */
  readonly minimumRequests: number;
}

export interface LoadResult {
  readonly requests: number;
  /** Answers whose status was not 200. */
  readonly failures: number;
  /** The first of them, status line, headers and body. */
  readonly firstFailure: string | undefined;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

type Answer = { readonly result: LoadResult } | { readonly error: string };

const readBytes = 65_536;
const headEnd = Buffer.from('\r\n\r\n');

class LoadRun {
  readonly #load: Load;
  readonly #startedMs = performance.now();
  readonly #latenciesMs: number[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #done = Promise.withResolvers<LoadResult>();
  #next = 0;
  #busy = 0;
  #failures = 0;
  #firstFailure: string | undefined;

  constructor(load: Load) {
    this.#load = load;
  }

  run(): Promise<LoadResult> {
    for (let i = 0; i < this.#load.connections; i++) this.#connect();
    return this.#done.promise;
  }

  #connect(): void {
    let sentMs = 0;
    let missing = 0;
    let head: Buffer = Buffer.alloc(0);
    this.#busy++;
    const send = (): void => {
      sentMs = performance.now();
      socket.write(this.#load.requests[this.#next++ % this.#load.requests.length]!);
    };
    const answered = (): void => {
      const nowMs = performance.now();
      this.#latenciesMs.push(nowMs - sentMs);
      if (this.#isOver(nowMs)) this.#leave();
      else send();
    };
    const take = (length: number, buffer: Uint8Array): boolean => {
      const bytes = Buffer.from(buffer.buffer, buffer.byteOffset, length);
      if (missing > 0) missing -= length;
      else {
        const text = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
        const bodyAt = text.indexOf(headEnd) + headEnd.length;
        if (bodyAt < headEnd.length) {
          head = Buffer.from(text);
          return true;
        }
        head = Buffer.alloc(0);
        missing = bodyAt + this.#bodyLength(text, bodyAt) - text.length;
      }
      if (missing < 0) this.#done.reject(new Error('more bytes came than the answer announced'));
      else if (missing === 0) answered();
      return true;
    };
    const socket = connect({
      port: this.#load.port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: Buffer.allocUnsafe(readBytes), callback: take },
    });
    this.#sockets.add(socket);
    socket.once('connect', send);
    socket.once('error', error => this.#done.reject(error));
    socket.once('close', () => this.#done.reject(new Error('the server closed a connection')));
  }

  #bodyLength(text: Buffer, bodyAt: number): number {
    const head = text.toString('latin1', 0, bodyAt);
    if (!head.startsWith('HTTP/1.1 200')) {
      this.#failures++;
      this.#firstFailure ??= text.toString('latin1', 0, 2000);
    }
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length === undefined) this.#done.reject(new Error(`an answer without content-length: ${head}`));
    return Number(length ?? 0);
  }

  #isOver(nowMs: number): boolean {
    return (
      nowMs - this.#startedMs >= this.#load.seconds * 1000 && this.#latenciesMs.length >= this.#load.minimumRequests
    );
  }

  #leave(): void {
    if (--this.#busy > 0) return;
    const elapsedMs = performance.now() - this.#startedMs;
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    this.#done.resolve({
      requests: sorted.length,
      failures: this.#failures,
      firstFailure: this.#firstFailure,
      elapsedMs,
      p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function answer(load: Load): Promise<Answer> {
  const run = new LoadRun(load);
  try {
    return { result: await run.run() };
  } catch (error) {
    return { error: String(error) };
  } finally {
    run.close();
  }
}

/** The load generator's process; it does one stretch of load at a time. */
export class LoadClient implements Disposable {
  readonly #child: ChildProcess;

  constructor() {
    this.#child = fork(import.meta.filename, [], { serialization: 'advanced' });
  }

  /** @throws Error when a connection breaks, an answer is not 200, or this is disposed */
  async run(load: Load): Promise<LoadResult> {
    if (!this.#child.connected) throw new Error('the load generator has ended');
    const told = Promise.withResolvers<Answer>();
    const ended = (): void => told.reject(new Error('the load generator ended'));
    this.#child.once('message', (answer: Answer) => told.resolve(answer));
    this.#child.once('exit', ended);
    this.#child.send(load);
    const answer = await told.promise.finally(() => this.#child.off('exit', ended));
    if ('error' in answer) throw new Error(answer.error);
    const { failures, requests, firstFailure } = answer.result;
    if (failures > 0) throw new Error(`${failures} of ${requests} requests failed, the first with ${firstFailure}`);
    return answer.result;
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}

if (process.argv[1] === import.meta.filename) {
  process.on('message', (load: Load) => {
    void answer(load).then(result => process.send?.(result));
  });
  process.on('disconnect', () => process.exit(0));
}
