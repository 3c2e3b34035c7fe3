import { type Generated, type Insertable, type Kysely, type Selectable, sql } from 'kysely';
import type { Migration } from '../storage/index.ts';

export type FileKind = 'predictions' | 'truth' | 'pending';

/** Layouts of prediction files; the id is what files and tables refer to. */
export interface PredlogSchemaTable {
  id: Generated<number>;
  model: string;
  version: number;
  /** The schema as it stands in the log. */
  text: string;
}

/** Parquet files that hold sealed rows. */
export interface PredlogFileTable {
  id: Generated<number>;
  kind: FileKind;
  /** Empty for pending labels, which may be of any model. */
  model: string;
  version: number;
  /** The layout of a prediction file; null for the others, which have one layout. */
  schema_id: number | null;
  /** File name inside the directory of sealed files. */
  name: string;
  rows: number;
  bytes: number;
  /** Span of the predictions' event times. */
  min_event_ms: number;
  max_event_ms: number;
  min_id: string | null;
  max_id: string | null;
  has_keys: number;
  explicit_rows: number;
  max_received_ms: number;
  /** How often the rows were merged into a larger file. */
  level: number;
  created_ms: number;
  /** Set when the file was merged into another or outlived; it is removed a little later. */
  obsolete_ms: number | null;
}

/** Log segments whose rows are in files; they may still be on the disk. */
export interface PredlogSealedTable {
  segment: string;
  sealed_ms: number;
}

/**
 * Segments whose rows are in files that other machines can get at too. A machine that was away may still have them, and
 * they must not be read again when it is back.
 */
export interface PredlogLetGoTable {
  segment: string;
  sealed_ms: number;
}

export interface PredlogTables {
  predlog_let_go: PredlogLetGoTable;
  predlog_schema: PredlogSchemaTable;
  predlog_file: PredlogFileTable;
  predlog_sealed: PredlogSealedTable;
}

export type SealedFile = Selectable<PredlogFileTable>;
export type NewFile = Omit<Insertable<PredlogFileTable>, 'id' | 'obsolete_ms'>;
export type PredlogDatabase = Kysely<PredlogTables>;

/** For the database of derived state that the watcher writes and control reads. */
export const predlogMigrations: readonly Migration[] = [
  {
    name: '0001-predlog',
    async up(db) {
      const { schema } = db;
      await schema
        .createTable('predlog_schema')
        .addColumn('id', 'integer', c => c.primaryKey().autoIncrement())
        .addColumn('model', 'text', c => c.notNull())
        .addColumn('version', 'integer', c => c.notNull())
        .addColumn('text', 'text', c => c.notNull().unique())
        .execute();
      await schema
        .createTable('predlog_file')
        .addColumn('id', 'integer', c => c.primaryKey().autoIncrement())
        .addColumn('kind', 'text', c => c.notNull())
        .addColumn('model', 'text', c => c.notNull())
        .addColumn('version', 'integer', c => c.notNull())
        .addColumn('schema_id', 'integer')
        .addColumn('name', 'text', c => c.notNull().unique())
        .addColumn('rows', 'integer', c => c.notNull())
        .addColumn('bytes', 'integer', c => c.notNull())
        .addColumn('min_event_ms', 'real', c => c.notNull())
        .addColumn('max_event_ms', 'real', c => c.notNull())
        .addColumn('min_id', 'text')
        .addColumn('max_id', 'text')
        .addColumn('has_keys', 'integer', c => c.notNull())
        .addColumn('explicit_rows', 'integer', c => c.notNull())
        .addColumn('max_received_ms', 'real', c => c.notNull())
        .addColumn('level', 'integer', c => c.notNull())
        .addColumn('created_ms', 'real', c => c.notNull())
        .addColumn('obsolete_ms', 'real')
        .execute();
      await schema
        .createIndex('predlog_file_by_model')
        .on('predlog_file')
        .columns(['model', 'kind', 'max_event_ms'])
        .execute();
      await schema
        .createTable('predlog_sealed')
        .addColumn('segment', 'text', c => c.primaryKey())
        .addColumn('sealed_ms', 'real', c => c.notNull())
        .modifyEnd(sql`without rowid`)
        .execute();
    },
  },
  {
    name: '0002-let-go',
    async up(db) {
      await db.schema
        .createTable('predlog_let_go')
        .addColumn('segment', 'text', c => c.primaryKey())
        .addColumn('sealed_ms', 'real', c => c.notNull())
        .modifyEnd(sql`without rowid`)
        .execute();
    },
  },
];

export interface SealedSchema {
  readonly id: number;
  readonly model: string;
  readonly version: number;
  readonly text: string;
}

/** What a seal or a merge changes; all of it is committed at one moment. */
export interface CatalogChange {
  readonly added: readonly NewFile[];
  readonly obsolete?: readonly number[];
  readonly sealedSegments?: readonly string[];
  /** Remember the segments after they are removed here, because other machines may have them. */
  readonly areShared?: boolean;
  readonly nowMs: number;
}

/** Names of the sealed files that a watch database speaks of. */
export function sealedNames(db: PredlogDatabase): Promise<Set<string>> {
  return new Catalog(db).knownNames();
}

/** Which sealed files exist. */
export class Catalog {
  readonly #db: PredlogDatabase;
  #lastCommit: Promise<unknown> = Promise.resolve();

  constructor(db: PredlogDatabase) {
    this.#db = db;
  }

  schemas(model?: string): Promise<SealedSchema[]> {
    let query = this.#db.selectFrom('predlog_schema').selectAll().orderBy('id');
    if (model !== undefined) query = query.where('model', '=', model);
    return query.execute();
  }

  /** The id of a layout, made when it is new. */
  async schemaId(schema: Omit<SealedSchema, 'id'>): Promise<number> {
    await this.#db
      .insertInto('predlog_schema')
      .values(schema)
      .onConflict(conflict => conflict.doNothing())
      .execute();
    const row = await this.#db
      .selectFrom('predlog_schema')
      .select('id')
      .where('text', '=', schema.text)
      .executeTakeFirstOrThrow();
    return row.id;
  }

  /** Files in use, oldest event times first. */
  files(of: { readonly kind?: FileKind; readonly model?: string } = {}): Promise<SealedFile[]> {
    let query = this.#db
      .selectFrom('predlog_file')
      .selectAll()
      .where('obsolete_ms', 'is', null)
      .orderBy('max_event_ms')
      .orderBy('id');
    if (of.kind !== undefined) query = query.where('kind', '=', of.kind);
    if (of.model !== undefined) query = query.where('model', '=', of.model);
    return query.execute();
  }

  async sealedSegments(): Promise<Set<string>> {
    const rows = await this.#db.selectFrom('predlog_sealed').select('segment').execute();
    return new Set(rows.map(row => row.segment));
  }

  /**
   * Commits a change so that it survives a power cut, whatever else the database promises: what follows is the removal
   * of the log that the change makes superfluous.
   */
  commit(change: CatalogChange): Promise<void> {
    // One after another, since each changes a setting of the connection for its duration.
    const done = this.#lastCommit.then(() => this.#commitDurably(change));
    this.#lastCommit = done.catch(() => {});
    return done;
  }

  async #commitDurably(change: CatalogChange): Promise<void> {
    const [before] = (await sql<{ synchronous: number }>`pragma synchronous`.execute(this.#db)).rows;
    await sql`pragma synchronous = full`.execute(this.#db);
    try {
      await this.#commit(change);
    } finally {
      await sql`pragma synchronous = ${sql.raw(String(before?.synchronous ?? 2))}`.execute(this.#db);
    }
  }

  async #commit({ added, obsolete = [], sealedSegments = [], areShared = false, nowMs }: CatalogChange): Promise<void> {
    await this.#db.transaction().execute(async transaction => {
      for (const file of added) await transaction.insertInto('predlog_file').values(file).execute();
      for (const id of obsolete) {
        await transaction.updateTable('predlog_file').set({ obsolete_ms: nowMs }).where('id', '=', id).execute();
      }
      for (const segment of sealedSegments) {
        await transaction.insertInto('predlog_sealed').values({ segment, sealed_ms: nowMs }).execute();
        if (areShared) await transaction.insertInto('predlog_let_go').values({ segment, sealed_ms: nowMs }).execute();
      }
    });
  }

  /** Changes with every seal and every removal, so that a reader can tell whether what it read belongs together. */
  async stamp(): Promise<string> {
    const file = await this.#db
      .selectFrom('predlog_file')
      .select(eb => [eb.fn.max('id').as('last'), eb.fn.count('obsolete_ms').as('obsolete')])
      .executeTakeFirst();
    const sealed = await this.#db.selectFrom('predlog_sealed').select('segment').orderBy('segment').execute();
    return JSON.stringify([file?.last, file?.obsolete, sealed]);
  }

  /** Every file name the catalog still speaks of, in use or waiting to be removed. */
  async knownNames(): Promise<Set<string>> {
    const rows = await this.#db.selectFrom('predlog_file').select('name').execute();
    return new Set(rows.map(row => row.name));
  }

  obsoleteSince(beforeMs: number): Promise<{ id: number; name: string }[]> {
    return this.#db
      .selectFrom('predlog_file')
      .select(['id', 'name'])
      .where('obsolete_ms', 'is not', null)
      .where('obsolete_ms', '<=', beforeMs)
      .execute();
  }

  /** Forgets files that are no longer on the disk. */
  async forgetFiles(ids: readonly number[]): Promise<void> {
    if (ids.length > 0) await this.#db.deleteFrom('predlog_file').where('id', 'in', ids).execute();
  }

  /** Shared segments that were sealed, as far back as is remembered. */
  async letGo(): Promise<Set<string>> {
    const rows = await this.#db.selectFrom('predlog_let_go').select('segment').execute();
    return new Set(rows.map(row => row.segment));
  }

  /** Forgets shared segments that were sealed before a moment. */
  async forgetLetGo(beforeMs: number): Promise<void> {
    await this.#db.deleteFrom('predlog_let_go').where('sealed_ms', '<', beforeMs).execute();
  }

  /** Forgets segments that are no longer on the disk; their names never come back. */
  async forgetSegments(segments: readonly string[]): Promise<void> {
    if (segments.length > 0) await this.#db.deleteFrom('predlog_sealed').where('segment', 'in', segments).execute();
  }
}
