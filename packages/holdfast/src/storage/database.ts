import { Kysely, type QueryExecutorProvider, type SchemaModule, sql } from 'kysely';
import { type Durability, NodeSqliteDialect } from './sqlite-dialect.ts';

/** What a migration may use: the schema builder, and `sql` for the rest. */
export type MigrationDatabase = QueryExecutorProvider & { readonly schema: SchemaModule };

/** One step of a schema, applied once, in order, inside a transaction. Forward only. */
export interface Migration {
  /** Unique and sortable, such as `0001-registry`. */
  readonly name: string;
  up(db: MigrationDatabase): Promise<void>;
}

export interface OpenDatabaseOptions {
  /** File path, or `:memory:`. */
  readonly path: string;
  readonly migrations: readonly Migration[];
  readonly durability: Durability;
}

async function migrate<Schema>(db: Kysely<Schema>, migrations: readonly Migration[], path: string): Promise<void> {
  await sql`create table if not exists holdfast_migration (name text primary key, applied_at_ms integer not null)`.execute(
    db,
  );
  const applied = await sql<{ name: string }>`select name from holdfast_migration order by name`.execute(db);
  const done = new Set(applied.rows.map(row => row.name));
  const known = new Set(migrations.map(migration => migration.name));
  const newer = [...done].find(name => !known.has(name));
  if (newer !== undefined) {
    throw new Error(
      `${path} was written by a newer Holdfast (it has ${newer}); start that version, nothing was changed`,
    );
  }
  for (const migration of migrations) {
    if (done.has(migration.name)) continue;
    await db.transaction().execute(async transaction => {
      await migration.up(transaction);
      await sql`insert into holdfast_migration values (${migration.name}, unixepoch() * 1000)`.execute(transaction);
    });
  }
}

/**
 * Opens (and creates or upgrades) an embedded database. The schema type is the caller's; close with `destroy()`, or
 * `await using`.
 */
export async function openDatabase<Schema>(options: OpenDatabaseOptions): Promise<Kysely<Schema>> {
  const db = new Kysely<Schema>({ dialect: new NodeSqliteDialect(options.path, { durability: options.durability }) });
  try {
    await migrate(db, options.migrations, options.path);
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
