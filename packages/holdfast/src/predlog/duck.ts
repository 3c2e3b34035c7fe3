import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { type DuckDBAppender, type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { Turns } from '../storage/index.ts';

export interface DuckOptions {
  /** The only directories, with what is below them, that may be read and written. */
  readonly directories: readonly string[];
  /** Where queries larger than the memory limit spill to. */
  readonly spillDirectory: string;
  /** @default 512 */
  readonly memoryMegabytes?: number;
  /** @default 1, so that a query never takes a second core from serving */
  readonly threads?: number;
}

/** One in-memory DuckDB with limits, fenced into a few directories; statements run one after another. */
export class Duck implements Disposable {
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #turns = new Turns();

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  static async open(options: DuckOptions): Promise<Duck> {
    await mkdir(options.spillDirectory, { recursive: true });
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(Math.min(options.threads ?? 1, availableParallelism())),
      memory_limit: `${options.memoryMegabytes ?? 512}MB`,
      temp_directory: options.spillDirectory,
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    });
    const connection = await instance.connect();
    await connection.run(`set allowed_directories = [${options.directories.map(literal).join(', ')}]`);
    await connection.run('set enable_external_access = false');
    await connection.run('set lock_configuration = true');
    return new Duck(instance, connection);
  }

  async run(sql: string): Promise<void> {
    await this.#turns.take(() => this.#connection.run(sql));
  }

  /** Runs an insert, update or delete; the number of rows it touched. */
  async change(sql: string): Promise<number> {
    const [[count] = []] = await this.columns(sql);
    return Number(count ?? 0);
  }

  /** All rows of a query, column by column in the order of the select list. */
  async columns(sql: string): Promise<DuckDBValue[][]> {
    const reader = await this.#turns.take(() => this.#connection.runAndReadAll(sql));
    return reader.getColumns();
  }

  /** All rows of a query as objects. */
  async rows(sql: string): Promise<Record<string, DuckDBValue>[]> {
    const reader = await this.#turns.take(() => this.#connection.runAndReadAll(sql));
    return reader.getRowObjects();
  }

  /** Appends to a table; everything appended is there when the returned promise resolves. */
  async append(table: string, fill: (appender: DuckDBAppender) => void): Promise<void> {
    await this.#turns.take(async () => {
      const appender = await this.#connection.createAppender(table);
      fill(appender);
      appender.closeSync();
    });
  }

  [Symbol.dispose](): void {
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}

/** A text as an SQL literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A name as an SQL identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
