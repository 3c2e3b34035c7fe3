import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** An in-memory DuckDB with bounded threads and memory; closed by `using`. */
export class Database implements Disposable {
  readonly connection: DuckDBConnection;
  readonly #instance: DuckDBInstance;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.connection = connection;
  }

  /** @param folder where queries larger than 1 GB spill; @param threads at least 1 */
  static async open(folder: string, threads: number): Promise<Database> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: String(threads),
      memory_limit: '1GB',
      temp_directory: join(folder, 'duckdb-spill'),
    });
    return new Database(instance, await instance.connect());
  }

  [Symbol.dispose](): void {
    this.connection.closeSync();
    this.#instance.closeSync();
  }
}

/** Text as a literal of SQL. */
export const textLiteral = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A moment as an expression of SQL; @param ms since epoch */
export const instantLiteral = (ms: number): string => `make_timestamp_ms(${Math.round(ms)})`;
