import { connect, type Socket } from 'node:net';
import { fault, type Tensor } from '@holdfast/api';
import { defaultMaxFrameBytes, type Frame, FrameEncoder, FrameError, FrameReader } from './frames.ts';
import type { RunAnswer, Runner, RunOptions, StateStep } from './runner.ts';

export interface RunnerLinkOptions {
  /** Name for error sentences. */
  readonly model: string;
  /** A run longer than this is given up, and `onHang` asks for the process to be killed; in ms. */
  readonly hangTimeoutMs: number;
  /** How long a run waits for a lost process to be replaced, and the first connection for its process. @default 10000 */
  readonly reconnectTimeoutMs?: number;
  /** Largest frame sent or accepted. @default 256 MiB */
  readonly maxFrameBytes?: number;
  /** Told once per hang; the owner of the processes should kill the one behind this socket. */
  readonly onHang?: () => void;
  /** Milliseconds from a monotonic clock. @default performance.now */
  readonly clock?: () => number;
}

/** A runner behind a Unix socket. */
export interface RunnerLink extends Runner {
  /** False while the process behind the socket is being replaced; runs wait for it then. */
  readonly isConnected: boolean;
}

/**
 * Connects to a runner process.
 * @throws Fault `runner_lost` when no runner answers on the socket within `reconnectTimeoutMs`
 */
export async function connectRunner(socketPath: string, options: RunnerLinkOptions): Promise<RunnerLink> {
  const link = new SocketRunner(socketPath, options);
  await link.connected();
  return link;
}

interface PendingRun {
  readonly inputs: readonly Tensor[];
  readonly step: StateStep | undefined;
  readonly resolve: (answer: RunAnswer) => void;
  readonly reject: (error: unknown) => void;
  /** When it was sent or, behind others on the wire, when the one before it was answered. */
  sinceMs: number;
  id: number;
  isAbandoned: boolean;
}

const defaultReconnectTimeoutMs = 10_000;
const firstBackoffMs = 4;
const maxBackoffMs = 200;

class SocketRunner implements RunnerLink {
  readonly #socketPath: string;
  readonly #options: RunnerLinkOptions;
  readonly #clock: () => number;
  readonly #encoder: FrameEncoder;
  /** Sent and not answered, oldest first; the runner answers in order. */
  readonly #inFlight: PendingRun[] = [];
  /** Not sent, because the process is being replaced. */
  readonly #waiting: PendingRun[] = [];
  readonly #watch: NodeJS.Timeout;
  readonly #first = Promise.withResolvers<void>();
  readonly #startedMs: number;
  #socket: Socket | undefined;
  #reconnect: NodeJS.Timeout | undefined;
  #isConnected = false;
  #isClosing = false;
  #hasBeenConnected = false;
  #backoffMs = firstBackoffMs;
  #nextId = 0;
  #whenIdle: (() => void) | undefined;

  constructor(socketPath: string, options: RunnerLinkOptions) {
    this.#socketPath = socketPath;
    this.#options = options;
    this.#clock = options.clock ?? (() => performance.now());
    this.#encoder = new FrameEncoder(options.maxFrameBytes);
    this.#startedMs = this.#clock();
    const shortest = Math.min(options.hangTimeoutMs, this.#reconnectTimeoutMs);
    this.#watch = setInterval(() => this.#look(), Math.min(1000, Math.max(10, shortest / 4)));
    this.#connect();
  }

  get isBusy(): boolean {
    return this.#inFlight.length > 0;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  connected(): Promise<void> {
    return this.#first.promise;
  }

  run(inputs: readonly Tensor[], options?: RunOptions): Promise<RunAnswer> {
    if (this.#isClosing) return Promise.reject(this.#lost());
    const signal = options?.signal;
    const step = options?.step;
    if (signal !== undefined) return this.#runUntil(signal, inputs, step);
    return new Promise((resolve, reject) => this.#start(inputs, step, resolve, reject));
  }

  /** Waits for the runs under way, bounded by the hang timeout, and closes the connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    for (const run of this.#waiting.splice(0)) run.reject(this.#lost());
    if (this.#inFlight.length > 0) await new Promise<void>(resolve => (this.#whenIdle = resolve));
    this.#close();
  }

  get #reconnectTimeoutMs(): number {
    return this.#options.reconnectTimeoutMs ?? defaultReconnectTimeoutMs;
  }

  #lost(): Error {
    return fault('runner_lost', this.#options.model);
  }

  #start(
    inputs: readonly Tensor[],
    step: StateStep | undefined,
    resolve: PendingRun['resolve'],
    reject: PendingRun['reject'],
  ): PendingRun {
    const run: PendingRun = { inputs, step, resolve, reject, sinceMs: this.#clock(), id: 0, isAbandoned: false };
    if (this.#isConnected) this.#send(run);
    else this.#waiting.push(run);
    return run;
  }

  async #runUntil(signal: AbortSignal, inputs: readonly Tensor[], step: StateStep | undefined): Promise<RunAnswer> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<RunAnswer>();
    const run = this.#start(inputs, step, resolve, reject);
    const abandon = (): void => {
      run.isAbandoned = true;
      reject(signal.reason);
    };
    signal.addEventListener('abort', abandon, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener('abort', abandon);
    }
  }

  #send(run: PendingRun): void {
    const socket = this.#socket;
    if (socket === undefined || run.isAbandoned) return;
    run.id = this.#nextId;
    this.#nextId = (this.#nextId + 1) >>> 0;
    let bytes: Buffer;
    try {
      bytes = this.#encoder.encode({ kind: 'run', id: run.id, tensors: run.inputs, step: run.step });
    } catch (error) {
      run.reject(error instanceof FrameError ? fault('bad_request', error.message) : error);
      return;
    }
    this.#inFlight.push(run);
    socket.write(bytes);
    // What the kernel did not take at once is sent later from the same memory.
    if (socket.writableLength > 0) this.#encoder.keep();
  }

  #connect(): void {
    const socket = connect(this.#socketPath);
    const reader = new FrameReader(frame => this.#receive(frame), this.#options.maxFrameBytes ?? defaultMaxFrameBytes);
    this.#socket = socket;
    socket.on('data', chunk => {
      if (this.#socket !== socket) return;
      try {
        reader.push(chunk);
      } catch {
        socket.destroy();
      }
    });
    // Whatever the error, 'close' follows and decides.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#socket === socket) this.#disconnected();
    });
  }

  #receive(frame: Frame): void {
    if (frame.kind === 'hello') {
      this.#welcome();
      return;
    }
    const run = this.#inFlight.shift();
    if (run === undefined || run.id !== frame.id || frame.kind === 'run') {
      if (run !== undefined) this.#inFlight.unshift(run);
      throw new FrameError('an answer that belongs to no run');
    }
    if (frame.kind === 'answer') run.resolve({ outputs: frame.tensors, inferUs: frame.inferUs });
    else run.reject(fault(frame.code, frame.message));
    const next = this.#inFlight[0];
    if (next !== undefined) next.sinceMs = this.#clock();
    else this.#whenIdle?.();
  }

  /** The process answers: only now is it known not to be stuck behind an open socket. */
  #welcome(): void {
    this.#isConnected = true;
    this.#hasBeenConnected = true;
    this.#backoffMs = firstBackoffMs;
    this.#first.resolve();
    const nowMs = this.#clock();
    for (const run of this.#waiting.splice(0)) {
      run.sinceMs = nowMs;
      this.#send(run);
    }
  }

  #disconnected(): void {
    this.#socket = undefined;
    this.#isConnected = false;
    for (const run of this.#inFlight.splice(0)) run.reject(this.#lost());
    this.#whenIdle?.();
    if (this.#isClosing) return;
    this.#reconnect = setTimeout(() => this.#connect(), this.#backoffMs);
    this.#backoffMs = Math.min(maxBackoffMs, this.#backoffMs * 2);
  }

  /** A few times per timeout: gives up on a run that hangs and on waiting for a process that does not come. */
  #look(): void {
    const nowMs = this.#clock();
    const oldest = this.#inFlight[0];
    if (oldest !== undefined && nowMs - oldest.sinceMs > this.#options.hangTimeoutMs) {
      this.#options.onHang?.();
      this.#socket?.destroy();
    }
    while (this.#waiting.length > 0 && nowMs - this.#waiting[0]!.sinceMs > this.#reconnectTimeoutMs) {
      this.#waiting.shift()?.reject(this.#lost());
    }
    if (!this.#hasBeenConnected && nowMs - this.#startedMs > this.#reconnectTimeoutMs) {
      this.#isClosing = true;
      this.#close();
      this.#first.reject(this.#lost());
    }
  }

  #close(): void {
    clearInterval(this.#watch);
    clearTimeout(this.#reconnect);
    this.#isConnected = false;
    this.#socket?.destroy();
    this.#socket = undefined;
  }
}
