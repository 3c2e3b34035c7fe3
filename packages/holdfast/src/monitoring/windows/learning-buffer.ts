import type { Signature } from '@holdfast/api';
import { ReferenceBuilder, sampleOfValues } from '../profiles/build-reference.ts';
import type { CodedValues, ColumnReader, ColumnValues } from '../profiles/column-values.ts';
import type { BaselineProfile } from '../profiles/reference.ts';
import { ByteReader, ByteWriter } from '../profiles/varint.ts';

/** Rows of live traffic that become the reference of a version without a baseline. */
export const learningRows = 2000;
/** Consecutive rows per calibration block of a learned reference. */
const blockRows = 50;

type LearnedColumn =
  | { readonly kind: 'numeric'; readonly values: Float64Array }
  | { readonly kind: 'categorical'; readonly dictionary: string[]; readonly codes: Int32Array };

/** Holds the first rows of a version that came without a baseline. */
export class LearningBuffer {
  readonly #signature: Signature;
  readonly #columns = new Map<string, LearnedColumn>();
  #rows = 0;

  constructor(signature: Signature) {
    this.#signature = signature;
  }

  get rows(): number {
    return this.#rows;
  }

  get room(): number {
    return learningRows - this.#rows;
  }

  /** Takes rows `from` to `to` (exclusive), at most {@link room} of them. */
  add(columnOf: ColumnReader, from: number, to: number): void {
    for (const { name } of this.#signature.columns) {
      const values = columnOf(name);
      if (values !== undefined) this.#copy(name, values, from, to);
    }
    this.#rows += to - from;
  }

  #copy(name: string, values: ColumnValues, from: number, to: number): void {
    let column = this.#columns.get(name);
    if (column === undefined) {
      column =
        values.kind === 'numeric'
          ? { kind: 'numeric', values: new Float64Array(learningRows).fill(Number.NaN) }
          : { kind: 'categorical', dictionary: [], codes: new Int32Array(learningRows).fill(-1) };
      this.#columns.set(name, column);
    }
    if (column.kind === 'numeric' && values.kind === 'numeric') {
      column.values.set(values.values.subarray(from, to), this.#rows);
    } else if (column.kind === 'categorical' && values.kind === 'categorical') {
      copyCodes(column, values, from, to, this.#rows);
    }
  }

  /** The reference made of the rows held. */
  finish(): BaselineProfile {
    const columnOf = (name: string): ColumnValues | undefined => {
      const column = this.#columns.get(name);
      if (column === undefined) return undefined;
      return column.kind === 'numeric'
        ? { kind: 'numeric', values: column.values.subarray(0, this.#rows) }
        : { kind: 'categorical', dictionary: column.dictionary, codes: column.codes.subarray(0, this.#rows) };
    };
    const builder = new ReferenceBuilder(this.#signature, name => {
      const values = columnOf(name);
      return values && sampleOfValues(values);
    });
    builder.add(this.#rows, columnOf, row => Math.floor(row / blockRows));
    return builder.finish({ source: 'live', blockMs: null });
  }

  encode(): Uint8Array {
    const writer = new ByteWriter(65_536);
    writer.uint(this.#rows);
    writer.uint(this.#columns.size);
    for (const [name, column] of this.#columns) {
      writer.text(name);
      writer.uint(column.kind === 'numeric' ? 0 : 1);
      if (column.kind === 'numeric') {
        for (let row = 0; row < this.#rows; row++) writer.double(column.values[row]!);
      } else {
        writer.uint(column.dictionary.length);
        for (const text of column.dictionary) writer.text(text);
        for (let row = 0; row < this.#rows; row++) writer.uint(column.codes[row]! + 1);
      }
    }
    return writer.finish();
  }

  static decode(signature: Signature, bytes: Uint8Array): LearningBuffer {
    const reader = new ByteReader(bytes);
    const buffer = new LearningBuffer(signature);
    buffer.#rows = reader.uint();
    for (let left = reader.uint(); left > 0; left--) {
      const name = reader.text();
      if (reader.uint() === 0) {
        const values = new Float64Array(learningRows).fill(Number.NaN);
        for (let row = 0; row < buffer.#rows; row++) values[row] = reader.double();
        buffer.#columns.set(name, { kind: 'numeric', values });
      } else {
        const dictionary = Array.from({ length: reader.uint() }, () => reader.text());
        const codes = new Int32Array(learningRows).fill(-1);
        for (let row = 0; row < buffer.#rows; row++) codes[row] = reader.uint() - 1;
        buffer.#columns.set(name, { kind: 'categorical', dictionary, codes });
      }
    }
    return buffer;
  }
}

function copyCodes(
  into: { readonly dictionary: string[]; readonly codes: Int32Array },
  values: CodedValues,
  from: number,
  to: number,
  at: number,
): void {
  const known = new Map(into.dictionary.map((text, code) => [text, code]));
  for (let row = from; row < to; row++) {
    const source = values.codes[row]!;
    if (source < 0) continue;
    const text = values.dictionary[source]!;
    let code = known.get(text);
    if (code === undefined) {
      code = into.dictionary.length;
      into.dictionary.push(text);
      known.set(text, code);
    }
    into.codes[at + row - from] = code;
  }
}
