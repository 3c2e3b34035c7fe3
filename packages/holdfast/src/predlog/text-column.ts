import type { Datatype, Tensor } from '@holdfast/api';
import { halfToNumber } from './half.ts';
import { isText } from './tensor-block.ts';

/** Element `at` of a tensor as text: numbers in JavaScript's shortest form, truth values as `true` and `false`. */
export function elementText(data: Tensor['data'], datatype: Datatype, at: number): string | undefined {
  if (isText(data)) return data[at];
  const value = data[at];
  if (value === undefined) return undefined;
  if (datatype === 'BOOL') return value === 0 ? 'false' : 'true';
  if (datatype === 'FP16') return String(halfToNumber(Number(value)));
  return typeof value === 'number' && Number.isNaN(value) ? undefined : String(value);
}

/** The values of one text column, each distinct text kept once, waiting to be written. */
export class TextColumn {
  readonly index: number;
  readonly #hash: ((text: string) => string) | undefined;
  readonly #codeOf = new Map<string, number>();
  /** What goes to the disk: the texts, or their hashes. */
  texts: string[] = [];
  /** Per row, 0 for missing, or 1 + the position in `texts`. */
  codes = new Uint32Array(0);

  /** @param hash applied to each distinct text of personal data before it is kept */
  constructor(index: number, hash: ((text: string) => string) | undefined) {
    this.index = index;
    this.#hash = hash;
  }

  resize(capacity: number, rows: number): void {
    const larger = new Uint32Array(capacity);
    larger.set(this.codes.subarray(0, rows));
    this.codes = larger;
  }

  /** Takes this column of `count` rows of a row-major tensor at row `at`; the bytes that new texts need. */
  take(tensor: Tensor, at: number, count: number): number {
    const { data, datatype } = tensor;
    const stride = data.length / count;
    if (!Number.isInteger(stride) || this.index >= stride) {
      this.miss(at, count);
      return 0;
    }
    let bytes = 0;
    for (let row = 0; row < count; row++) {
      const text = elementText(data, datatype, row * stride + this.index);
      let code = 0;
      if (text !== undefined) {
        code = this.#codeOf.get(text) ?? 0;
        if (code === 0) {
          bytes += text.length + textOverheadBytes;
          this.texts.push(this.#hash === undefined ? text : this.#hash(text));
          code = this.texts.length;
          this.#codeOf.set(text, code);
        }
      }
      this.codes[at + row] = code;
    }
    return bytes;
  }

  miss(at: number, count: number): void {
    this.codes.fill(0, at, at + count);
  }

  clear(): void {
    this.#codeOf.clear();
    this.texts = [];
  }
}

/** A dictionary entry costs about this much beside its characters. */
const textOverheadBytes = 64;

/** Codes in as few bytes as the dictionary allows. */
export function narrowCodes(
  codes: Uint32Array,
  rows: number,
  distinct: number,
): Uint8Array | Uint16Array | Uint32Array {
  if (distinct < 0x100) return Uint8Array.from(codes.subarray(0, rows));
  if (distinct < 0x1_0000) return Uint16Array.from(codes.subarray(0, rows));
  return codes;
}

/** The array type that `narrowCodes` chose for a dictionary of this size. */
export function codesArray(distinct: number): Uint8ArrayConstructor | Uint16ArrayConstructor | Uint32ArrayConstructor {
  if (distinct < 0x100) return Uint8Array;
  return distinct < 0x1_0000 ? Uint16Array : Uint32Array;
}
