import { type Dialect, Kysely } from 'kysely';
import { type Migration, migrate, postgresTypes, sqliteTypes } from './migration.ts';
import type { Fence } from './postgres-dialect.ts';
import { type Durability, NodeSqliteDialect } from './sqlite-dialect.ts';

export interface OpenDatabaseOptions {
  /** File path, `:memory:`, or a `postgres://` address. */
  readonly path: string;
  readonly migrations: readonly Migration[];
  /** Of a file; a Postgres server is as durable as it is set up to be. */
  readonly durability: Durability;
  /** Whether other rooms may keep their tables in the same database. @default false */
  readonly isShared?: boolean;
  /** Told when a connection to a server breaks while it is idle; the next query makes a new one. */
  readonly onBroken?: (error: Error) => void;
  /** Asked in each transaction on a server; what it throws ends the transaction without a change. */
  readonly fence?: Fence;
}

/** True for the address of a Postgres server, as opposed to a file. */
function isPostgres(path: string): boolean {
  return /^postgres(ql)?:\/\//.test(path);
}

/** The address without its password, for messages. */
function shown(path: string): string {
  return isPostgres(path) ? path.replace(/\/\/[^@/]*@/, '//') : path;
}

/** The driver is loaded only where a server is used. */
async function postgresDialect(
  url: string,
  onBroken: (error: Error) => void,
  fence: Fence | undefined,
): Promise<Dialect> {
  const { OneWriterPostgresDialect, openPostgresPool } = await import('./postgres-dialect.ts');
  return new OneWriterPostgresDialect(openPostgresPool(url, { onBroken }), fence);
}

/**
 * Opens (and creates or upgrades) a database, embedded or on a Postgres server. The schema type is the caller's; close
 * with `destroy()`, or `await using`. Transactions take turns on both kinds.
 */
export async function openDatabase<Schema>(options: OpenDatabaseOptions): Promise<Kysely<Schema>> {
  const { path, durability, migrations, isShared = false, onBroken = () => {}, fence } = options;
  const isServer = isPostgres(path);
  const db = new Kysely<Schema>({
    dialect: isServer ? await postgresDialect(path, onBroken, fence) : new NodeSqliteDialect(path, { durability }),
  });
  try {
    await migrate(db, migrations, isServer ? postgresTypes : sqliteTypes, shown(path), isShared);
    return db;
  } catch (error) {
    await db.destroy();
    throw error;
  }
}

/** Opens a database that another process writes, for reading only. It must exist. */
export function openReader<Schema>(path: string): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new NodeSqliteDialect(path, { durability: 'normal', readOnly: true }) });
}
