import type { Signature } from '@holdfast/api';
import { type Measured, measure } from '../performance/measure.ts';
import { codedValues, taskColumns } from '../performance/scored-rows.ts';
import type { ColumnValues } from '../profiles/column-values.ts';
import { type BaselineBatch, concatenated } from './baseline-reader.ts';

/** The rows of a baseline with ground truth, kept for the model's metrics. */
export class LabelledRows {
  readonly #signature: Signature;
  readonly #names: readonly string[];
  readonly #numbers = new Map<string, Float64Array[]>();
  readonly #texts = new Map<string, string[]>();
  readonly #truth: string[] = [];

  constructor(signature: Signature) {
    this.#signature = signature;
    this.#names = taskColumns(signature.task);
  }

  add(batch: BaselineBatch): void {
    const { truth } = batch;
    const columns = this.#names.map(name => batch.columnOf(name));
    if (truth?.kind !== 'categorical' || columns.length === 0 || columns.includes(undefined)) return;
    const rows = Int32Array.from(truth.codes.keys()).filter(row => truth.codes[row]! >= 0);
    for (const row of rows) this.#truth.push(truth.dictionary[truth.codes[row]!]!);
    for (const [i, name] of this.#names.entries()) this.#keep(name, columns[i]!, rows);
  }

  #keep(name: string, column: ColumnValues, rows: Int32Array): void {
    if (column.kind === 'numeric') {
      const parts = this.#numbers.get(name) ?? [];
      parts.push(Float64Array.from(rows, row => column.values[row]!));
      this.#numbers.set(name, parts);
      return;
    }
    const texts = this.#texts.get(name) ?? [];
    for (const row of rows) texts.push(column.dictionary[column.codes[row]!] ?? '');
    this.#texts.set(name, texts);
  }

  measure(): Measured {
    const columns = new Map<string, ColumnValues>();
    for (const [name, parts] of this.#numbers) columns.set(name, { kind: 'numeric', values: concatenated(parts) });
    for (const [name, texts] of this.#texts) columns.set(name, codedValues(texts));
    return measure(this.#signature.task, {
      rows: this.#truth.length,
      columnOf: name => columns.get(name),
      truth: this.#truth,
    });
  }
}
