import { crc32 } from 'node:zlib';

/**
 * One chunk on disk, little endian: magic, bytes of the header, bytes of the body, CRC-32 of these two lengths and of
 * everything after them; then the header (JSON text, padded with spaces) and the body (padded with zeros). Header and
 * body start at multiples of 8 from the start of the file, so that typed arrays can look at them in place.
 */
const magic = 0x314c4648; // "HFL1"
export const frameBytes = 16;
/** No writer makes larger parts; a larger length is damage, not data. */
const mostPartBytes = 0x4000_0000;

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Chunks one after another in one reused buffer, ready for a single write. */
export class ChunkWriter {
  #buffer: Buffer = Buffer.allocUnsafeSlow(65_536);
  #length = 0;
  #chunkStart = 0;

  /** The chunks written since the last `clear`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Starts a chunk; `headerLines` are JSON texts without line breaks. */
  begin(...headerLines: readonly string[]): void {
    this.#chunkStart = this.#length;
    const header = headerLines.join('\n');
    const start = this.#length + frameBytes;
    this.#reserve(frameBytes + header.length * 3 + 8);
    const written = this.#buffer.write(header, start, 'utf8');
    const bytes = padded(written);
    this.#buffer.fill(0x20, start + written, start + bytes);
    this.#buffer.writeUInt32LE(magic, this.#chunkStart);
    this.#buffer.writeUInt32LE(bytes, this.#chunkStart + 4);
    this.#length = start + bytes;
  }

  /** Appends the first `count` elements of an array, from the next multiple of 8. */
  array(values: ArrayBufferView & { readonly BYTES_PER_ELEMENT: number }, count: number): void {
    const bytes = count * values.BYTES_PER_ELEMENT;
    this.#reserve(bytes + 8);
    this.#buffer.set(new Uint8Array(values.buffer, values.byteOffset, bytes), this.#length);
    this.#pad(bytes);
  }

  /**
   * Appends texts: their lengths in UTF-16 units (-1 for none), then all of them as one UTF-8 text, which is many times
   * faster to write and to read than each by itself.
   */
  texts(values: readonly (string | undefined)[]): void {
    const lengths = new Int32Array(values.length);
    let joined = '';
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      lengths[i] = value === undefined ? -1 : value.length;
      if (value !== undefined) joined += value;
    }
    this.array(lengths, lengths.length);
    this.#reserve(joined.length * 3 + 16);
    const bytes = this.#buffer.write(joined, this.#length + 8, 'utf8');
    this.#buffer.writeUInt32LE(bytes, this.#length);
    this.#buffer.writeUInt32LE(0, this.#length + 4);
    this.#length += 8;
    this.#pad(bytes);
  }

  end(): void {
    const bodyBytes = this.#length - this.#chunkStart - frameBytes - this.#buffer.readUInt32LE(this.#chunkStart + 4);
    this.#buffer.writeUInt32LE(bodyBytes, this.#chunkStart + 8);
    this.#buffer.writeUInt32LE(checksum(this.#buffer, this.#chunkStart, this.#length), this.#chunkStart + 12);
  }

  #pad(bytes: number): void {
    this.#buffer.fill(0, this.#length + bytes, this.#length + padded(bytes));
    this.#length += padded(bytes);
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, padded(this.#length + bytes)));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

function checksum(bytes: Buffer, start: number, end: number): number {
  return crc32(bytes.subarray(start + frameBytes, end), crc32(bytes.subarray(start + 4, start + 12)));
}

/** A chunk whose checksum held. */
export interface Frame {
  /** The header's lines. */
  readonly header: readonly string[];
  readonly body: BodyReader;
  /** Bytes from the start of the frame to the start of the next one. */
  readonly bytes: number;
}

/** Bytes of the whole chunk at `offset` as its frame claims; undefined when this cannot be the start of a chunk. */
export function claimedBytes(bytes: Buffer, offset: number): number | undefined {
  if (offset + frameBytes > bytes.length || bytes.readUInt32LE(offset) !== magic) return undefined;
  const header = bytes.readUInt32LE(offset + 4);
  const body = bytes.readUInt32LE(offset + 8);
  if (header > mostPartBytes || body > mostPartBytes || header % 8 !== 0 || body % 8 !== 0) return undefined;
  return frameBytes + header + body;
}

/** True when the chunk at `offset` is complete and its checksum holds. */
export function isWhole(bytes: Buffer, offset: number): boolean {
  const claimed = claimedBytes(bytes, offset);
  if (claimed === undefined || offset + claimed > bytes.length) return false;
  return checksum(bytes, offset, offset + claimed) === bytes.readUInt32LE(offset + 12);
}

/** The chunk at `offset`, or undefined when it is incomplete or damaged. */
export function readFrame(bytes: Buffer, offset: number): Frame | undefined {
  if (!isWhole(bytes, offset)) return undefined;
  const headerBytes = bytes.readUInt32LE(offset + 4);
  const bodyStart = offset + frameBytes + headerBytes;
  const end = bodyStart + bytes.readUInt32LE(offset + 8);
  return {
    header: bytes
      .toString('utf8', offset + frameBytes, bodyStart)
      .trimEnd()
      .split('\n'),
    body: new BodyReader(bytes, bodyStart),
    bytes: end - offset,
  };
}

/** Offset of the first whole chunk at or after `offset`; undefined when there is none. */
export function findFrame(bytes: Buffer, offset: number): number | undefined {
  for (let at = padded(offset); at + frameBytes <= bytes.length; at += 8) if (isWhole(bytes, at)) return at;
  return undefined;
}

type ViewConstructor<V> = {
  new (buffer: ArrayBufferLike, offset: number, length: number): V;
  BYTES_PER_ELEMENT: number;
};

/** Reads the parts of a body in the order in which they were written. Arrays are views: copy what must outlive them. */
export class BodyReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes;
    this.#at = start;
  }

  array<V>(view: ViewConstructor<V>, count: number): V {
    const start = this.#bytes.byteOffset + this.#at;
    this.#at += padded(count * view.BYTES_PER_ELEMENT);
    return new view(this.#bytes.buffer, start, count);
  }

  texts(count: number): (string | undefined)[] {
    const lengths = this.array(Int32Array, count);
    const bytes = this.#bytes.readUInt32LE(this.#at);
    const joined = this.#bytes.toString('utf8', this.#at + 8, this.#at + 8 + bytes);
    this.#at += 8 + padded(bytes);
    const values = new Array<string | undefined>(count);
    let from = 0;
    for (let i = 0; i < count; i++) {
      const length = lengths[i]!;
      values[i] = length < 0 ? undefined : joined.slice(from, from + length);
      if (length > 0) from += length;
    }
    return values;
  }
}
