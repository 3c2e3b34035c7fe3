import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { fault } from '@holdfast/api';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';

/** What a commit survives: `full` survives a power cut, `normal` survives a crash of the process. */
export type Durability = 'full' | 'normal';

function isInput(value: unknown): value is SQLInputValue {
  return (
    value === null ||
    typeof value === 'string' ||
    typeof value === 'number' ||
    typeof value === 'bigint' ||
    value instanceof Uint8Array
  );
}

class Connection implements DatabaseConnection {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    const parameters = query.parameters.map(value => {
      if (typeof value === 'boolean') return value ? 1 : 0;
      if (isInput(value)) return value;
      throw new TypeError(`a value of type ${typeof value} cannot be stored`);
    });
    const statement = this.#database.prepare(query.sql);
    if (statement.columns().length > 0) {
      // The row type is the caller's, as for every SQL driver: Kysely derives it from the schema.
      return { rows: statement.all(...parameters) as Row[] };
    }
    const { changes, lastInsertRowid } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes), insertId: BigInt(lastInsertRowid) };
  }

  // biome-ignore lint/correctness/useYield: SQLite rows are read at once; nothing in Holdfast streams from it.
  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('streaming is not offered by the embedded database');
  }
}

/** One connection, handed out to one user at a time. */
/** SQLite's codes for a file that cannot be used: read-only, damaged, not to be opened, no database. */
const unusable: readonly unknown[] = [8, 11, 14, 26];

function isUnusable(error: unknown): error is Error {
  return error instanceof Error && 'errcode' in error && unusable.includes(error.errcode);
}

class SqliteDriver implements Driver {
  readonly #path: string;
  readonly #durability: Durability;
  readonly #readOnly: boolean;
  #database: DatabaseSync | undefined;
  #busy: Promise<void> = Promise.resolve();
  #release: (() => void) | undefined;

  constructor(path: string, durability: Durability, readOnly: boolean) {
    this.#path = path;
    this.#durability = durability;
    this.#readOnly = readOnly;
  }

  /** @throws Fault `bad_configuration` for what is no database, is damaged, or may not be opened or written */
  async init(): Promise<void> {
    try {
      this.#database = this.#open();
    } catch (error) {
      if (isUnusable(error))
        throw fault('bad_configuration', this.#path, `cannot be used as a database: ${error.message}`);
      throw error;
    }
  }

  #open(): DatabaseSync {
    const database = new DatabaseSync(this.#path, { readOnly: this.#readOnly, timeout: 5000 });
    if (!this.#readOnly) {
      database.exec('PRAGMA journal_mode = WAL');
      database.exec(`PRAGMA synchronous = ${this.#durability === 'full' ? 'FULL' : 'NORMAL'}`);
    }
    database.exec('PRAGMA foreign_keys = ON');
    return database;
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.#busy;
    const turn = Promise.withResolvers<void>();
    this.#busy = before.then(() => turn.promise);
    await before;
    this.#release = turn.resolve;
    if (this.#database === undefined) throw new Error('the database is closed');
    return new Connection(this.#database);
  }

  async releaseConnection(): Promise<void> {
    this.#release?.();
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('begin immediate'));
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('commit'));
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw('rollback'));
  }

  async destroy(): Promise<void> {
    this.#database?.close();
    this.#database = undefined;
  }
}

/** Kysely over Node's own SQLite. */
export class NodeSqliteDialect implements Dialect {
  readonly #path: string;
  readonly #durability: Durability;
  readonly #readOnly: boolean;

  constructor(path: string, options: { readonly durability: Durability; readonly readOnly?: boolean }) {
    this.#path = path;
    this.#durability = options.durability;
    this.#readOnly = options.readOnly ?? false;
  }

  createDriver(): Driver {
    return new SqliteDriver(this.#path, this.#durability, this.#readOnly);
  }

  createQueryCompiler(): SqliteQueryCompiler {
    return new SqliteQueryCompiler();
  }

  createAdapter(): SqliteAdapter {
    return new SqliteAdapter();
  }

  createIntrospector(db: ConstructorParameters<typeof SqliteIntrospector>[0]): SqliteIntrospector {
    return new SqliteIntrospector(db);
  }
}
