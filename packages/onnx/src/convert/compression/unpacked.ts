import { OnnxError } from '../../onnx-error.ts';

/** A file that ends early or whose check sum differs. */
export function damaged(cause?: unknown): OnnxError {
  return new OnnxError('truncated', 'The compressed file is truncated or damaged; copy or download it again.', {
    cause,
  });
}

export function tooLarge(limit: number, cause?: unknown): OnnxError {
  return new OnnxError(
    'too_large',
    `The compressed file unpacks to more than ${limit} bytes, beyond the size limit; save the model without compression.`,
    { cause },
  );
}

/** Bytes as they are unpacked; a bomb runs into the limit while it unpacks. */
export class Unpacked {
  readonly #limit: number;
  #bytes = new Uint8Array(1 << 16);
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get length(): number {
    return this.#length;
  }

  /** Byte `distance` before the end. */
  back(distance: number): number {
    return this.#bytes[this.#length - distance]!;
  }

  push(byte: number): void {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  fill(byte: number, count: number): void {
    this.#reserve(count);
    this.#bytes.fill(byte, this.#length, this.#length + count);
    this.#length += count;
  }

  append(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Repeats what lies `distance` before the end, which may overlap what is written. */
  repeat(distance: number, count: number): void {
    this.#reserve(count);
    const start = this.#length;
    if (distance === 1) this.#bytes.fill(this.#bytes[start - 1]!, start, start + count);
    else if (distance >= count) this.#bytes.copyWithin(start, start - distance, start - distance + count);
    else for (let i = start; i < start + count; i++) this.#bytes[i] = this.#bytes[i - distance]!;
    this.#length += count;
  }

  from(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed > this.#limit) throw tooLarge(this.#limit);
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.min(this.#limit, Math.max(needed, this.#bytes.length * 2)));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
