import { wireTypes } from './wire-reader.ts';

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}

/** Writes the fields of protobuf messages into one growing buffer. Defaults of proto3 are the caller's to leave out. */
export class WireWriter {
  #bytes: Buffer;
  #at = 0;

  /** @param expectedBytes memory taken at first */
  constructor(expectedBytes = 256) {
    this.#bytes = Buffer.allocUnsafe(expectedBytes);
  }

  /** Everything written so far; a view, valid until more is written. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    const wanted = this.#at + bytes;
    if (wanted <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(wanted, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  #varint(value: number): void {
    this.#room(10);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#at++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#at++] = rest;
  }

  #varint64(value: bigint): void {
    this.#room(10);
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#at++] = Number(rest);
  }

  #tag(field: number, wireType: number): void {
    this.#varint(field * 8 + wireType);
  }

  /** A number from 0 to 2^53 - 1. */
  unsigned(field: number, value: number): void {
    this.#tag(field, wireTypes.varint);
    this.#varint(value);
  }

  /** An int32 or int64. */
  signed(field: number, value: number | bigint): void {
    this.#tag(field, wireTypes.varint);
    this.packedSigned(value);
  }

  boolean(field: number, value: boolean): void {
    this.unsigned(field, value ? 1 : 0);
  }

  double(field: number, value: number): void {
    this.#tag(field, wireTypes.fixed64);
    this.#room(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  float(field: number, value: number): void {
    this.#tag(field, wireTypes.fixed32);
    this.#room(4);
    this.#at = this.#bytes.writeFloatLE(value, this.#at);
  }

  text(field: number, value: string): void {
    this.#tag(field, wireTypes.bytes);
    const bytes = Buffer.byteLength(value);
    this.#varint(bytes);
    this.#room(bytes);
    this.#at += this.#bytes.write(value, this.#at);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, wireTypes.bytes);
    this.#varint(value.byteLength);
    this.#room(value.byteLength);
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }

  /** A nested message, or a packed field: what `write` writes is its contents. */
  nested(field: number, write: () => void): void {
    this.#tag(field, wireTypes.bytes);
    this.#room(1);
    const lengthAt = this.#at++;
    write();
    const bytes = this.#at - lengthAt - 1;
    const lengthBytes = varintBytes(bytes);
    if (lengthBytes > 1) {
      this.#room(lengthBytes);
      this.#bytes.copyWithin(lengthAt + lengthBytes, lengthAt + 1, this.#at);
    }
    this.#at = lengthAt;
    this.#varint(bytes);
    this.#at += bytes;
  }

  packedSigned(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0) this.#varint(value);
    else this.#varint64(BigInt(value));
  }

  packedUnsigned(value: number | bigint): void {
    if (typeof value === 'number') this.#varint(value);
    else this.#varint64(value);
  }
}
