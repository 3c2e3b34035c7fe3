import { Fault } from '@holdfast/api';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  PostgresDialect,
  PostgresDriver,
  type TransactionSettings,
} from 'kysely';
import { Pool, types } from 'pg';
import { isDatabaseAway } from './database-away.ts';

/** Waiting longer than this for a connection or an answer is an error; nothing in Holdfast asks for more at once. */
const timeoutMs = 5000;

/** Of `pg_advisory_xact_lock`, which Holdfast's writers take in turn; any number that nothing else on the server uses. */
const writerLock = 4_814_201_126;

const int8 = 20;

/** Counts and times fit into 53 bits, and SQLite answers them as numbers too. */
function numberOf(text: string): number {
  return Number(text);
}

/** Checked inside each transaction once it is its turn; throws when this process may no longer write. */
export type Fence = (connection: DatabaseConnection) => Promise<void>;

/** As on SQLite, one transaction at a time: a version number or a lease is read and written with nobody in between. */
class OneWriterDriver extends PostgresDriver {
  readonly #fence: Fence | undefined;

  constructor(pool: Pool, fence: Fence | undefined) {
    super({ pool });
    this.#fence = fence;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    try {
      return await super.acquireConnection();
    } catch (error) {
      if (isDatabaseAway(error)) throw new Fault('database_unavailable', [], { cause: error });
      throw error;
    }
  }

  override async beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    await super.beginTransaction(connection, settings);
    if (settings.accessMode === 'read only') return;
    await connection.executeQuery(CompiledQuery.raw(`select pg_advisory_xact_lock(${writerLock})`));
    await this.#fence?.(connection);
  }
}

/** Kysely over a Postgres server, with the same guarantees as the embedded database. */
export class OneWriterPostgresDialect extends PostgresDialect {
  readonly #pool: Pool;
  readonly #fence: Fence | undefined;

  constructor(pool: Pool, fence: Fence | undefined) {
    super({ pool });
    this.#pool = pool;
    this.#fence = fence;
  }

  override createDriver(): Driver {
    return new OneWriterDriver(this.#pool, this.#fence);
  }
}

export interface PostgresPoolOptions {
  /** @default 4 */
  readonly connections?: number;
  /** Told when a connection breaks, idle or in use; the pool replaces it. */
  readonly onBroken: (error: Error) => void;
}

/** Connections to a `postgres://` address; whole numbers of 64 bits are read as numbers. */
export function openPostgresPool(url: string, { connections = 4, onBroken }: PostgresPoolOptions): Pool {
  const pool = new Pool({
    connectionString: url,
    max: connections,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    statement_timeout: timeoutMs,
    idle_in_transaction_session_timeout: timeoutMs,
    application_name: 'holdfast',
    types: { getTypeParser: (id, format) => (id === int8 ? numberOf : types.getTypeParser(id, format)) },
  });
  // The pool listens to idle connections only; one that breaks between two queries of a transaction would end the process.
  pool.on('connect', client => client.on('error', onBroken));
  // An idle one has just been told of.
  pool.on('error', () => {});
  return pool;
}
