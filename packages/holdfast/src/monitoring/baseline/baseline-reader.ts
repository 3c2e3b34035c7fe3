import { codedValues } from '../performance/scored-rows.ts';
import { isCompared, mostCategories } from '../profiles/build-reference.ts';
import type { ColumnReader, ColumnValues } from '../profiles/column-values.ts';
import type { BaselineColumns, SourceColumn } from './baseline-columns.ts';
import type { BaselineTable, RowBatch } from './baseline-table.ts';
import { type CategoryDictionary, categoryDictionary } from './category-dictionary.ts';

/** Column name to one value per row: numbers (NaN for missing) or texts (null for missing). */
export type TableColumns = ReadonlyMap<string, Float64Array | readonly (string | null)[]>;

/** The model's answer for rows of input columns: its output columns. */
export type ScoreRows = (rows: number, inputs: TableColumns) => Promise<TableColumns>;

/** Some rows of the baseline, with outputs from the file or from the model. */
export interface BaselineBatch {
  readonly rows: number;
  readonly columnOf: ColumnReader;
  /** Undefined without a truth column. */
  readonly truth: ColumnValues | undefined;
  /** Undefined without a time column; NaN where a row has no time. */
  readonly timeMs: Float64Array | undefined;
}

/** Rows given to the model at once. */
const scoreBatch = 1024;
/** Distinct texts of ground truth that are told apart. */
const mostTruths = 5000;

/** How a column is read: numbers, positions in a dictionary, whole texts, or only whether there is a value. */
type Reading =
  | { readonly kind: 'numeric' }
  | { readonly kind: 'coded'; readonly dictionary: CategoryDictionary }
  | { readonly kind: 'text' }
  | { readonly kind: 'presence' };

interface ReadColumn {
  readonly source: SourceColumn;
  readonly reading: Reading;
}

/** Reads a baseline in batches, as often as needed. */
export class BaselineReader {
  readonly #table: BaselineTable;
  readonly #columns: readonly ReadColumn[];
  readonly #truth: CategoryDictionary | undefined;
  readonly #timeMs: string | undefined;
  readonly #score: ScoreRows | undefined;

  private constructor(
    table: BaselineTable,
    columns: readonly ReadColumn[],
    truth: CategoryDictionary | undefined,
    timeMs: string | undefined,
    score: ScoreRows | undefined,
  ) {
    this.#table = table;
    this.#columns = columns;
    this.#truth = truth;
    this.#timeMs = timeMs;
    this.#score = score;
  }

  /** @param score used only when the file lacks the model's outputs */
  static async open(
    table: BaselineTable,
    columns: BaselineColumns,
    score: ScoreRows | undefined,
  ): Promise<BaselineReader> {
    const scorer = columns.outputs.length === 0 ? score : undefined;
    const read: ReadColumn[] = [];
    for (const [i, source] of [...columns.inputs, ...columns.outputs].entries()) {
      read.push({ source, reading: await readingOf(table, source, `categories${i}`, scorer !== undefined) });
    }
    const truth =
      columns.truth === undefined ? undefined : await categoryDictionary(table, columns.truth, 'truths', mostTruths);
    return new BaselineReader(table, read, truth, columns.timeMs, scorer);
  }

  /** Categories of a column over the whole file; undefined when it is not read as such. */
  categoriesOf(name: string): ReadonlyMap<string, number> | undefined {
    const found = this.#columns.find(column => column.source.spec.name === name);
    return found?.reading.kind === 'coded' ? found.reading.dictionary.counts : undefined;
  }

  /** Values of numeric columns that are no number, by column. */
  get invalid(): ReadonlyMap<string, number> {
    return new Map(this.#columns.map(({ source }) => [source.spec.name, source.invalid]));
  }

  /** @param sample how many rows, drawn evenly with a fixed seed; all in the order of the file when undefined */
  async *read(sample?: number): AsyncGenerator<BaselineBatch> {
    const select = this.#columns.map(selectSql);
    if (this.#truth !== undefined) select.push(this.#truth.codeSql);
    if (this.#timeMs !== undefined) select.push(this.#timeMs);
    const drawn = sample === undefined ? '' : ` using sample reservoir(${sample} rows) repeatable (1)`;
    for await (const batch of this.#table.stream(`select ${select.join(', ')} from baseline${drawn}`)) {
      const values = new Map<string, ColumnValues>();
      for (const [i, { source, reading }] of this.#columns.entries()) {
        values.set(source.spec.name, valuesOf(batch, i, reading));
      }
      for (const [name, column] of await this.#scored(batch.rows, values)) values.set(name, column);
      const at = this.#columns.length;
      yield {
        rows: batch.rows,
        columnOf: name => values.get(name),
        truth: this.#truth && coded(batch.numbers(at), this.#truth),
        timeMs: this.#timeMs === undefined ? undefined : batch.numbers(at + (this.#truth === undefined ? 0 : 1)),
      };
    }
  }

  async #scored(rows: number, values: ReadonlyMap<string, ColumnValues>): Promise<ReadonlyMap<string, ColumnValues>> {
    if (this.#score === undefined) return new Map();
    const inputs = new Map([...values].map(([name, column]) => [name, plainValues(column)] as const));
    const outputs = new Map<string, (Float64Array | readonly (string | null)[])[]>();
    for (let from = 0; from < rows; from += scoreBatch) {
      const to = Math.min(from + scoreBatch, rows);
      const part = new Map([...inputs].map(([name, column]) => [name, column.slice(from, to)] as const));
      for (const [name, column] of await this.#score(to - from, part)) {
        outputs.set(name, [...(outputs.get(name) ?? []), column]);
      }
    }
    return new Map([...outputs].map(([name, parts]) => [name, joined(parts)]));
  }
}

async function readingOf(
  table: BaselineTable,
  source: SourceColumn,
  name: string,
  isScored: boolean,
): Promise<Reading> {
  const { spec, sql } = source;
  if (spec.kind === 'numeric') return { kind: 'numeric' };
  if (isScored) return { kind: 'text' };
  if (!isCompared(spec)) return { kind: 'presence' };
  return { kind: 'coded', dictionary: await categoryDictionary(table, sql, name, mostCategories) };
}

function selectSql({ source, reading }: ReadColumn): string {
  switch (reading.kind) {
    case 'numeric':
      return `(${source.sql})::double`;
    case 'coded':
      return reading.dictionary.codeSql;
    case 'text':
      return source.sql;
    case 'presence':
      return `(case when (${source.sql}) is null then null else 0 end)::double`;
    default:
      return reading satisfies never;
  }
}

function valuesOf(batch: RowBatch, column: number, reading: Reading): ColumnValues {
  switch (reading.kind) {
    case 'numeric':
    case 'presence':
      return { kind: 'numeric', values: batch.numbers(column) };
    case 'coded':
      return coded(batch.numbers(column), reading.dictionary);
    case 'text':
      return codedValues(batch.texts(column).map(text => text ?? ''));
    default:
      return reading satisfies never;
  }
}

function coded(codes: Float64Array, dictionary: CategoryDictionary): ColumnValues {
  return { kind: 'categorical', dictionary: dictionary.texts, codes: Int32Array.from(codes) };
}

function plainValues(column: ColumnValues): Float64Array | readonly (string | null)[] {
  if (column.kind === 'numeric') return column.values;
  return Array.from(column.codes, code => (code < 0 ? null : column.dictionary[code]!));
}

function joined(parts: readonly (Float64Array | readonly (string | null)[])[]): ColumnValues {
  if (parts.every(part => part instanceof Float64Array)) return { kind: 'numeric', values: concatenated(parts) };
  const texts: string[] = [];
  for (const part of parts) for (const value of part) texts.push(value === null ? '' : String(value));
  return codedValues(texts);
}

export function concatenated(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
