import type { Tensor } from '@holdfast/api';
import { isText } from './tensor-block.ts';

/** A row of a raw tensor with more bytes than this is left out and counted. */
export const mostRawBytesPerRow = 65_536;

/** Row `row` of `count` of a tensor as it is served: little-endian elements; texts each after their length in 4 bytes. */
function rowBytesOf(tensor: Tensor, row: number, count: number): Uint8Array | undefined {
  const { data } = tensor;
  const stride = data.length / count;
  if (!Number.isInteger(stride)) return undefined;
  if (!isText(data)) {
    const bytes = stride * data.BYTES_PER_ELEMENT;
    return bytes > mostRawBytesPerRow ? undefined : new Uint8Array(data.buffer, data.byteOffset + row * bytes, bytes);
  }
  const parts: Buffer[] = [];
  let total = 0;
  for (let i = row * stride; i < (row + 1) * stride; i++) {
    const text = Buffer.from(data[i] ?? '');
    const length = Buffer.allocUnsafe(4);
    length.writeUInt32LE(text.length);
    parts.push(length, text);
    total += 4 + text.length;
    if (total > mostRawBytesPerRow) return undefined;
  }
  return Buffer.concat(parts);
}

/** The rows of a tensor without monitored columns, waiting to be written. */
export class RawColumn {
  /** Per row, where its bytes end; rows that were left out have none. */
  ends = new Uint32Array(0);
  /** Shape of one row per row, as `3x224x224`, as codes into `shapes`; 0 for none. */
  codes = new Uint32Array(0);
  shapes: string[] = [];
  bytes = new Uint8Array(0);
  omitted = 0;

  resize(capacity: number, rows: number): void {
    const ends = new Uint32Array(capacity);
    ends.set(this.ends.subarray(0, rows));
    this.ends = ends;
    const codes = new Uint32Array(capacity);
    codes.set(this.codes.subarray(0, rows));
    this.codes = codes;
  }

  /** Takes `count` rows at row `at`; the bytes they need. */
  take(tensor: Tensor, at: number, count: number): number {
    const shape = tensor.shape.slice(1).join('x');
    let code = this.shapes.indexOf(shape) + 1;
    if (code === 0) code = this.shapes.push(shape);
    const before = this.#end(at);
    for (let row = 0; row < count; row++) {
      const source = rowBytesOf(tensor, row, count);
      const end = this.#end(at + row);
      if (source === undefined) this.omitted += 1;
      else this.#append(source, end);
      this.ends[at + row] = end + (source?.length ?? 0);
      this.codes[at + row] = source === undefined ? 0 : code;
    }
    return this.#end(at + count) - before;
  }

  miss(at: number, count: number): void {
    this.ends.fill(this.#end(at), at, at + count);
    this.codes.fill(0, at, at + count);
  }

  clear(): void {
    this.shapes = [];
    this.omitted = 0;
    if (this.bytes.length > 1_048_576) this.bytes = new Uint8Array(0);
  }

  #end(row: number): number {
    return row === 0 ? 0 : this.ends[row - 1]!;
  }

  #append(source: Uint8Array, at: number): void {
    if (at + source.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, at + source.length));
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
    }
    this.bytes.set(source, at);
  }
}
