import { Worker } from 'node:worker_threads';
import { fault, type Signature, type Tensor } from '@holdfast/api';
import { readLabels } from '../feedback/labels.ts';
import type { ReceivedLabel } from '../prediction-sink.ts';
import { type InvocationFormat, readInvocation } from '../protocols/mlflow/read-invocation.ts';
import { type InferRequest, readInferRequest } from '../protocols/oip-rest/infer-request.ts';
import { type PredictRequest, readPredictRequest } from '../protocols/tfs-rest/predict-request.ts';
import { Refusal } from '../refusal.ts';
import type { BodyOrder, PackedBody, ThreadAnswer, ThreadOrder } from './packed-body.ts';
import { unpackLabels, unpackTensors } from './packed-body.ts';

/** JSON beyond this many bytes takes longer to read (about 10 ms) than other requests should wait. */
const largeBytes = 1_048_576;
/** Large bodies in memory at a time; more are refused until one is done. */
const mostWaiting = 16;

interface Waiting {
  readonly resolve: (body: PackedBody) => void;
  readonly reject: (error: unknown) => void;
}

const entry = import.meta.url.endsWith('.ts')
  ? new URL('./body-thread.ts', import.meta.url)
  : new URL('./body-thread.js', import.meta.url);

/** Reads request bodies: small ones at once, large ones in a thread of its own that starts with the first of them. */
export class BodyReader implements AsyncDisposable {
  readonly #waiting = new Map<number, Waiting>();
  #thread: Worker | undefined;
  #nextId = 0;

  /** @throws Refusal */
  infer(body: Buffer, jsonBytes: number, model: string): InferRequest | Promise<InferRequest> {
    if (jsonBytes <= largeBytes) return readInferRequest(body, jsonBytes, model);
    return this.#infer(body, jsonBytes, model);
  }

  async #infer(body: Buffer, jsonBytes: number, model: string): Promise<InferRequest> {
    const read = await this.#inThread({ kind: 'infer', jsonBytes, model }, body);
    if (read.kind !== 'infer') throw new Error(`the thread read ${read.kind}`);
    return { ...read.request, inputs: await unpackTensors(read.inputs) };
  }

  /** @throws Refusal */
  predict(body: Buffer, signature: Pick<Signature, 'inputs'>): PredictRequest | Promise<PredictRequest> {
    return body.length <= largeBytes ? readPredictRequest(body, signature) : this.#predict(body, signature);
  }

  async #predict(body: Buffer, { inputs }: Pick<Signature, 'inputs'>): Promise<PredictRequest> {
    const read = await this.#inThread({ kind: 'predict', inputs }, body);
    if (read.kind !== 'predict') throw new Error(`the thread read ${read.kind}`);
    return { form: read.form, inputs: await unpackTensors(read.inputs) };
  }

  /** @throws Refusal */
  invocation(
    body: Buffer,
    format: InvocationFormat,
    signature: Pick<Signature, 'inputs' | 'columns'>,
  ): Tensor[] | Promise<Tensor[]> {
    return body.length <= largeBytes
      ? readInvocation(body, format, signature)
      : this.#invocation(body, format, signature);
  }

  async #invocation(
    body: Buffer,
    format: InvocationFormat,
    { inputs, columns }: Pick<Signature, 'inputs' | 'columns'>,
  ): Promise<Tensor[]> {
    const read = await this.#inThread({ kind: 'invocation', format, inputs, columns }, body);
    if (read.kind !== 'invocation') throw new Error(`the thread read ${read.kind}`);
    return unpackTensors(read.inputs);
  }

  /** @throws Refusal */
  async labels(body: Buffer, isLines: boolean, nowMs: number): Promise<readonly ReceivedLabel[]> {
    if (body.length <= largeBytes) return readLabels(body, isLines, nowMs);
    const read = await this.#inThread({ kind: 'labels', isLines, nowMs }, body);
    if (read.kind !== 'labels') throw new Error(`the thread read ${read.kind}`);
    return unpackLabels(read.labels);
  }

  /** @throws Fault `overloaded` */
  #inThread(order: BodyOrder, body: Buffer): Promise<PackedBody> {
    if (this.#waiting.size >= mostWaiting) throw fault('overloaded', 1000);
    const id = this.#nextId++;
    const isOwn = body.byteOffset === 0 && body.byteLength === body.buffer.byteLength;
    const bytes = isOwn ? new Uint8Array(body.buffer) : Uint8Array.from(body);
    const message: ThreadOrder = { id, order, bytes };
    this.#thread ??= this.#start();
    const thread = this.#thread;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      thread.postMessage(message, bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : []);
    });
  }

  #start(): Worker {
    const thread = new Worker(entry);
    // A thread without work does not keep the process alive.
    thread.unref();
    thread.on('message', (answer: ThreadAnswer) => this.#settle(answer));
    thread.on('error', error => this.#lose(thread, error));
    thread.on('exit', () => this.#lose(thread, new Error('the thread that reads large bodies ended')));
    return thread;
  }

  #settle(answer: ThreadAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if (answer.kind === 'read') waiting?.resolve(answer.body);
    else if (answer.kind === 'refused')
      waiting?.reject(new Refusal(answer.code, answer.text, { status: answer.status }));
    else waiting?.reject(new Error(answer.text));
  }

  /** Fails what the thread held; the next large body starts another one. */
  #lose(thread: Worker, error: Error): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread?.terminate();
  }
}
