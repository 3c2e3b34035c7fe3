import type { DuckDBAppender } from '@duckdb/node-api';
import type { StoredChunk } from './chunk-codec.ts';
import type { Duck } from './duck.ts';
import { appendLabels, appendPredictions, createTableSql, labelColumns, sqlColumns } from './hot-table.ts';
import type { LabelChunk } from './log-chunk.ts';
import type { LogSchema } from './log-schema.ts';
import type { StoredPredictions } from './stored-predictions.ts';

/** The rows of one segment with one layout, in memory. */
export interface HotTable {
  readonly table: string;
  readonly segment: string;
  readonly schema: LogSchema;
  readonly schemaText: string;
  rows: number;
  /** The first rows that labels were matched with. */
  matchedRows: number;
  minEventMs: number;
  maxEventMs: number;
  explicitRows: number;
  hasKeys: boolean;
}

/** Rows of the log that are not sealed yet, in DuckDB's memory. */
export class HotStore {
  readonly #duck: Duck;
  readonly #labelTable: string;
  readonly #tables = new Map<string, HotTable>();
  #created = 0;
  #labelRows = 0;

  private constructor(duck: Duck, labelTable: string) {
    this.#duck = duck;
    this.#labelTable = labelTable;
  }

  /** @param labelTable the table that labels are appended to; it is made here */
  static async open(duck: Duck, labelTable: string): Promise<HotStore> {
    await duck.run(createTableSql(labelTable, labelColumns));
    return new HotStore(duck, labelTable);
  }

  get tables(): readonly HotTable[] {
    return [...this.#tables.values()];
  }

  /** Labels taken in since the store was opened. */
  get labelRows(): number {
    return this.#labelRows;
  }

  /** Takes chunks in; each must be given once. */
  async ingest(chunks: readonly StoredChunk[]): Promise<void> {
    const byTable = new Map<HotTable, StoredPredictions[]>();
    const labels: LabelChunk[] = [];
    for (const chunk of chunks) {
      if (chunk.kind === 'labels') labels.push(chunk);
      if (chunk.kind !== 'predictions') continue;
      const hot = await this.#tableOf(chunk);
      const group = byTable.get(hot);
      if (group === undefined) byTable.set(hot, [chunk]);
      else group.push(chunk);
    }
    for (const [hot, group] of byTable) {
      await this.#duck.append(hot.table, fillWith(group, appendPredictions));
      for (const chunk of group) count(hot, chunk);
    }
    if (labels.length === 0) return;
    await this.#duck.append(this.#labelTable, fillWith(labels, appendLabels));
    this.#labelRows += labels.reduce((sum, chunk) => sum + chunk.rows, 0);
  }

  /** Forgets the rows of these segments. */
  async drop(segments: ReadonlySet<string>): Promise<void> {
    for (const [key, hot] of this.#tables) {
      if (!segments.has(hot.segment)) continue;
      await this.#duck.run(`drop table ${hot.table}`);
      this.#tables.delete(key);
    }
  }

  async #tableOf(chunk: StoredPredictions): Promise<HotTable> {
    const key = `${chunk.place.segment} ${chunk.schemaText}`;
    const known = this.#tables.get(key);
    if (known !== undefined) return known;
    const table = `hot_${this.#created++}`;
    await this.#duck.run(createTableSql(table, sqlColumns(chunk.schema)));
    const hot: HotTable = {
      table,
      segment: chunk.place.segment,
      schema: chunk.schema,
      schemaText: chunk.schemaText,
      rows: 0,
      matchedRows: 0,
      minEventMs: Number.POSITIVE_INFINITY,
      maxEventMs: Number.NEGATIVE_INFINITY,
      explicitRows: 0,
      hasKeys: false,
    };
    this.#tables.set(key, hot);
    return hot;
  }
}

function fillWith<C>(chunks: readonly C[], append: (appender: DuckDBAppender, chunk: C) => void) {
  return (appender: DuckDBAppender): void => {
    for (const chunk of chunks) append(appender, chunk);
  };
}

function count(hot: HotTable, chunk: StoredPredictions): void {
  hot.rows += chunk.rows;
  hot.minEventMs = Math.min(hot.minEventMs, chunk.minEventMs);
  hot.maxEventMs = Math.max(hot.maxEventMs, chunk.maxEventMs);
  hot.explicitRows += chunk.explicitEventRows;
  hot.hasKeys ||= chunk.requests.keys.some(key => key !== undefined);
}
