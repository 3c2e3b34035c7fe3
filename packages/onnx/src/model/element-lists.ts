import type { WireReader } from '../wire/wire-reader.ts';

/** Growing list of float32 values: 4 bytes per element, whatever the file claims. */
export class Float32List {
  #buffer = new Float32Array(8);
  length = 0;

  push(value: number): void {
    if (this.length === this.#buffer.length) {
      const grown = new Float32Array(this.#buffer.length * 2);
      grown.set(this.#buffer);
      this.#buffer = grown;
    }
    this.#buffer[this.length++] = value;
  }

  pushPacked(reader: WireReader): void {
    while (!reader.atEnd) {
      reader.spend();
      this.push(reader.float());
    }
  }

  values(): Float32Array {
    return this.#buffer.slice(0, this.length);
  }
}

/** Growing list of int64 values. */
export class BigInt64List {
  #buffer = new BigInt64Array(4);
  length = 0;

  push(value: bigint): void {
    if (this.length === this.#buffer.length) {
      const grown = new BigInt64Array(this.#buffer.length * 2);
      grown.set(this.#buffer);
      this.#buffer = grown;
    }
    this.#buffer[this.length++] = value;
  }

  pushPacked(reader: WireReader): void {
    while (!reader.atEnd) {
      reader.spend();
      this.push(reader.varintBigInt());
    }
  }

  values(): BigInt64Array {
    return this.#buffer.slice(0, this.length);
  }
}

/**
 * A repeated scalar field kept in packed wire form. Packed and single elements have the same encoding, so the
 * concatenation of the chunks is the element list, decoded only when somebody asks.
 */
export class ChunkList {
  readonly chunks: Uint8Array[] = [];

  pushPayload(reader: WireReader): void {
    reader.spend();
    this.chunks.push(reader.payload());
  }

  pushSingle(reader: WireReader, tag: number): void {
    reader.spend();
    const start = reader.position;
    reader.skip(tag);
    this.chunks.push(reader.bytes.subarray(start, reader.position));
  }
}
