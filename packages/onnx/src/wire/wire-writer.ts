const textEncoder = new TextEncoder();

/** Writes protobuf wire format into one growing buffer; nested messages are written in place. */
export class WireWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacityBytes = 4096) {
    this.#bytes = new Uint8Array(capacityBytes);
  }

  /** Everything written so far, as a view that later writes do not disturb once writing has ended. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** An unsigned varint field; 0 is written too, the caller decides about defaults. */
  varintField(field: number, value: number): void {
    this.#varint(field * 8);
    this.#varint(value);
  }

  int64Field(field: number, value: bigint): void {
    this.#varint(field * 8);
    this.#varint64(value);
  }

  floatField(field: number, value: number): void {
    this.#varint(field * 8 + 5);
    this.#float(value);
  }

  stringField(field: number, text: string): void {
    this.bytesField(field, textEncoder.encode(text));
  }

  /** A string that is left out when empty. */
  optionalString(field: number, text: string): void {
    if (text !== '') this.stringField(field, text);
  }

  bytesField(field: number, bytes: Uint8Array): void {
    this.#varint(field * 8 + 2);
    this.#varint(bytes.length);
    this.raw(bytes);
  }

  /** Bytes as they are, for example a field kept verbatim. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Integers in packed form. */
  packedInt64Field(field: number, values: Iterable<bigint>): void {
    this.messageField(field, () => {
      if (values instanceof BigInt64Array) this.#varints(values);
      else for (const value of values) this.#varint64(value);
    });
  }

  /** Floats in packed form. */
  packedFloatField(field: number, values: Float32Array): void {
    this.#varint(field * 8 + 2);
    this.#varint(values.length * 4);
    for (const value of values) this.#float(value);
  }

  /** A sub-message: `write` fills it; the length is put in front afterwards. */
  messageField(field: number, write: () => void): void {
    this.#varint(field * 8 + 2);
    const start = this.#length;
    write();
    const length = this.#length - start;
    const header = varintSize(length);
    this.#reserve(header);
    this.#bytes.copyWithin(start + header, start, this.#length);
    this.#length = start;
    this.#varint(length);
    this.#length = start + header + length;
  }

  #float(value: number): void {
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  #varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  #varint64(value: bigint): void {
    if (value >= 0n && value <= 9007199254740991n) {
      this.#varint(Number(value));
      return;
    }
    this.#reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 128n) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  /** Numbers below 2^31, which most are, are written without an object for each. */
  #varints(values: BigInt64Array): void {
    const halves = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
    for (let i = 0; i < values.length; i++) {
      const low = halves[2 * i]!;
      if (low < 0 || halves[2 * i + 1] !== 0) this.#varint64(values[i]!);
      else this.#varint(low);
    }
  }

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + extra));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}
