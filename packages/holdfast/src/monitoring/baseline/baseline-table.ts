import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBDoubleVector,
  DuckDBInstance,
  type DuckDBValue,
} from '@duckdb/node-api';
import { type BaselineFormat, fault } from '@holdfast/api';

/** A column of the file. */
export interface FileColumn {
  readonly name: string;
  /** DuckDB's type name, such as `DOUBLE`, `VARCHAR`, `TIMESTAMP`. */
  readonly type: string;
}

/** Rows handed over at once, column by column in the order of the select list. */
export interface RowBatch {
  readonly rows: number;
  /** A column that was selected as a double; NULL becomes NaN. */
  numbers(column: number): Float64Array;
  /** A column that was selected as text. */
  texts(column: number): (string | null)[];
}

const readers: Readonly<Record<BaselineFormat, string>> = {
  csv: 'read_csv',
  parquet: 'read_parquet',
  jsonl: 'read_json',
};
const readerOptions: Readonly<Record<BaselineFormat, string>> = {
  // Text first: a reader that guesses turns the code 01234 into a number.
  csv: ', header = true, all_varchar = true',
  parquet: '',
  jsonl: `, format = 'newline_delimited', sample_size = 100000`,
};

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The reader's own words without the server's path. */
function reasonOf(error: unknown, path: string): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split('\n')[0] ?? '').replaceAll(path, 'the file').slice(0, 300);
}

function numbersOf(chunk: DuckDBDataChunk, column: number): Float64Array {
  const vector = chunk.getColumnVector(column);
  if (!(vector instanceof DuckDBDoubleVector)) throw new TypeError(`column ${column} was not selected as a double`);
  const values = new Float64Array(chunk.rowCount);
  for (let row = 0; row < values.length; row++) values[row] = vector.getItem(row) ?? Number.NaN;
  return values;
}

/**
 * A file of reference data, read by DuckDB on its own threads with bounded memory. The engine can reach this file and a
 * scratch folder, nothing else.
 */
export class BaselineTable implements AsyncDisposable {
  readonly columns: readonly FileColumn[];
  readonly rows: number;
  readonly #connection: DuckDBConnection;
  readonly #close: () => Promise<void>;

  private constructor(
    connection: DuckDBConnection,
    close: () => Promise<void>,
    columns: readonly FileColumn[],
    rows: number,
  ) {
    this.#connection = connection;
    this.#close = close;
    this.columns = columns;
    this.rows = rows;
  }

  /** @throws Fault `baseline_rejected` when the file cannot be read as what it is said to be */
  static async open(path: string, format: BaselineFormat): Promise<BaselineTable> {
    const scratch = await mkdtemp(join(tmpdir(), 'holdfast-baseline-'));
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '2',
      memory_limit: '512MB',
      temp_directory: scratch,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    const connection = await instance.connect();
    const close = async (): Promise<void> => {
      connection.closeSync();
      instance.closeSync();
      await rm(scratch, { recursive: true, force: true });
    };
    try {
      await connection.run(`set allowed_paths = [${literal(path)}]`);
      await connection.run(`set allowed_directories = [${literal(scratch)}]`);
      await connection.run('set enable_external_access = false');
      await connection.run('set lock_configuration = true');
      const source = `${readers[format]}(${literal(path)}${readerOptions[format]})`;
      await connection.run(`create view baseline as select * from ${source}`);
      const described = await connection.runAndReadAll('describe baseline');
      const columns = described
        .getRowObjects()
        .map(row => ({ name: String(row.column_name), type: String(row.column_type) }));
      const counted = await connection.runAndReadAll('select count(*) as n from baseline');
      return new BaselineTable(connection, close, columns, Number(counted.getRowObjects()[0]?.n ?? 0));
    } catch (error) {
      await close();
      throw fault('baseline_rejected', `it cannot be read as ${format}: ${reasonOf(error, path)}`);
    }
  }

  find(name: string): FileColumn | undefined {
    const exact = this.columns.find(column => column.name === name);
    return exact ?? this.columns.find(column => column.name.toLowerCase() === name.toLowerCase());
  }

  /** All rows of a query, column by column. */
  async query(sql: string): Promise<Map<string, DuckDBValue[]>> {
    const reader = await this.#connection.runAndReadAll(sql);
    const values = reader.getColumns();
    return new Map(reader.columnNames().map((name, index) => [name, values[index] ?? []]));
  }

  async run(sql: string): Promise<void> {
    await this.#connection.run(sql);
  }

  /** The rows of a query in batches, so that memory does not grow with the file. */
  async *stream(sql: string): AsyncGenerator<RowBatch> {
    const result = await this.#connection.stream(sql);
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      yield {
        rows: chunk.rowCount,
        numbers: column => numbersOf(chunk, column),
        texts: column => chunk.getColumnValues(column).map(value => (value === null ? null : String(value))),
      };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}
