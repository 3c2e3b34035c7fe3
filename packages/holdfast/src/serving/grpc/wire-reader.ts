import { badRequest, type Refusal } from '../refusal.ts';

/** How a field is laid out on the wire. */
export const wireTypes = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

function malformed(why: string): Refusal {
  return badRequest(`failed to parse the request message: ${why}`);
}

/**
 * Walks over the fields of one protobuf message without building an object of it: bytes and nested messages are views
 * into the message. Unknown fields are skipped, as the format wants.
 */
export class WireReader {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
  /** The halves of the last varint, unsigned. */
  low = 0;
  high = 0;
  #wireType = 0;

  constructor(bytes: Buffer, at = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** The number of the next field; 0 at the end of the message. @throws Refusal `bad_request` */
  nextField(): number {
    if (this.at >= this.end) return 0;
    this.#varint();
    const tag = this.low;
    this.#wireType = tag & 7;
    const field = tag >>> 3;
    if (field === 0) throw malformed('a field has the number 0');
    return field;
  }

  get wireType(): number {
    return this.#wireType;
  }

  #varint(): void {
    const { bytes, end } = this;
    let at = this.at;
    if (at >= end) throw malformed('it ends inside a field');
    let byte = bytes[at++]!;
    let low = byte & 0x7f;
    let high = 0;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      if (at >= end) throw malformed('it ends inside a number');
      if (shift > 63) throw malformed('a number has more than 64 bits');
      byte = bytes[at++]!;
      const part = byte & 0x7f;
      if (shift < 32) low |= part << shift;
      if (shift === 28) high = part >>> 4;
      else if (shift > 28) high |= part << (shift - 32);
    }
    this.at = at;
    this.low = low >>> 0;
    this.high = high >>> 0;
  }

  /** Reads one number into {@link low} and {@link high}. */
  varint(): void {
    if (this.#wireType !== wireTypes.varint) throw this.#unexpected();
    this.#varint();
  }

  /** The next number of a packed field whose bytes this reader covers. */
  packedVarint(): void {
    this.#varint();
  }

  boolean(): boolean {
    this.varint();
    return (this.low | this.high) !== 0;
  }

  /** A signed 64-bit number; beyond 2^53 it is rounded. */
  int64(): number {
    this.varint();
    return (this.high | 0) * 4_294_967_296 + this.low;
  }

  uint64(): number {
    this.varint();
    return this.high * 4_294_967_296 + this.low;
  }

  double(): number {
    if (this.#wireType !== wireTypes.fixed64) throw this.#unexpected();
    this.#need(8);
    this.at += 8;
    return this.bytes.readDoubleLE(this.at - 8);
  }

  float(): number {
    if (this.#wireType !== wireTypes.fixed32) throw this.#unexpected();
    this.#need(4);
    this.at += 4;
    return this.bytes.readFloatLE(this.at - 4);
  }

  /** A view of a field's bytes. */
  view(): Buffer {
    const from = this.#enter();
    return this.bytes.subarray(from, this.at);
  }

  text(): string {
    const from = this.#enter();
    return this.bytes.toString('utf8', from, this.at);
  }

  /** A reader of a nested message or of a packed field; this one goes on behind it. */
  nested(): WireReader {
    const from = this.#enter();
    return new WireReader(this.bytes, from, this.at);
  }

  /** Steps over a field of bytes and tells where they begin; they end at {@link at}. */
  #enter(): number {
    if (this.#wireType !== wireTypes.bytes) throw this.#unexpected();
    this.#varint();
    if (this.high !== 0) throw malformed('it ends inside a field');
    const length = this.low;
    this.#need(length);
    this.at += length;
    return this.at - length;
  }

  #need(bytes: number): void {
    if (this.at + bytes > this.end) throw malformed('it ends inside a field');
  }

  #unexpected(): Refusal {
    return malformed(`a field has the wire type ${this.#wireType}, which it cannot have`);
  }

  skip(): void {
    switch (this.#wireType) {
      case wireTypes.varint:
        this.#varint();
        return;
      case wireTypes.fixed64:
        this.#need(8);
        this.at += 8;
        return;
      case wireTypes.bytes:
        this.#enter();
        return;
      case wireTypes.fixed32:
        this.#need(4);
        this.at += 4;
        return;
      default:
        throw this.#unexpected();
    }
  }
}
