import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Tensor } from '@holdfast/api';
import { type Frame, FrameEncoder, FrameReader, type RunFrame } from './frames.ts';
import type { RunAnswer, StateStep } from './runner.ts';
import { UnknownSequence } from './sequence-states.ts';

/** A step of a sequence, with the connection that its slot belongs to. */
export interface ConnectionStep extends StateStep {
  readonly connection: number;
}

/** What answers the frames: a loaded session, or a fake in tests. */
export interface RunTarget {
  run(inputs: readonly Tensor[], step?: ConnectionStep): Promise<RunAnswer>;
  /** Nothing of this connection will come any more. */
  closed?(connection: number): void;
  /** The reason in an error, in words for the caller. */
  reasonOf(error: unknown): string;
}

interface QueuedRun {
  readonly connection: Connection;
  readonly frame: RunFrame;
}

interface Connection {
  readonly number: number;
  readonly socket: Socket;
  readonly encoder: FrameEncoder;
}

/** Frames waiting beyond this stop the reading of their connection until the queue is shorter. */
const maxQueuedRuns = 64;

/**
 * Listens on a Unix socket and answers run frames one at a time, in the order of their arrival. Tensors without elements
 * are refused: several operators of ONNX Runtime (LSTM, Einsum, TopK) divide by their size and end the whole process.
 */
export class RunServer implements AsyncDisposable {
  readonly #target: RunTarget;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #queue: QueuedRun[] = [];
  #isRunning = false;
  #accepted = 0;
  #whenIdle: (() => void) | undefined;

  constructor(target: RunTarget) {
    this.#target = target;
    this.#server = createServer(socket => this.#accept(socket));
  }

  /** Takes the socket path over from a process that is gone. */
  listen(socketPath: string): Promise<void> {
    rmSync(socketPath, { force: true });
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socketPath, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  /** Takes no new connection or run, answers what has arrived, and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const { socket } of this.#connections) socket.pause();
    if (this.#isRunning) await new Promise<void>(resolve => (this.#whenIdle = resolve));
    const closed = [...this.#connections].map(
      ({ socket }) => new Promise<void>(resolve => socket.once('close', () => resolve())),
    );
    for (const { socket } of this.#connections) socket.end(() => socket.destroy());
    await Promise.all(closed);
  }

  #accept(socket: Socket): void {
    const connection: Connection = { number: this.#accepted++, socket, encoder: new FrameEncoder() };
    const reader = new FrameReader(frame => this.#receive(connection, frame));
    this.#connections.add(connection);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#connections.delete(connection);
      this.#target.closed?.(connection.number);
    });
    socket.on('data', chunk => {
      try {
        reader.push(chunk);
      } catch {
        // Not our protocol: nothing sensible can be said to the other side.
        socket.destroy();
      }
    });
    send(connection, { kind: 'hello', id: process.pid });
  }

  #receive(connection: Connection, frame: Frame): void {
    if (frame.kind !== 'run') {
      connection.socket.destroy();
      return;
    }
    this.#queue.push({ connection, frame });
    if (this.#queue.length >= maxQueuedRuns) connection.socket.pause();
    if (!this.#isRunning) void this.#runAll();
  }

  async #runAll(): Promise<void> {
    this.#isRunning = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const { connection, frame } = next;
      if (connection.socket.destroyed) continue;
      const answer = await this.#answer(frame, connection);
      if (!connection.socket.destroyed) send(connection, answer);
      if (this.#queue.length < maxQueuedRuns / 2 && this.#whenIdle === undefined) connection.socket.resume();
    }
    this.#isRunning = false;
    this.#whenIdle?.();
  }

  async #answer({ id, tensors, step }: RunFrame, { number: connection }: Connection): Promise<Frame> {
    const empty = tensors.find(({ shape }) => shape.includes(0));
    if (empty !== undefined) {
      const message = `input '${empty.name}' has the shape [${empty.shape.join(',')}]; the runtime is not asked about tensors without elements`;
      return { kind: 'failure', id, code: 'bad_request', message };
    }
    try {
      const { outputs, inferUs } = await this.#target.run(tensors, step && { ...step, connection });
      return { kind: 'answer', id, tensors: outputs, inferUs };
    } catch (error) {
      if (error instanceof UnknownSequence) return { kind: 'failure', id, code: 'bad_request', message: error.message };
      return { kind: 'failure', id, code: 'inference_failed', message: this.#target.reasonOf(error) };
    }
  }
}

function send({ socket, encoder }: Connection, frame: Frame): void {
  let bytes: Buffer;
  try {
    bytes = encoder.encode(frame);
  } catch (error) {
    const message = `the answer cannot be sent: ${error instanceof Error ? error.message : String(error)}`;
    bytes = encoder.encode({ kind: 'failure', id: frame.id, code: 'inference_failed', message });
  }
  socket.write(bytes);
  // What the kernel did not take at once is sent later from the same memory.
  if (socket.writableLength > 0) encoder.keep();
}
