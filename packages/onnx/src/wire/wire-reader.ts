import { OnnxError } from '../onnx-error.ts';

const textDecoder = new TextDecoder();

/** Decodes UTF-8; short ASCII, which nearly every name is, skips the decoder. */
export function decodeText(bytes: Uint8Array): string {
  if (bytes.length > 48) return textDecoder.decode(bytes);
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i]!;
    if (code >= 0x80) return textDecoder.decode(bytes);
    text += String.fromCharCode(code);
  }
  return text;
}

/** How many messages and list elements one file may hold; a bound on memory, far above real models. */
const maxElements = 16_000_000;
/** Nesting of messages; ONNX Runtime's own parser stops at 100. */
const maxDepth = 64;

/** What all readers of one file share, so that many small messages cannot add up unseen. */
export interface WireBudget {
  elements: number;
}

/**
 * Reads protobuf wire format from a view without copying. Every read is checked against the end of the
 * message; sub-messages share one element budget and carry their depth.
 */
export class WireReader {
  readonly bytes: Uint8Array;
  readonly depth: number;
  readonly budget: WireBudget;
  position: number;
  readonly #end: number;
  #tagStart = 0;
  #view: DataView | undefined;

  constructor(
    bytes: Uint8Array,
    start = 0,
    end: number = bytes.length,
    depth = 0,
    budget: WireBudget = { elements: maxElements },
  ) {
    if (depth > maxDepth) {
      throw new OnnxError(
        'too_deep',
        `The file nests more than ${maxDepth} levels; export the model without such nesting.`,
      );
    }
    this.bytes = bytes;
    this.position = start;
    this.#end = end;
    this.depth = depth;
    this.budget = budget;
  }

  get atEnd(): boolean {
    return this.position >= this.#end;
  }

  /** Counts one decoded thing against the budget of the file. */
  spend(count = 1): void {
    this.budget.elements -= count;
    if (this.budget.elements < 0) {
      throw new OnnxError(
        'too_large',
        `The file holds more than ${maxElements} messages or list elements; split the model.`,
      );
    }
  }

  /** Reads the next tag as `field * 8 + wireType`, or 0 at the end of the message. */
  tag(): number {
    if (this.position >= this.#end) return 0;
    this.#tagStart = this.position;
    const raw = this.varintNumber();
    const field = Math.floor(raw / 8);
    if (field === 0 || field > 536870911) throw malformed(`field number ${field} at byte ${this.#tagStart}`);
    return raw;
  }

  /** A varint as a number; only for values that fit 53 bits, such as tags, lengths and enumerations. */
  varintNumber(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw malformed(`number out of range before byte ${this.position}`);
        return value;
      }
      scale *= 128;
    }
    throw malformed(`unterminated number before byte ${this.position}`);
  }

  /** A varint as a signed 64-bit integer. */
  varintBigInt(): bigint {
    let low = 0;
    let shift = 0;
    while (shift < 28) {
      const byte = this.#byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(low);
      shift += 7;
    }
    let value = BigInt(low);
    for (let wide = 28n; wide < 70n; wide += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << wide;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw malformed(`unterminated number before byte ${this.position}`);
  }

  /** A 32-bit enumeration or version: negative and oversized values come out as -1. */
  varintInt32(): number {
    const value = this.varintBigInt();
    return value >= 0n && value <= 2147483647n ? Number(value) : -1;
  }

  float(): number {
    const at = this.#take(4);
    this.#view ??= new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.#view.getFloat32(at, true);
  }

  /** A length-delimited payload as a view of the file's bytes. */
  payload(): Uint8Array {
    const length = this.varintNumber();
    const at = this.#take(length);
    return this.bytes.subarray(at, at + length);
  }

  string(): string {
    return decodeText(this.payload());
  }

  /** A reader over a length-delimited sub-message. */
  message(): WireReader {
    this.spend();
    const length = this.varintNumber();
    const at = this.#take(length);
    return new WireReader(this.bytes, at, at + length, this.depth + 1, this.budget);
  }

  /** Skips the value after `tag` and returns tag and value verbatim, so that a writer can put them back. */
  unknown(tag: number): Uint8Array {
    this.skip(tag);
    this.spend();
    return this.bytes.subarray(this.#tagStart, this.position);
  }

  /** Skips the value that belongs to `tag`. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varintBigInt();
        return;
      case 1:
        this.#take(8);
        return;
      case 2:
        this.#take(this.varintNumber());
        return;
      case 5:
        this.#take(4);
        return;
      default:
        throw malformed(`wire type ${tag & 7} at byte ${this.#tagStart}`);
    }
  }

  #byte(): number {
    if (this.position >= this.#end) throw truncated(this.position);
    return this.bytes[this.position++]!;
  }

  #take(length: number): number {
    const at = this.position;
    if (length > this.#end - at) throw truncated(at);
    this.position = at + length;
    return at;
  }
}

function truncated(at: number): OnnxError {
  return new OnnxError(
    'truncated',
    `The file is truncated: a value at byte ${at} runs past the end. Copy or download it again.`,
  );
}

function malformed(what: string): OnnxError {
  return new OnnxError('malformed', `The file is not valid protobuf: ${what}. Export or download it again.`);
}
