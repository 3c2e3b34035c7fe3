import { OnnxError } from '../../onnx-error.ts';
import { decodeText } from '../../wire/wire-reader.ts';

/** Tables and vector elements one file may be read into; aliases in a hostile file cannot multiply beyond it. */
const maxVisits = 20_000_000;

/** The bytes of a flatbuffer with what has been read of them so far. */
class FlatBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly what: string;
  #visits = 0;

  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.what = what;
  }

  /** @throws OnnxError `truncated` when `length` bytes at `at` leave the file */
  check(at: number, length: number): number {
    if (!(at >= 0 && at + length <= this.bytes.length))
      throw new OnnxError(
        'truncated',
        `The ${this.what} points to byte ${at}, but the file has ${this.bytes.length}; copy or download it again.`,
      );
    return at;
  }

  visit(count: number): void {
    this.#visits += count;
    if (this.#visits > maxVisits)
      throw new OnnxError(
        'too_large',
        `The ${this.what} refers to more than ${maxVisits} tables and values; it is too large or damaged.`,
      );
  }

  /** Follows the relative offset stored at `at`. */
  follow(at: number): number {
    return at + this.view.getUint32(this.check(at, 4), true);
  }
}

/**
 * One table of a flatbuffer. Fields are named by their number in the schema; an absent field gives its default. Every
 * offset and length is checked against the file before it is used.
 */
export class FlatTable {
  readonly #buffer: FlatBuffer;
  readonly #at: number;
  readonly #vtable: number;
  readonly #vtableBytes: number;

  private constructor(buffer: FlatBuffer, at: number) {
    buffer.visit(1);
    this.#buffer = buffer;
    this.#at = at;
    this.#vtable = at - buffer.view.getInt32(buffer.check(at, 4), true);
    this.#vtableBytes = buffer.view.getUint16(buffer.check(this.#vtable, 4), true);
    buffer.check(this.#vtable, this.#vtableBytes);
  }

  /** The root table. @param what the format, for sentences */
  static root(bytes: Uint8Array, what: string): FlatTable {
    const buffer = new FlatBuffer(bytes, what);
    return new FlatTable(buffer, buffer.follow(0));
  }

  int8(field: number, otherwise = 0): number {
    const at = this.#place(field, 1);
    return at < 0 ? otherwise : this.#buffer.view.getInt8(at);
  }

  uint8(field: number, otherwise = 0): number {
    const at = this.#place(field, 1);
    return at < 0 ? otherwise : this.#buffer.view.getUint8(at);
  }

  bool(field: number, otherwise = false): boolean {
    return this.uint8(field, otherwise ? 1 : 0) !== 0;
  }

  int32(field: number, otherwise = 0): number {
    const at = this.#place(field, 4);
    return at < 0 ? otherwise : this.#buffer.view.getInt32(at, true);
  }

  uint32(field: number): number {
    const at = this.#place(field, 4);
    return at < 0 ? 0 : this.#buffer.view.getUint32(at, true);
  }

  float32(field: number, otherwise = 0): number {
    const at = this.#place(field, 4);
    return at < 0 ? otherwise : this.#buffer.view.getFloat32(at, true);
  }

  float64(field: number, otherwise = 0): number {
    const at = this.#place(field, 8);
    return at < 0 ? otherwise : this.#buffer.view.getFloat64(at, true);
  }

  /** A 64-bit count; beyond 2^53 it is no position in a file and comes out wrong, which the next check finds. */
  uint64(field: number): number {
    const at = this.#place(field, 8);
    return at < 0 ? 0 : Number(this.#buffer.view.getBigUint64(at, true));
  }

  text(field: number): string | undefined {
    const bytes = this.bytes(field);
    return bytes === undefined ? undefined : decodeText(bytes);
  }

  table(field: number): FlatTable | undefined {
    const at = this.#place(field, 4);
    return at < 0 ? undefined : new FlatTable(this.#buffer, this.#buffer.follow(at));
  }

  tables(field: number): FlatTable[] {
    const vector = this.#vector(field, 4);
    return Array.from({ length: vector.length }, (_, i) => {
      const at = vector.start + 4 * i;
      return new FlatTable(this.#buffer, this.#buffer.follow(at));
    });
  }

  texts(field: number): string[] {
    const vector = this.#vector(field, 4);
    return Array.from({ length: vector.length }, (_, i) => {
      const at = this.#buffer.follow(vector.start + 4 * i);
      const length = this.#buffer.view.getUint32(this.#buffer.check(at, 4), true);
      this.#buffer.visit(length);
      return decodeText(this.#buffer.bytes.subarray(this.#buffer.check(at + 4, length), at + 4 + length));
    });
  }

  /** A vector of bytes as a view of the file, or undefined when the field is absent. */
  bytes(field: number): Uint8Array | undefined {
    if (this.#place(field, 4) < 0) return undefined;
    const { start, length } = this.#vector(field, 1, 0);
    return this.#buffer.bytes.subarray(start, start + length);
  }

  /** A vector of structs of `itemBytes` bytes each, as a view of the file. */
  structs(field: number, itemBytes: number): DataView {
    const { start, length } = this.#vector(field, itemBytes);
    const { bytes } = this.#buffer;
    return new DataView(bytes.buffer, bytes.byteOffset + start, length * itemBytes);
  }

  ints(field: number): number[] {
    return this.#numbers(field, 4, at => this.#buffer.view.getInt32(at, true));
  }

  uint32s(field: number): number[] {
    return this.#numbers(field, 4, at => this.#buffer.view.getUint32(at, true));
  }

  uint16s(field: number): number[] {
    return this.#numbers(field, 2, at => this.#buffer.view.getUint16(at, true));
  }

  uint8s(field: number): number[] {
    return this.#numbers(field, 1, at => this.#buffer.view.getUint8(at));
  }

  longs(field: number): number[] {
    return this.#numbers(field, 8, at => Number(this.#buffer.view.getBigInt64(at, true)));
  }

  floats(field: number): number[] {
    return this.#numbers(field, 4, at => this.#buffer.view.getFloat32(at, true));
  }

  doubles(field: number): number[] {
    return this.#numbers(field, 8, at => this.#buffer.view.getFloat64(at, true));
  }

  #numbers(field: number, itemBytes: number, read: (at: number) => number): number[] {
    const { start, length } = this.#vector(field, itemBytes);
    return Array.from({ length }, (_, i) => read(start + itemBytes * i));
  }

  /** Where the field's value lies, or -1 when the table does not have it. */
  #place(field: number, bytes: number): number {
    const entry = 4 + 2 * field;
    if (entry + 2 > this.#vtableBytes) return -1;
    const offset = this.#buffer.view.getUint16(this.#vtable + entry, true);
    return offset === 0 ? -1 : this.#buffer.check(this.#at + offset, bytes);
  }

  /** Start and length of a vector; each element counts as `cost` visits. */
  #vector(field: number, itemBytes: number, cost = 1): { readonly start: number; readonly length: number } {
    const at = this.#place(field, 4);
    if (at < 0) return { start: 0, length: 0 };
    const vector = this.#buffer.follow(at);
    const length = this.#buffer.view.getUint32(this.#buffer.check(vector, 4), true);
    this.#buffer.check(vector + 4, length * itemBytes);
    this.#buffer.visit(length * cost);
    return { start: vector + 4, length };
  }
}
