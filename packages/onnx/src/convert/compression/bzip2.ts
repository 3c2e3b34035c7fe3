import { damaged, type Unpacked } from './unpacked.ts';

/** Bits, the highest of a byte first. */
class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;
  #held = 0;
  #count = 0;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** The next 1 to 24 bits. */
  bits(count: number): number {
    while (this.#count < count) {
      if (this.#at >= this.#bytes.length) throw damaged();
      this.#held = ((this.#held << 8) | this.#bytes[this.#at++]!) >>> 0;
      this.#count += 8;
    }
    this.#count -= count;
    const value = this.#held >>> this.#count;
    this.#held &= 2 ** this.#count - 1;
    return value;
  }

  /** The first whole byte that was not read from. */
  get nextByte(): number {
    return this.#at - (this.#count >> 3);
  }
}

/** Longest code of a symbol, in bits. */
const longestCode = 20;
/** Symbols that one code table serves in a row. */
const symbolsPerTable = 50;

/** A canonical prefix code: per length, the last code, and where its symbols begin. */
class PrefixCode {
  readonly #last = new Int32Array(longestCode + 2).fill(-1);
  readonly #shift = new Int32Array(longestCode + 2);
  readonly #symbols: Uint16Array;

  constructor(lengths: Uint8Array) {
    this.#symbols = new Uint16Array(lengths.length);
    let code = 0;
    let placed = 0;
    for (let length = 1; length <= longestCode; length++) {
      code *= 2;
      this.#shift[length] = placed - code;
      lengths.forEach((of, symbol) => {
        if (of !== length) return;
        this.#symbols[placed++] = symbol;
        code++;
      });
      this.#last[length] = code - 1;
    }
  }

  read(from: BitReader): number {
    let code = 0;
    for (let length = 1; length <= longestCode; length++) {
      code = code * 2 + from.bits(1);
      if (code <= this.#last[length]!) {
        const symbol = this.#symbols[code + this.#shift[length]!];
        if (symbol === undefined) break;
        return symbol;
      }
    }
    throw damaged();
  }
}

/** Moves the item at a position to the front and gives it. */
function toFront(items: Uint8Array, at: number): number {
  const item = items[at]!;
  items.copyWithin(1, 0, at);
  items[0] = item;
  return item;
}

function readCodes(from: BitReader, tables: number, symbols: number): PrefixCode[] {
  return Array.from({ length: tables }, () => {
    const lengths = new Uint8Array(symbols);
    let length = from.bits(5);
    for (let symbol = 0; symbol < symbols; symbol++) {
      for (;;) {
        if (length < 1 || length > longestCode) throw damaged();
        if (from.bits(1) === 0) break;
        length += from.bits(1) === 0 ? 1 : -1;
      }
      lengths[symbol] = length;
    }
    return new PrefixCode(lengths);
  });
}

/** Which of the 256 bytes occur in the block. */
function readAlphabet(from: BitReader): Uint8Array {
  const rows = from.bits(16);
  const found: number[] = [];
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >> row)) === 0) continue;
    const columns = from.bits(16);
    for (let column = 0; column < 16; column++) if ((columns & (0x8000 >> column)) !== 0) found.push(row * 16 + column);
  }
  if (found.length === 0) throw damaged();
  return Uint8Array.from(found);
}

/** The last column of the sorted rotations, each byte in the low 8 bits of its place. */
function readColumn(from: BitReader, most: number): { column: Uint32Array; counts: Uint32Array } {
  const alphabet = readAlphabet(from);
  const end = alphabet.length + 1;
  const tables = from.bits(3);
  const selectors = new Uint8Array(from.bits(15));
  if (tables < 2 || tables > 6 || selectors.length === 0) throw damaged();
  const order = Uint8Array.from({ length: tables }, (_, i) => i);
  for (let i = 0; i < selectors.length; i++) {
    let at = 0;
    while (from.bits(1) === 1) if (++at >= tables) throw damaged();
    selectors[i] = toFront(order, at);
  }
  const codes = readCodes(from, tables, end + 1);
  const column = new Uint32Array(most);
  const counts = new Uint32Array(256);
  let length = 0;
  let run = 0;
  let unit = 1;
  for (let read = 0; ; read++) {
    const code = codes[selectors[Math.floor(read / symbolsPerTable)] ?? tables];
    if (code === undefined) throw damaged();
    const symbol = code.read(from);
    if (symbol <= 1) {
      // Two digits, 1 and 2, write how often the byte in front repeats.
      run += unit * (symbol + 1);
      unit *= 2;
      if (run > most) throw damaged();
      continue;
    }
    if (length + run > most) throw damaged();
    if (run > 0) {
      const byte = alphabet[0]!;
      column.fill(byte, length, length + run);
      counts[byte] = counts[byte]! + run;
      length += run;
      run = 0;
      unit = 1;
    }
    if (symbol === end) return { column: column.subarray(0, length), counts };
    if (length === most) throw damaged();
    const byte = toFront(alphabet, symbol - 1);
    column[length++] = byte;
    counts[byte] = counts[byte]! + 1;
  }
}

/** Links each place of the sorted column to the one of its next byte, in the upper 24 bits. */
function link(column: Uint32Array, counts: Uint32Array): void {
  let start = 0;
  const next = counts.map(count => {
    start += count;
    return start - count;
  });
  for (let i = 0; i < column.length; i++) {
    const byte = column[i]! & 255;
    const at = next[byte]!;
    next[byte] = at + 1;
    column[at] = column[at]! + i * 256;
  }
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value < 0 ? 0x04c11db7 : 0);
  return value >>> 0;
});

function checkSum(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = ((crc << 8) ^ crcTable[(crc >>> 24) ^ byte]!) >>> 0;
  return ~crc >>> 0;
}

/** One block: prefix codes, runs and move-to-front, the Burrows-Wheeler transform, and runs of four and more. */
function unpackBlock(from: BitReader, most: number, out: Unpacked): number {
  const sum = from.bits(16) * 2 ** 16 + from.bits(16);
  // Blocks mixed at random were written by versions before 1995 only.
  if (from.bits(1) === 1) throw damaged();
  const origin = from.bits(24);
  const { column, counts } = readColumn(from, most);
  if (origin >= column.length) throw damaged();
  link(column, counts);
  const start = out.length;
  let place = column[origin]! >>> 8;
  let same = 0;
  let before = -1;
  for (let i = 0; i < column.length; i++) {
    const entry = column[place]!;
    const byte = entry & 255;
    place = entry >>> 8;
    if (same === 4) {
      out.fill(before, byte);
      same = 0;
      before = -1;
      continue;
    }
    same = byte === before ? same + 1 : 1;
    before = byte;
    out.push(byte);
  }
  if (checkSum(out.from(start)) !== sum) throw damaged();
  return sum;
}

/** Unpacks one or several bzip2 streams one after the other. @throws OnnxError `truncated` for damage */
export function unpackBzip2(bytes: Uint8Array, out: Unpacked): void {
  for (let at = 0; at < bytes.length; ) {
    const level = (bytes[at + 3] ?? 0) - 0x30;
    if (bytes[at] !== 0x42 || bytes[at + 1] !== 0x5a || bytes[at + 2] !== 0x68 || !(level >= 1 && level <= 9))
      throw damaged();
    const from = new BitReader(bytes, at + 4);
    let total = 0;
    for (;;) {
      const [high, low] = [from.bits(24), from.bits(24)];
      if (high === 0x177245 && low === 0x385090) break;
      if (high !== 0x314159 || low !== 0x265359) throw damaged();
      total = (((total << 1) | (total >>> 31)) ^ unpackBlock(from, level * 100_000, out)) >>> 0;
    }
    if (from.bits(16) * 2 ** 16 + from.bits(16) !== total) throw damaged();
    at = from.nextByte;
  }
}
