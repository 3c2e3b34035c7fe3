import { damaged, type Unpacked } from './unpacked.ts';

/** Chances of a bit, in units of 1/2048. */
const evenChance = 1024;
const chances = (count: number): Uint16Array => new Uint16Array(count).fill(evenChance);

/** The arithmetic decoder of LZMA: bits by adaptive chances, from one run of compressed bytes. */
class RangeDecoder {
  readonly #bytes: Uint8Array;
  #at: number;
  #range = 0xffffffff;
  #code = 0;

  constructor(bytes: Uint8Array, at: number) {
    if (at + 5 > bytes.length || bytes[at] !== 0) throw damaged();
    this.#bytes = bytes;
    this.#at = at + 5;
    for (let i = 1; i < 5; i++) this.#code = ((this.#code << 8) | bytes[at + i]!) >>> 0;
  }

  bit(table: Uint16Array, at: number): number {
    const chance = table[at]!;
    const bound = (this.#range >>> 11) * chance;
    const isOne = this.#code >= bound;
    if (isOne) {
      this.#code -= bound;
      this.#range -= bound;
      table[at] = chance - (chance >> 5);
    } else {
      this.#range = bound;
      table[at] = chance + ((2048 - chance) >> 5);
    }
    if (this.#range < 2 ** 24) this.#shift();
    return isOne ? 1 : 0;
  }

  /** Bits that are as likely 0 as 1, the highest first. */
  evenBits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#range >>>= 1;
      const isOne = this.#code >= this.#range;
      if (isOne) this.#code -= this.#range;
      value = value * 2 + (isOne ? 1 : 0);
      if (this.#range < 2 ** 24) this.#shift();
    }
    return value;
  }

  /** A number of so many bits, whose chances form a tree that starts at `from`. */
  tree(table: Uint16Array, from: number, bits: number): number {
    let node = 1;
    for (let i = 0; i < bits; i++) node = node * 2 + this.bit(table, from + node);
    return node - 2 ** bits;
  }

  /** The same with the lowest bit first. */
  reversedTree(table: Uint16Array, from: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(table, from + node);
      node = node * 2 + bit;
      value += bit << i;
    }
    return value;
  }

  #shift(): void {
    if (this.#at >= this.#bytes.length) throw damaged();
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#bytes[this.#at++]!) >>> 0;
  }
}

/** How long a repetition is, less 2: short, middle and long ones have trees of their own. */
class LengthTables {
  readonly #choice = chances(2);
  readonly #short = chances(16 * 8);
  readonly #middle = chances(16 * 8);
  readonly #long = chances(256);

  read(from: RangeDecoder, alignment: number): number {
    if (from.bit(this.#choice, 0) === 0) return from.tree(this.#short, alignment * 8, 3);
    if (from.bit(this.#choice, 1) === 0) return 8 + from.tree(this.#middle, alignment * 8, 3);
    return 16 + from.tree(this.#long, 0, 8);
  }
}

/** All chances of a decoder, which a reset makes even again. */
class Chances {
  readonly isMatch = chances(12 * 16);
  readonly isRepeated = chances(12);
  readonly isNotLatest = chances(12);
  readonly isNotSecond = chances(12);
  readonly isFourth = chances(12);
  readonly isLongLatest = chances(12 * 16);
  readonly slot = chances(4 * 64);
  readonly near = chances(115);
  readonly far = chances(16);
  readonly length = new LengthTables();
  readonly repeatedLength = new LengthTables();
  readonly literal: Uint16Array;

  constructor(literalBits: number) {
    this.literal = chances(0x300 << literalBits);
  }
}

/** Distance that marks the end of the data. */
const endMark = 0xffffffff;

/**
 * LZMA as the specification of its author describes it (Igor Pavlov, LZMA SDK, public domain). What is unpacked serves as
 * the dictionary, so that no size that a header declares is ever allocated.
 */
export class LzmaDecoder {
  readonly #out: Unpacked;
  readonly #dictionaryBytes: number;
  #contextBits = 3;
  #positionMask = 0;
  #alignmentMask = 3;
  #chances = new Chances(3);
  #state = 0;
  #distances: [number, number, number, number] = [0, 0, 0, 0];
  /** Where the dictionary begins in the output. */
  #start: number;

  constructor(out: Unpacked, dictionaryBytes: number) {
    this.#out = out;
    this.#dictionaryBytes = Math.max(4096, dictionaryBytes);
    this.#start = out.length;
  }

  forgetDictionary(): void {
    this.#start = this.#out.length;
  }

  /** Sets lc, lp and pb from their byte; lc + lp is at most `mostLiteralBits`. */
  setProperties(byte: number, mostLiteralBits: number): void {
    const [context, position, alignment] = [byte % 9, Math.floor(byte / 9) % 5, Math.floor(byte / 45)];
    if (alignment > 4 || context + position > mostLiteralBits) throw damaged();
    this.#contextBits = context;
    this.#positionMask = 2 ** position - 1;
    this.#alignmentMask = 2 ** alignment - 1;
    this.#chances = new Chances(context + position);
    this.#resetState();
  }

  resetState(): void {
    this.#chances = new Chances(Math.log2(this.#chances.literal.length / 0x300));
    this.#resetState();
  }

  #resetState(): void {
    this.#state = 0;
    this.#distances = [0, 0, 0, 0];
  }

  /**
   * Unpacks until the output has `end` bytes or the end is marked, which only data of unknown length may do.
   * @returns whether the end was marked
   */
  decode(bytes: Uint8Array, at: number, end: number): boolean {
    const from = new RangeDecoder(bytes, at);
    const out = this.#out;
    while (out.length < end) {
      const table = this.#chances;
      const position = out.length - this.#start;
      const alignment = position & this.#alignmentMask;
      if (from.bit(table.isMatch, this.#state * 16 + alignment) === 0) {
        this.#literal(from, position);
        continue;
      }
      const count = this.#match(from, alignment, position);
      const distance = this.#distances[0] + 1;
      if (count === 0) return true;
      if (distance > position || distance > this.#dictionaryBytes || out.length + count > end) throw damaged();
      out.repeat(distance, count);
    }
    return false;
  }

  #literal(from: RangeDecoder, position: number): void {
    const out = this.#out;
    const before = position === 0 ? 0 : out.back(1);
    const context = (position & this.#positionMask) * 2 ** this.#contextBits + (before >> (8 - this.#contextBits));
    const table = this.#chances.literal;
    const base = 0x300 * context;
    let symbol = 1;
    if (this.#state >= 7) {
      if (this.#distances[0] >= position) throw damaged();
      let likely = out.back(this.#distances[0] + 1);
      while (symbol < 0x100) {
        const expected = (likely >> 7) & 1;
        likely <<= 1;
        const bit = from.bit(table, base + ((1 + expected) << 8) + symbol);
        symbol = symbol * 2 + bit;
        if (bit !== expected) break;
      }
    }
    while (symbol < 0x100) symbol = symbol * 2 + from.bit(table, base + symbol);
    out.push(symbol - 0x100);
    this.#state = this.#state < 4 ? 0 : this.#state - (this.#state < 10 ? 3 : 6);
  }

  /** How many bytes to repeat from the latest distance, which it sets; 0 at the mark of the end. */
  #match(from: RangeDecoder, alignment: number, position: number): number {
    const table = this.#chances;
    const state = this.#state;
    const [first, second, third, fourth] = this.#distances;
    if (from.bit(table.isRepeated, state) === 0) {
      const length = table.length.read(from, alignment);
      const distance = this.#distance(from, length);
      this.#distances = [distance, first, second, third];
      this.#state = state < 7 ? 7 : 10;
      return distance === endMark ? 0 : length + 2;
    }
    if (position === 0) throw damaged();
    if (from.bit(table.isNotLatest, state) === 0) {
      if (from.bit(table.isLongLatest, state * 16 + alignment) === 0) {
        this.#state = state < 7 ? 9 : 11;
        return 1;
      }
    } else if (from.bit(table.isNotSecond, state) === 0) this.#distances = [second, first, third, fourth];
    else if (from.bit(table.isFourth, state) === 0) this.#distances = [third, first, second, fourth];
    else this.#distances = [fourth, first, second, third];
    this.#state = state < 7 ? 8 : 11;
    return table.repeatedLength.read(from, alignment) + 2;
  }

  #distance(from: RangeDecoder, length: number): number {
    const table = this.#chances;
    const slot = from.tree(table.slot, Math.min(length, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const high = (2 + (slot & 1)) * 2 ** bits;
    if (slot < 14) return high + from.reversedTree(table.near, high - slot, bits);
    return high + from.evenBits(bits - 4) * 16 + from.reversedTree(table.far, 0, 4);
  }
}

/** A file of the time before .xz: properties, size of the dictionary, size of the data or -1, data. */
export function unpackLzma(bytes: Uint8Array, out: Unpacked): void {
  if (bytes.length < 18) throw damaged();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new LzmaDecoder(out, view.getUint32(1, true));
  decoder.setProperties(bytes[0]!, 12);
  const size = view.getBigUint64(5, true);
  const isUnknown = size === 0xffffffffffffffffn;
  const isMarked = decoder.decode(bytes, 13, isUnknown ? Number.POSITIVE_INFINITY : Number(size));
  if (isMarked && !isUnknown && BigInt(out.length) !== size) throw damaged();
}
