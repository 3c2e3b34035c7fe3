import type { DuckDBValue } from '@duckdb/node-api';
import { type BaselineFormat, fault, type Signature } from '@holdfast/api';
import { measure } from '../performance/measure.ts';
import { codedValues, taskColumns } from '../performance/scored-rows.ts';
import { type ColumnSample, ReferenceBuilder } from '../profiles/build-reference.ts';
import type { ColumnReader, ColumnValues } from '../profiles/column-values.ts';
import type { BaselineProfile } from '../profiles/reference.ts';
import { type BaselineColumns, matchColumns, type SourceColumn } from './baseline-columns.ts';
import { BaselineTable } from './baseline-table.ts';
import { type BlockPlan, planBlocks } from './plan-blocks.ts';

/** Column name to one value per row: numbers (NaN for missing) or texts (null for missing). */
export type TableColumns = ReadonlyMap<string, Float64Array | readonly (string | null)[]>;

/** The model's answer for rows of input columns: its output columns. */
export type ScoreRows = (rows: number, inputs: TableColumns) => Promise<TableColumns>;

export interface PrepareBaselineOptions {
  readonly path: string;
  readonly format: BaselineFormat;
  readonly signature: Signature;
  /** Column with ground truth; `label`, `target`, `truth` or `y` when undefined, unless the model has a column so named. */
  readonly truthColumn?: string | undefined;
  /** Column with the event time: its days (or hours) are the blocks that thresholds are learned from. */
  readonly timeColumn?: string | undefined;
  /** Scores the rows when the file lacks the model's outputs; without it only inputs are watched. */
  readonly score?: ScoreRows | undefined;
}

/** Fewer rows say too little about how often anything happens. */
const fewestRows = 50;
/** Rows that quantiles and categories are taken from. */
const sampleRows = 200_000;
/** Rows given to the model at once. */
const scoreBatch = 1024;

function numbers(values: readonly DuckDBValue[]): Float64Array {
  return Float64Array.from(values, value => (value === null ? Number.NaN : Number(value)));
}

function texts(values: readonly DuckDBValue[]): (string | null)[] {
  return values.map(value => (value === null ? null : String(value)));
}

function tableColumn(column: SourceColumn, values: readonly DuckDBValue[]): Float64Array | (string | null)[] {
  return column.spec.kind === 'numeric' ? numbers(values) : texts(values);
}

function asValues(values: Float64Array | readonly (string | null)[]): ColumnValues {
  if (values instanceof Float64Array) return { kind: 'numeric', values };
  return codedValues(values.map(text => text ?? ''));
}

/** Rows in order of time, a batch at a time, with outputs from the file or from the model. */
interface Batch {
  readonly rows: number;
  readonly columns: TableColumns;
  readonly truth: readonly (string | null)[];
  readonly timeMs: Float64Array | undefined;
}

class BaselineReader {
  readonly #table: BaselineTable;
  readonly #columns: BaselineColumns;
  readonly #score: ScoreRows | undefined;

  constructor(table: BaselineTable, columns: BaselineColumns, score: ScoreRows | undefined) {
    this.#table = table;
    this.#columns = columns;
    this.#score = columns.outputs.length === 0 ? score : undefined;
  }

  /** @param sample how many rows, drawn evenly with a fixed seed; all when undefined */
  async *read(sample?: number): AsyncGenerator<Batch> {
    const { inputs, outputs, truth, timeMs } = this.#columns;
    const sources = [...inputs, ...outputs];
    const select = sources.map((source, i) => `${source.sql} as c${i}`);
    if (truth !== undefined) select.push(`${truth} as truth`);
    if (timeMs !== undefined) select.push(`${timeMs} as time_ms`);
    const drawn = sample === undefined ? '' : ` using sample reservoir(${sample} rows) repeatable (1)`;
    const order = timeMs === undefined || sample !== undefined ? '' : ' order by time_ms nulls first';
    for await (const batch of this.#table.stream(`select ${select.join(', ')} from baseline${drawn}${order}`)) {
      const columns = new Map(
        sources.map((source, i) => [source.spec.name, tableColumn(source, batch.columns.get(`c${i}`) ?? [])] as const),
      );
      const times = batch.columns.get('time_ms');
      const truths = batch.columns.get('truth');
      yield {
        rows: batch.rows,
        columns: new Map([...columns, ...(await this.#scored(batch.rows, columns))]),
        truth: truths === undefined ? [] : texts(truths),
        timeMs: times && numbers(times),
      };
    }
  }

  async #scored(rows: number, columns: TableColumns): Promise<TableColumns> {
    if (this.#score === undefined) return new Map();
    const whole = new Map<string, (number | string | null)[]>();
    for (let from = 0; from < rows; from += scoreBatch) {
      const to = Math.min(from + scoreBatch, rows);
      const part = new Map([...columns].map(([name, values]) => [name, values.slice(from, to)] as const));
      for (const [name, values] of await this.#score(to - from, part)) {
        const all = whole.get(name) ?? [];
        all.push(...values);
        whole.set(name, all);
      }
    }
    return new Map([...whole].map(([name, values]) => [name, column(values)]));
  }
}

function column(values: readonly (number | string | null)[]): Float64Array | (string | null)[] {
  if (values.every(value => typeof value === 'number')) return Float64Array.from(values);
  return values.map(value => (value === null ? null : String(value)));
}

/** First pass: what bins and categories are made from. */
async function takeSample(reader: BaselineReader, rows: number): Promise<ReadonlyMap<string, ColumnSample>> {
  const gathered = new Map<string, (Float64Array | readonly (string | null)[])[]>();
  for await (const batch of reader.read(rows > sampleRows ? sampleRows : undefined)) {
    for (const [name, values] of batch.columns) {
      const parts = gathered.get(name) ?? [];
      parts.push(values);
      gathered.set(name, parts);
    }
  }
  return new Map([...gathered].map(([name, parts]) => [name, sampleOf(parts)]));
}

function sampleOf(parts: readonly (Float64Array | readonly (string | null)[])[]): ColumnSample {
  if (parts.every(part => part instanceof Float64Array)) {
    const values = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      values.set(part, at);
      at += part.length;
    }
    return { kind: 'numeric', values };
  }
  const counts = new Map<string, number>();
  for (const part of parts) {
    for (const value of part) if (value !== null) counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
  }
  return { kind: 'categorical', counts };
}

/** The rows with ground truth, kept for the metrics. */
class LabelledRows {
  readonly #names: readonly string[];
  readonly #columns = new Map<string, (number | string)[]>();
  readonly #truth: string[] = [];

  constructor(names: readonly string[]) {
    this.#names = names;
  }

  add(batch: Batch): void {
    if (this.#names.length === 0) return;
    const sources = this.#names.map(name => batch.columns.get(name));
    if (sources.some(source => source === undefined)) return;
    for (const [row, truth] of batch.truth.entries()) {
      if (truth === null || truth === '') continue;
      this.#truth.push(truth);
      for (const [i, name] of this.#names.entries()) {
        const values = this.#columns.get(name) ?? [];
        values.push(sources[i]![row] ?? '');
        this.#columns.set(name, values);
      }
    }
  }

  measure(signature: Signature): ReturnType<typeof measure> {
    const columns = new Map<string, ColumnValues>();
    for (const [name, values] of this.#columns) columns.set(name, asValues(column(values)));
    const columnOf: ColumnReader = name => columns.get(name);
    return measure(signature.task, { rows: this.#truth.length, columnOf, truth: this.#truth });
  }
}

/** Second pass: every row into its block and cell. */
async function countRows(
  reader: BaselineReader,
  builder: ReferenceBuilder,
  blocks: BlockPlan,
  labelled: LabelledRows,
): Promise<void> {
  let seen = 0;
  for await (const batch of reader.read()) {
    const values = new Map([...batch.columns].map(([name, column]) => [name, asValues(column)]));
    const start = seen;
    const times = batch.timeMs;
    builder.add(
      batch.rows,
      name => values.get(name),
      row => blocks.blockOf(start + row, times?.[row]),
    );
    labelled.add(batch);
    seen += batch.rows;
  }
}

/**
 * Reads reference data and makes the profile that live windows are compared with: bins at quantiles, categories, moments,
 * counts per block for calibration, and the model's metrics on the file's ground truth.
 *
 * @throws Fault `baseline_rejected` when the file cannot be read, is too short, or its columns do not match the model
 */
export async function prepareBaseline(options: PrepareBaselineOptions): Promise<BaselineProfile> {
  const { signature } = options;
  await using table = await BaselineTable.open(options.path, options.format);
  if (table.rows < fewestRows) {
    throw fault(
      'baseline_rejected',
      `it has ${table.rows} rows; at least ${fewestRows} are needed to know what is normal.`,
    );
  }
  const columns = matchColumns(table, signature, { truthColumn: options.truthColumn, timeColumn: options.timeColumn });
  const reader = new BaselineReader(table, columns, options.score);
  const samples = await takeSample(reader, table.rows);
  const builder = new ReferenceBuilder(signature, name => samples.get(name));
  const blocks = await planBlocks(table, columns.timeMs);
  const labelled = new LabelledRows(columns.truth === undefined ? [] : taskColumns(signature.task));
  await countRows(reader, builder, blocks, labelled);
  const { labelled: rows, metrics } = labelled.measure(signature);
  return builder.finish({ source: 'baseline', blockMs: blocks.blockMs, performance: metrics, labelled: rows });
}
