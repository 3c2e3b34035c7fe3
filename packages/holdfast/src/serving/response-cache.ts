import { createHash } from 'node:crypto';
import type { Tensor } from '@holdfast/api';
import type { ServingClock } from './clock.ts';

export interface ResponseCacheOptions {
  /** Most memory for remembered outputs. */
  readonly bytes: number;
  /** An answer older than this is not given again, in ms. */
  readonly maximumAgeMs: number;
}

interface Entry {
  readonly outputs: readonly Tensor[];
  readonly bytes: number;
  readonly storedMs: number;
}

/** What an entry takes beside the numbers of its tensors, about. */
const overheadBytes = 512;

function bytesOf({ data }: Tensor): number {
  if (ArrayBuffer.isView(data)) return data.byteLength;
  let bytes = 0;
  for (const text of data) bytes += 2 * String(text).length + 16;
  return bytes;
}

/** Outputs are views of a whole batch's memory; what is kept must not keep that. */
function copyOf(tensor: Tensor): Tensor {
  return { ...tensor, shape: tensor.shape.slice(), data: tensor.data.slice() };
}

/** Answers of one version by the bytes of their inputs; the one that was not asked for longest goes first. */
export class ResponseCache {
  readonly #options: ResponseCacheOptions;
  readonly #clock: Pick<ServingClock, 'monotonicMs'>;
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(options: ResponseCacheOptions, clock: Pick<ServingClock, 'monotonicMs'>) {
    this.#options = options;
    this.#clock = clock;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Equal only for inputs that are equal in names, dtypes, shapes and every bit. */
  static keyOf(inputs: readonly Tensor[]): string {
    const hash = createHash('sha256');
    for (const { name, datatype, shape, data } of inputs) {
      const texts = ArrayBuffer.isView(data) ? [] : Array.from(data, String);
      hash.update(`${JSON.stringify([name, datatype, shape, texts])}\n`);
      if (ArrayBuffer.isView(data)) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    }
    return hash.digest('base64');
  }

  get(key: string): readonly Tensor[] | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (this.#clock.monotonicMs() - entry.storedMs > this.#options.maximumAgeMs) {
      this.#bytes -= entry.bytes;
      return undefined;
    }
    this.#entries.set(key, entry);
    return entry.outputs;
  }

  /** What is larger than the whole cache is not kept. */
  set(key: string, outputs: readonly Tensor[]): void {
    const bytes = outputs.reduce((sum, tensor) => sum + bytesOf(tensor), overheadBytes);
    if (bytes > this.#options.bytes) return;
    this.#drop(key);
    this.#entries.set(key, { outputs: outputs.map(copyOf), bytes, storedMs: this.#clock.monotonicMs() });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= this.#options.bytes) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}
