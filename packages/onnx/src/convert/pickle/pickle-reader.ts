import { OnnxError } from '../../onnx-error.ts';
import type { PyValue } from './python-values.ts';

export function malformed(what: string, at: number): OnnxError {
  return new OnnxError('source_malformed', `The pickle is not valid: ${what} at byte ${at}; save the model again.`);
}

/** The arguments of opcodes, read from where the machine is. */
export class PickleReader {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
  }

  byte(): number {
    return this.bytes[this.take(1)]!;
  }

  take(length: number): number {
    const at = this.at;
    if (length > this.bytes.length - at)
      throw new OnnxError(
        'truncated',
        `The pickle is truncated: unexpected end at byte ${this.bytes.length}; copy or download the file again.`,
      );
    this.at = at + length;
    return at;
  }

  payload(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  size4(): number {
    const size = this.view.getInt32(this.take(4), true);
    if (size < 0) throw malformed('a negative length', this.at);
    return size;
  }

  size8(): number {
    const size = this.view.getBigUint64(this.take(8), true);
    if (size > BigInt(this.bytes.length)) this.take(Number.MAX_SAFE_INTEGER);
    return Number(size);
  }

  line(): string {
    const end = this.bytes.indexOf(10, this.at);
    if (end < 0) this.take(Number.MAX_SAFE_INTEGER);
    const text = latin1(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return text.endsWith('\r') ? text.slice(0, -1) : text;
  }

  long(length: number): bigint {
    const raw = this.payload(length);
    if (length > 64)
      throw new OnnxError('too_large', `The pickle holds an integer of ${length} bytes; no model needs it.`);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(raw[i]!);
    return length > 0 ? BigInt.asIntN(length * 8, value) : 0n;
  }

  textInt(text: string): PyValue {
    if (text === '00') return false;
    if (text === '01') return true;
    return this.textLong(text);
  }

  textLong(text: string): bigint {
    const digits = text.replace(/L$/, '');
    if (!/^[+-]?\d{1,150}$/.test(digits)) throw malformed('a bad integer', this.at);
    return BigInt(digits);
  }

  textFloat(text: string): number {
    const named: Readonly<Record<string, number>> = {
      inf: Number.POSITIVE_INFINITY,
      '-inf': Number.NEGATIVE_INFINITY,
      nan: Number.NaN,
    };
    const value = named[text.toLowerCase()] ?? Number(text);
    if (Number.isNaN(value) && text.toLowerCase() !== 'nan') throw malformed('a bad number', this.at);
    return value;
  }

  quoted(text: string): string {
    const inner = /^(['"])(.*)\1$/.exec(text.trim())?.[2];
    if (inner === undefined) throw malformed('a bad string', this.at);
    return inner.replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)/g, (_, code: string) => unescapePython(code));
  }
}

function unescapePython(code: string): string {
  const named: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f', v: '\v', a: '\x07' };
  if (code[0] === 'x' && code.length === 3) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
  if (/^[0-7]+$/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
  return named[code] ?? code;
}

export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return text;
}

export function unescapeUnicode(text: string): string {
  return text.replace(
    /\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g,
    (whole, short: string | undefined, long: string | undefined) => {
      const code = Number.parseInt(short ?? long ?? '', 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
