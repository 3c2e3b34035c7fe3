/** Text that is not JSON: what is wrong, in RapidJSON's words (both protocols' clients know them), and where. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError';
  readonly reason: string;
  readonly offset: number;

  constructor(reason: string, offset: number) {
    super(`${reason} at offset: ${offset}`);
    this.reason = reason;
    this.offset = offset;
  }
}

/** JSON nested deeper than {@link maximumDepth}. */
export class JsonDepthError extends Error {
  override readonly name = 'JsonDepthError';

  constructor() {
    super(`JSON nesting depth exceeds maximum allowed limit (${maximumDepth})`);
  }
}

export const maximumDepth = 100;

/** A JSON value read without loss: whole numbers beyond 2^53 are `bigint`, objects are maps, so no key is special. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonValue>;

const space = 0x20;
const quote = 0x22;
const comma = 0x2c;
const minus = 0x2d;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** 10^0 to 10^22, all exact. */
const powersOfTen: readonly number[] = Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
const escapes: Readonly<Record<number, string>> = {
  34: '"',
  92: '\\',
  47: '/',
  98: '\b',
  102: '\f',
  110: '\n',
  114: '\r',
  116: '\t',
};

/**
 * Short ASCII strings seen lately, by a hash of their bytes. Keys, tensor names, datatypes and categories come again in
 * every request; finding them here costs a quarter of making them anew. A memory only: what it forgets is made again.
 */
const memory: string[] = new Array<string>(2048).fill('');
const longestRemembered = 24;

function remembered(bytes: Buffer, start: number, end: number, hash: number): string {
  const slot = hash & 2047;
  const known = memory[slot]!;
  if (known.length === end - start) {
    let at = start;
    while (at < end && bytes[at] === known.charCodeAt(at - start)) at++;
    if (at === end) return known;
  }
  const text = bytes.toString('latin1', start, end);
  memory[slot] = text;
  return text;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/**
 * Quotient of a whole number `hi * 10^loDigits + lo` by 10^scale, correctly rounded, in double-double arithmetic
 * (T. J. Dekker, 1971); NaN where the two nearest doubles are too close to call.
 */
function quotient(hi: number, lo: number, loDigits: number, scale: number): number {
  const factor = powersOfTen[loDigits]!;
  const divisor = powersOfTen[scale]!;
  // hi * factor = product + productError, exactly.
  let big = 134_217_729 * hi;
  const hiTop = big - (big - hi);
  const hiRest = hi - hiTop;
  big = 134_217_729 * factor;
  const factorTop = big - (big - factor);
  const factorRest = factor - factorTop;
  const product = hi * factor;
  const productError = hiRest * factorRest - (product - hiTop * factorTop - hiRest * factorTop - hiTop * factorRest);
  const sum = product + lo;
  const tail = lo - (sum - product) + productError;
  // First quotient and what it leaves over, exactly.
  const first = sum / divisor;
  big = 134_217_729 * first;
  const firstTop = big - (big - first);
  const firstRest = first - firstTop;
  big = 134_217_729 * divisor;
  const divisorTop = big - (big - divisor);
  const divisorRest = divisor - divisorTop;
  const back = first * divisor;
  const backError =
    firstRest * divisorRest - (back - firstTop * divisorTop - firstRest * divisorTop - firstTop * divisorRest);
  const second = (sum - back - backError + tail) / divisor;
  // The error of `second` is below 2^-100 of the quotient: if that cannot change the rounding, the result is right.
  const slack = first * 2 ** -98;
  const value = first + (second + slack);
  return value === first + (second - slack) ? value : Number.NaN;
}

/**
 * Reads JSON from bytes, forward only. The bytes must be valid UTF-8 (check with `isUtf8` first). Besides JSON it takes
 * the bare numbers NaN, Infinity and -Infinity, as both inference protocols do.
 */
export class JsonCursor {
  readonly bytes: Buffer;
  readonly end: number;
  at: number;
  /** Of the number read last: whether it had neither fraction nor exponent. */
  isWhole = false;
  /** Of the string read last: whether it was written with escapes; only those can hold NUL or half a character. */
  hadEscapes = false;
  /** Where the number read last began. */
  numberStart = 0;

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  fail(reason: string, offset = this.at): never {
    throw new JsonSyntaxError(reason, offset);
  }

  /** The next byte that is not white space, not consumed; -1 at the end. */
  peek(): number {
    const { bytes, end } = this;
    let at = this.at;
    while (at < end) {
      const byte = bytes[at]!;
      if (byte > space || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
      at++;
    }
    this.at = at;
    return at < end ? bytes[at]! : -1;
  }

  /** Consumes `{`; then the keys come from {@link nextKey}. */
  beginObject(): void {
    if (this.peek() !== openBrace) this.fail('Invalid value.');
    this.at++;
  }

  /** The next key of the object, its colon consumed; undefined, with the brace consumed, when there is none. */
  nextKey(isFirst: boolean): string | undefined {
    let byte = this.peek();
    if (byte === closeBrace) {
      this.at++;
      return undefined;
    }
    if (!isFirst) {
      if (byte !== comma) this.fail('Missing a comma or } after an object member.');
      this.at++;
      byte = this.peek();
    }
    if (byte !== quote) this.fail('Missing a name for object member.');
    const key = this.string();
    if (this.peek() !== colon) this.fail('Missing a colon after a name of object member.');
    this.at++;
    return key;
  }

  /** Consumes `[`; then {@link nextElement} says whether there is one more. */
  beginArray(): void {
    if (this.peek() !== openBracket) this.fail('Invalid value.');
    this.at++;
  }

  /** True when an element follows; false, with the bracket consumed, when the array ends. */
  nextElement(isFirst: boolean): boolean {
    const byte = this.peek();
    if (byte === closeBracket) {
      this.at++;
      return false;
    }
    if (!isFirst) {
      if (byte !== comma) this.fail('Missing a comma or ] after an array element.');
      this.at++;
      if (this.peek() === closeBracket) this.fail('Invalid value.');
    }
    return true;
  }

  /** Reads the string at the cursor, which stands on its opening quote. */
  string(): string {
    const { bytes, end } = this;
    this.hadEscapes = false;
    const start = this.at + 1;
    let at = start;
    let seen = 0;
    let hash = 0;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === quote) {
        this.at = at + 1;
        if (seen >= 0x80) return bytes.toString('utf8', start, at);
        return at - start > longestRemembered
          ? bytes.toString('latin1', start, at)
          : remembered(bytes, start, at, hash);
      }
      if (byte === backslash) return this.#stringWithEscapes(start);
      if (byte < space) this.fail('Invalid encoding in string.', at);
      seen |= byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    return this.fail('Missing a closing quotation mark in string.', start - 1);
  }

  #stringWithEscapes(start: number): string {
    const { bytes, end } = this;
    this.hadEscapes = true;
    let text = '';
    let from = start;
    let at = start;
    while (at < end) {
      const byte = bytes[at]!;
      if (byte === quote) {
        this.at = at + 1;
        return text + bytes.toString('utf8', from, at);
      }
      if (byte < space) this.fail('Invalid encoding in string.', at);
      if (byte !== backslash) {
        at++;
        continue;
      }
      text += bytes.toString('utf8', from, at);
      const escaped = bytes[at + 1];
      if (at + 1 >= end) break;
      if (escaped === 0x75) {
        const hex = bytes.toString('latin1', at + 2, Math.min(at + 6, end));
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) this.fail('Incorrect hex digit after \\u escape in string.', at);
        text += String.fromCharCode(Number.parseInt(hex, 16));
        at += 6;
      } else {
        const character = escapes[escaped ?? 0];
        if (character === undefined) this.fail('Invalid escape character in string.', at);
        text += character;
        at += 2;
      }
      from = at;
    }
    return this.fail('Missing a closing quotation mark in string.', start - 1);
  }

  /** Reads the number at the cursor as the double nearest to it. */
  number(): number {
    const { bytes, end } = this;
    const start = this.at;
    this.numberStart = start;
    let at = start;
    const isNegative = bytes[at] === minus;
    if (isNegative) at++;
    let byte = at < end ? bytes[at]! : 0;
    if (byte === 0x4e || byte === 0x49) return this.#notFinite(at, isNegative);
    if (byte < 0x30 || byte > 0x39) this.fail('Invalid value.', start);
    // The first 15 digits are exact in `hi`, up to 7 more in `lo`.
    let hi = 0;
    let lo = 0;
    let digits = 0;
    let exponent = 0;
    if (byte === 0x30) {
      at++;
      if (at < end && isDigit(bytes[at])) this.fail('Invalid value.', start);
    } else {
      for (; at < end; at++) {
        byte = bytes[at]!;
        if (byte < 0x30 || byte > 0x39) break;
        if (digits < 15) hi = hi * 10 + (byte - 0x30);
        else lo = lo * 10 + (byte - 0x30);
        digits++;
      }
    }
    let isWhole = true;
    if (at < end && bytes[at] === 0x2e) {
      isWhole = false;
      const fraction = ++at;
      for (; at < end; at++) {
        byte = bytes[at]!;
        if (byte < 0x30 || byte > 0x39) break;
        if (digits < 15) {
          hi = hi * 10 + (byte - 0x30);
          if (hi !== 0) digits++;
        } else {
          lo = lo * 10 + (byte - 0x30);
          digits++;
        }
      }
      if (at === fraction) this.fail('Miss fraction part in number.', start);
      exponent = fraction - at;
    }
    if (at < end && (bytes[at]! | 0x20) === 0x65) {
      isWhole = false;
      at++;
      const sign = bytes[at];
      if (sign === 0x2b || sign === minus) at++;
      const first = at;
      let power = 0;
      for (; at < end; at++) {
        byte = bytes[at]!;
        if (byte < 0x30 || byte > 0x39) break;
        if (power < 10_000) power = power * 10 + (byte - 0x30);
      }
      if (at === first) this.fail('Miss exponent in number.', start);
      exponent += sign === minus ? -power : power;
    }
    this.at = at;
    this.isWhole = isWhole;
    let value = Number.NaN;
    if (digits <= 15) {
      if (exponent === 0) value = hi;
      else if (exponent < 0 && exponent >= -22) value = hi / powersOfTen[-exponent]!;
      else if (exponent > 0 && exponent <= 22 && digits + exponent <= 22) value = hi * powersOfTen[exponent]!;
    } else if (digits <= 22 && exponent <= 0 && exponent >= -22) {
      value = quotient(hi, lo, digits - 15, -exponent);
    }
    if (Number.isNaN(value)) return Number(bytes.toString('latin1', start, at));
    return isNegative ? -value : value;
  }

  /**
   * The short way for lists of everyday numbers: reads decimals of up to 15 digits without exponent, from the one at
   * the cursor on, into `into` from `from` on, and stops before the first that is anything else, or at `limit`.
   * @returns the index after the last one read; the cursor stands behind it
   */
  decimals(into: Float32Array | Float64Array, from: number, limit: number): number {
    const { bytes, end } = this;
    let at = this.at;
    let index = from;
    while (index < limit) {
      const isNegative = bytes[at] === minus;
      if (isNegative) at++;
      const first = at;
      let mantissa = 0;
      let byte = 0;
      for (; at < end; at++) {
        byte = bytes[at]!;
        if (byte < 0x30 || byte > 0x39) break;
        mantissa = mantissa * 10 + (byte - 0x30);
      }
      const point = at;
      // No digit, or a zero before other digits: not a number.
      if (point === first || (bytes[first] === 0x30 && point > first + 1)) return index;
      let scale = 0;
      if (byte === 0x2e) {
        for (at++; at < end; at++) {
          byte = bytes[at]!;
          if (byte < 0x30 || byte > 0x39) break;
          mantissa = mantissa * 10 + (byte - 0x30);
        }
        scale = at - point - 1;
        if (scale === 0) return index;
      }
      // 15 digits are exact; the point takes a place of its own.
      if (at - first > (scale === 0 ? 15 : 16) || at >= end || (byte !== comma && byte !== closeBracket)) return index;
      const value = scale === 0 ? mantissa : mantissa / powersOfTen[scale]!;
      into[index++] = isNegative ? -value : value;
      this.at = at;
      if (byte === closeBracket) return index;
      at++;
      while (at < end && bytes[at] === space) at++;
    }
    return index;
  }

  #notFinite(at: number, isNegative: boolean): number {
    const word = this.bytes[at] === 0x4e ? 'NaN' : 'Infinity';
    if (at + word.length > this.end || this.bytes.toString('latin1', at, at + word.length) !== word) {
      this.fail('Invalid value.', this.numberStart);
    }
    this.at = at + word.length;
    this.isWhole = false;
    if (word === 'NaN') return Number.NaN;
    return isNegative ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  }

  /** The characters of the number read last. */
  numberText(): string {
    return this.bytes.toString('latin1', this.numberStart, this.at);
  }

  #word(word: 'true' | 'false' | 'null'): void {
    const { at } = this;
    if (at + word.length > this.end || this.bytes.toString('latin1', at, at + word.length) !== word)
      this.fail('Invalid value.');
    this.at = at + word.length;
  }

  /** Reads `true` or `false`. */
  boolean(): boolean {
    const isTrue = this.peek() === 0x74;
    this.#word(isTrue ? 'true' : 'false');
    return isTrue;
  }

  /** Reads whatever value comes next. @throws JsonSyntaxError, JsonDepthError */
  value(depth = 0): JsonValue {
    const byte = this.peek();
    switch (byte) {
      case -1:
        return this.fail(this.at === 0 ? 'The document is empty.' : 'Invalid value.');
      case openBrace:
        return this.#object(depth);
      case openBracket:
        return this.#array(depth);
      case quote:
        return this.string();
      case 0x74:
      case 0x66:
        return this.boolean();
      case 0x6e:
        this.#word('null');
        return null;
      default: {
        const value = this.number();
        return this.isWhole && !Number.isSafeInteger(value) ? BigInt(this.numberText()) : value;
      }
    }
  }

  #object(depth: number): JsonValue {
    if (depth >= maximumDepth) throw new JsonDepthError();
    this.at++;
    const object = new Map<string, JsonValue>();
    for (let key = this.nextKey(true); key !== undefined; key = this.nextKey(false)) {
      object.set(key, this.value(depth + 1));
    }
    return object;
  }

  #array(depth: number): JsonValue {
    if (depth >= maximumDepth) throw new JsonDepthError();
    this.at++;
    const array: JsonValue[] = [];
    while (this.nextElement(array.length === 0)) array.push(this.value(depth + 1));
    return array;
  }

  /** Consumes the value that comes next, checking its syntax. */
  skip(depth = 0): void {
    const byte = this.peek();
    if (byte === openBrace || byte === openBracket) {
      if (depth >= maximumDepth) throw new JsonDepthError();
      this.at++;
      let isFirst = true;
      if (byte === openBrace) for (; this.nextKey(isFirst) !== undefined; isFirst = false) this.skip(depth + 1);
      else for (; this.nextElement(isFirst); isFirst = false) this.skip(depth + 1);
    } else this.value(depth);
  }
}
