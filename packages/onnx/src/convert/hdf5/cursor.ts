import { OnnxError } from '../../onnx-error.ts';
import { decodeText } from '../../wire/wire-reader.ts';

/** What all readers of one HDF5 file share. */
export interface Hdf5Layout {
  readonly bytes: Uint8Array;
  /** Bytes of a file address and of a length, 2 to 8. */
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** Added to every address. */
  readonly base: number;
  /** Structures that may still be read; a bound on cycles and repeated references. */
  readonly budget: { left: number };
}

/** Reads little-endian fields one after the other; leaving the file is an error, never a wrong value. */
export class Cursor {
  readonly layout: Hdf5Layout;
  readonly #view: DataView;
  readonly #end: number;
  at: number;

  constructor(layout: Hdf5Layout, at: number, end: number = layout.bytes.length) {
    if (--layout.budget.left < 0)
      throw new OnnxError('too_large', 'The HDF5 file refers to too many structures; it is damaged or made to harm.');
    const { bytes } = layout;
    if (!(at >= 0 && at <= end && end <= bytes.length)) throw leavesFile(at);
    this.layout = layout;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = end;
    this.at = at;
  }

  get left(): number {
    return this.#end - this.at;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  /** An unsigned integer of 1 to 8 bytes; beyond 2^53 it stands for "out of the file" anyway. */
  uint(bytes: number): number {
    const start = this.#advance(bytes);
    let value = 0;
    for (let i = bytes - 1; i >= 0; i--) value = value * 256 + this.#view.getUint8(start + i);
    return value;
  }

  length(): number {
    return this.uint(this.layout.lengthBytes);
  }

  /** A file address, or undefined for the address that means "none" (all bits set). */
  address(): number | undefined {
    const { offsetBytes, base } = this.layout;
    const value = this.uint(offsetBytes);
    return value >= 256 ** offsetBytes - 1 ? undefined : value + base;
  }

  take(count: number): Uint8Array {
    const start = this.#advance(count);
    return this.layout.bytes.subarray(start, start + count);
  }

  skip(count: number): this {
    this.#advance(count);
    return this;
  }

  /** A cursor over the next `count` bytes, which are passed over. */
  part(count: number): Cursor {
    const start = this.#advance(count);
    return new Cursor(this.layout, start, start + count);
  }

  /** @throws OnnxError `source_malformed` when the next bytes are not this signature */
  expect(signature: string, what: string): this {
    const found = decodeText(this.take(signature.length));
    if (found !== signature)
      throw new OnnxError(
        'source_malformed',
        `The HDF5 file has no ${what} where one should be (byte ${this.at - signature.length}); save the model again.`,
      );
    return this;
  }

  #advance(count: number): number {
    const start = this.at;
    if (!(count >= 0 && start + count <= this.#end)) throw leavesFile(start);
    this.at = start + count;
    return start;
  }
}

function leavesFile(at: number): OnnxError {
  return new OnnxError(
    'truncated',
    `The HDF5 file is cut or damaged: a structure at byte ${Number.isFinite(at) ? at : '?'} leaves it; copy or save it again.`,
  );
}

/** Text up to its first NUL. */
export function cText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decodeText(end < 0 ? bytes : bytes.subarray(0, end));
}

/** Bytes that HDF5 uses to hold numbers up to `limit`. */
export function bytesToHold(limit: number): number {
  return Math.floor(Math.log2(Math.max(1, limit)) / 8) + 1;
}
