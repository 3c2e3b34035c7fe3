import { randomUUID } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DuckDBValue } from '@duckdb/node-api';
import type { Cell, ExportFormat, PredictionRecord } from '@holdfast/api';
import { Catalog, type PredlogDatabase } from './catalog.ts';
import { latestTruth } from './compaction.ts';
import { Duck, literal } from './duck.ts';
import { appendLabels, appendPredictions, createTableSql, labelColumns, sqlColumns } from './hot-table.ts';
import { truthColumns } from './joiner.ts';
import type { LabelChunk } from './log-chunk.ts';
import type { LogSchema } from './log-schema.ts';
import {
  type LogSnapshot,
  lastReceived,
  narrow,
  type PredictionFilter,
  type PredictionSpan,
  spanOf,
  takeSnapshot,
} from './log-snapshot.ts';
import { exportColumns, whereScope } from './record-layout.ts';
import { SealedDirectory } from './sealed-directory.ts';
import { compileWhere, UnknownColumn } from './where-clause.ts';

export interface PredictionStoreOptions {
  /** Where the log lies. */
  readonly directory: string;
  /** The watcher's database of derived state; reading it is enough. */
  readonly db: PredlogDatabase;
  /** Memory of the query engine, for one query at a time and for each export. @default 256 MB */
  readonly memoryMegabytes?: number;
}

/** Reads recorded predictions with their ground truth, sealed or not, while others write them. */
export interface PredictionStore extends Disposable {
  /**
   * The predictions received last that pass the filter, newest first; 100 when no limit is given, never more than 10,000.
   * @throws Fault `bad_request` when the condition is not one
   */
  recent(model: string, filter?: PredictionFilter): Promise<PredictionRecord[]>;
  /**
   * Writes all predictions that pass the filter into a file, streaming; the directory of `path` must exist.
   * @throws Fault `bad_request` when the condition is not one
   */
  exportTo(model: string, filter: PredictionFilter, format: ExportFormat, path: string): Promise<void>;
  /** The event times that predictions cover; undefined before the first. */
  span(model: string): Promise<PredictionSpan | undefined>;
}

const defaultLimit = 100;
const largestLimit = 10_000;
/** A query whose file was removed while it ran is asked again. */
const mostTries = 3;

/** One layout's rows: tables with what was decoded, and sealed files. */
interface Layout {
  readonly schema: LogSchema;
  readonly sources: string[];
}

interface TruthCandidate {
  readonly eventMs: number;
  readonly receivedMs: number;
  readonly value: string;
}

class SealedAndOpenStore implements PredictionStore {
  readonly #options: PredictionStoreOptions;
  readonly #catalog: Catalog;
  readonly #directory: SealedDirectory;
  readonly #duck: Duck;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: PredictionStoreOptions, duck: Duck) {
    this.#options = options;
    this.#catalog = new Catalog(options.db);
    this.#directory = SealedDirectory.at(options.directory);
    this.#duck = duck;
  }

  async span(model: string): Promise<PredictionSpan | undefined> {
    return spanOf(await takeSnapshot(this.#catalog, this.#options.directory, model));
  }

  recent(model: string, filter: PredictionFilter = {}): Promise<PredictionRecord[]> {
    const result = this.#turn.then(() => this.#again(() => this.#recent(model, filter)));
    this.#turn = result.catch(() => {});
    return result;
  }

  async exportTo(model: string, filter: PredictionFilter, format: ExportFormat, path: string): Promise<void> {
    await this.#again(async () => {
      const engine = `export-${randomUUID()}`;
      try {
        using duck = await openEngine(this.#options, [dirname(path)], engine);
        await this.#export(duck, model, filter, format, path);
      } finally {
        await rm(spillDirectory(this.#options, engine), { recursive: true, force: true });
      }
    });
  }

  [Symbol.dispose](): void {
    this.#duck[Symbol.dispose]();
  }

  /** Merging and retention remove files a while after they were replaced; a query that ran into it starts over. */
  async #again<T>(query: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await query();
      } catch (error) {
        const isGone = error instanceof Error && /No files found|Cannot open file/.test(error.message);
        if (!isGone || tries === mostTries) throw error;
      }
    }
  }

  async #recent(model: string, filter: PredictionFilter): Promise<PredictionRecord[]> {
    const limit = Math.min(filter.limit ?? defaultLimit, largestLimit);
    const all = await takeSnapshot(this.#catalog, this.#options.directory, model);
    const { snapshot, fromMs, toMs } = narrow(all, filter);
    const isTail = filter.where === undefined && !Number.isFinite(fromMs) && !Number.isFinite(toMs);
    await using tables = new TemporaryTables(this.#duck);
    const { layouts, condition } = await this.#prepare(
      tables,
      isTail ? lastReceived(snapshot, limit) : snapshot,
      { ...filter, fromMs, toMs },
      false,
    );
    const rows: { readonly schema: LogSchema; readonly row: Record<string, DuckDBValue> }[] = [];
    for (const { schema, sources } of layouts) {
      const where = condition(schema);
      if (where === undefined) continue;
      const blobs = schema.raws.flatMap((_, i) => [`r${i}`, `s${i}`]);
      const columns = blobs.length === 0 ? '*' : `* exclude (${blobs.join(', ')})`;
      const found = await this.#duck.rows(
        `select ${columns} from (${withTruth(sources, tables.truth)}) where ${where}
         order by received_ms desc, prediction_id desc limit ${limit}`,
      );
      for (const row of found) rows.push({ schema, row });
    }
    rows.sort((a, b) => Number(b.row.received_ms) - Number(a.row.received_ms));
    const records = rows.slice(0, limit).map(({ schema, row }) => toRecord(schema, row));
    return this.#attachTruth(snapshot, records);
  }

  async #export(
    duck: Duck,
    model: string,
    filter: PredictionFilter,
    format: ExportFormat,
    path: string,
  ): Promise<void> {
    const all = await takeSnapshot(this.#catalog, this.#options.directory, model);
    const { snapshot, fromMs, toMs } = narrow(all, filter);
    await using tables = new TemporaryTables(duck);
    const { layouts, condition } = await this.#prepare(tables, snapshot, { ...filter, fromMs, toMs }, true);
    const selects = layouts.flatMap(({ schema, sources }) => {
      const where = condition(schema);
      if (where === undefined) return [];
      return [`select ${exportColumns(schema, format)} from (${withTruth(sources, tables.truth)}) where ${where}`];
    });
    const query = selects.length === 0 ? emptyExport : selects.join(' union all by name ');
    const limit = filter.limit === undefined ? '' : ` limit ${filter.limit}`;
    const options = { csv: 'format csv, header', parquet: 'format parquet, compression zstd', jsonl: 'format json' };
    const draft = `${path}.draft`;
    await duck.run(`copy (select * from (${query})${limit}) to ${literal(draft)} (${options[format]})`);
    await rename(draft, path);
  }

  /** Decodes what is not sealed, and compiles the condition for each layout. */
  async #prepare(tables: TemporaryTables, snapshot: LogSnapshot, filter: PredictionFilter, needsTruth: boolean) {
    let usesTruth = needsTruth;
    const schemas = [...snapshot.schemas.values()].map(({ schema }) => schema);
    const layouts = await this.#layouts(tables, snapshot);
    for (const { schema } of layouts) if (!schemas.includes(schema)) schemas.push(schema);
    const compiled = new Map<LogSchema, string | undefined>();
    let unknown: unknown;
    for (const { schema } of layouts) {
      const parts = ['true'];
      if (Number.isFinite(filter.fromMs)) parts.push(`event_ms >= ${filter.fromMs}`);
      if (Number.isFinite(filter.toMs)) parts.push(`event_ms < ${filter.toMs}`);
      try {
        if (filter.where !== undefined) {
          const scope = whereScope(schema);
          parts.push(
            compileWhere(filter.where, (name, qualifier) => {
              const column = scope(name, qualifier);
              usesTruth ||= column?.sql === 'truth';
              return column;
            }),
          );
        }
        compiled.set(schema, parts.join(' and '));
      } catch (error) {
        // A version without the column has no row that passes; only when no version has it, the condition is wrong.
        if (!(error instanceof UnknownColumn)) throw error;
        unknown = error.cause;
      }
    }
    if (compiled.size === 0 && unknown !== undefined) throw unknown;
    if (usesTruth) await this.#truthTable(tables, snapshot, layouts);
    return { layouts, condition: (schema: LogSchema) => compiled.get(schema) };
  }

  async #layouts(tables: TemporaryTables, snapshot: LogSnapshot): Promise<Layout[]> {
    const layouts = new Map<string, Layout>();
    for (const [schemaId, files] of Map.groupBy(snapshot.files, file => file.schema_id ?? -1)) {
      const known = snapshot.schemas.get(schemaId);
      if (known === undefined) throw new Error(`the catalog has no layout ${schemaId}`);
      layouts.set(known.text, { schema: known.schema, sources: [`select * from ${this.#directory.source(files)}`] });
    }
    const tableOf = new Map<string, string>();
    for (const group of groupsOf(snapshot.chunks, chunksPerTurn)) {
      const decoded = group.flatMap(reference => {
        const chunk = reference.decode();
        return chunk?.kind === 'predictions' ? [chunk] : [];
      });
      for (const [text, chunks] of Map.groupBy(decoded, chunk => chunk.schemaText)) {
        const { schema } = layouts.get(text) ?? chunks[0]!;
        let table = tableOf.get(text);
        if (table === undefined) {
          table = await tables.create(sqlColumns(schema));
          tableOf.set(text, table);
          layouts.set(text, { schema, sources: [...(layouts.get(text)?.sources ?? []), `select * from ${table}`] });
        }
        await tables.duck.append(table, appender => {
          for (const chunk of chunks) appendPredictions(appender, chunk);
        });
      }
    }
    return [...layouts.values()];
  }

  /** Makes a table with the last label of each prediction. */
  async #truthTable(tables: TemporaryTables, snapshot: LogSnapshot, layouts: readonly Layout[]): Promise<void> {
    const labels = await tables.create(labelColumns);
    const chunks = snapshot.labels.flatMap(reference => {
      const chunk = reference.decode();
      return chunk?.kind === 'labels' ? [chunk] : [];
    });
    await tables.duck.append(labels, appender => {
      for (const chunk of chunks) appendLabels(appender, chunk);
    });
    if (snapshot.pendingFiles.length > 0) {
      await tables.duck.run(
        `insert into ${labels} select * from ${this.#directory.source(snapshot.pendingFiles)}
         where model = ${literal(snapshot.model)}`,
      );
    }
    const found = 'l.value, l.event_ms as label_event_ms, l.received_ms';
    const sources = [
      `select prediction_id, 0 as prediction_event_ms, ${found} from ${labels} l where prediction_id is not null`,
    ];
    const [[keyed] = []] = await tables.duck.columns(`select count(key) from ${labels}`);
    if (Number(keyed) > 0) {
      for (const source of layouts.flatMap(layout => layout.sources)) {
        sources.push(`select p.prediction_id, 0 as prediction_event_ms, ${found}
          from (${source}) p join ${labels} l on l.key = p.key`);
      }
    }
    if (snapshot.truthFiles.length > 0) {
      sources.push(`select ${truthColumns} from ${this.#directory.source(snapshot.truthFiles)}`);
    }
    const latest = latestTruth(`(${sources.join(' union all ')})`);
    tables.truth = await tables.createAs(`select prediction_id, latest.v as truth from (${latest})`);
  }

  /** Looks up the ground truth of a few records. */
  async #attachTruth(snapshot: LogSnapshot, records: readonly PredictionRecord[]): Promise<PredictionRecord[]> {
    if (records.length === 0) return [];
    const ids = new Set(records.map(record => record.id));
    const keys = new Set(records.flatMap(record => record.key ?? []));
    const byId = new Map<string, TruthCandidate>();
    const byKey = new Map<string, TruthCandidate>();
    const idList = [...ids].map(literal).join(', ');
    if (snapshot.truthFiles.length > 0) {
      const source = this.#directory.source(snapshot.truthFiles);
      const [id = [], value = [], event = [], received = []] = await this.#duck.columns(
        `select prediction_id, value, label_event_ms, received_ms from ${source} where prediction_id in (${idList})`,
      );
      for (let i = 0; i < id.length; i++) {
        keepLatest(byId, String(id[i]), candidate(String(value[i]), event[i], received[i]));
      }
    }
    if (snapshot.pendingFiles.length > 0) {
      const keyList = keys.size === 0 ? 'null' : [...keys].map(literal).join(', ');
      const rows = await this.#duck.rows(
        `select * from ${this.#directory.source(snapshot.pendingFiles)}
         where model = ${literal(snapshot.model)} and (prediction_id in (${idList}) or key in (${keyList}))`,
      );
      for (const row of rows) {
        const found = candidate(String(row.value), row.event_ms, row.received_ms);
        if (typeof row.prediction_id === 'string') keepLatest(byId, row.prediction_id, found);
        if (typeof row.key === 'string') keepLatest(byKey, row.key, found);
      }
    }
    for (const reference of snapshot.labels) {
      const chunk = reference.decode();
      if (chunk?.kind === 'labels') collectLabels(chunk, ids, keys, byId, byKey);
    }
    return records.map(record => {
      const found = later(byId.get(record.id), record.key === null ? undefined : byKey.get(record.key));
      return found === undefined ? record : { ...record, truth: found.value };
    });
  }
}

/** Decoding and appending are synchronous; so many chunks at a time let others have the event loop in between. */
const chunksPerTurn = 4;

function groupsOf<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/** Tables of one query, dropped after it; an engine has one query at a time. */
class TemporaryTables implements AsyncDisposable {
  readonly duck: Duck;
  /** The table with ground truth, when the query needs it. */
  truth: string | undefined;
  readonly #names: string[] = [];

  constructor(duck: Duck) {
    this.duck = duck;
  }

  async create(columns: Parameters<typeof createTableSql>[1]): Promise<string> {
    const name = this.#newName();
    await this.duck.run(createTableSql(name, columns));
    return name;
  }

  async createAs(query: string): Promise<string> {
    const name = this.#newName();
    await this.duck.run(`create table ${name} as ${query}`);
    return name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#names) await this.duck.run(`drop table if exists ${name}`);
  }

  #newName(): string {
    const name = `query_${this.#names.length}`;
    this.#names.push(name);
    return name;
  }
}

const emptyExport = `select cast(null as varchar) as prediction_id, cast(null as varchar) as key,
  cast(null as integer) as version, cast(null as varchar) as truth where false`;

function withTruth(sources: readonly string[], truth: string | undefined): string {
  const rows = sources.join(' union all ');
  if (truth === undefined) return rows;
  return `select p.*, t.truth from (${rows}) p left join ${truth} t on t.prediction_id = p.prediction_id`;
}

function candidate(value: string, eventMs: unknown, receivedMs: unknown): TruthCandidate {
  return { value, eventMs: Number(eventMs), receivedMs: Number(receivedMs) };
}

function later(a: TruthCandidate | undefined, b: TruthCandidate | undefined): TruthCandidate | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.eventMs > a.eventMs || (b.eventMs === a.eventMs && b.receivedMs >= a.receivedMs) ? b : a;
}

function keepLatest(known: Map<string, TruthCandidate>, name: string, found: TruthCandidate): void {
  const latest = later(known.get(name), found);
  if (latest !== undefined) known.set(name, latest);
}

function collectLabels(
  chunk: LabelChunk,
  ids: ReadonlySet<string>,
  keys: ReadonlySet<string>,
  byId: Map<string, TruthCandidate>,
  byKey: Map<string, TruthCandidate>,
): void {
  for (let row = 0; row < chunk.rows; row++) {
    const id = chunk.predictionIds[row];
    const key = chunk.keys[row];
    const found = candidate(chunk.values[row]!, chunk.eventMs[row], chunk.receivedMs);
    if (id !== undefined && ids.has(id)) keepLatest(byId, id, found);
    if (key !== undefined && keys.has(key)) keepLatest(byKey, key, found);
  }
}

/** A value as the control API carries it: exact, with null for a missing one. */
function toCell(value: DuckDBValue | undefined): Cell {
  switch (typeof value) {
    case 'number':
      if (Number.isNaN(value)) return null;
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case 'string':
    case 'boolean':
      return value;
    default:
      return null;
  }
}

function parseTags(text: DuckDBValue | undefined): Record<string, string> {
  const tags: Record<string, string> = Object.create(null);
  if (typeof text !== 'string') return tags;
  for (const pair of text.split(',')) {
    const at = pair.indexOf('=');
    if (at > 0) tags[pair.slice(0, at).trim()] = pair.slice(at + 1);
  }
  return tags;
}

function toRecord(schema: LogSchema, row: Record<string, DuckDBValue>): PredictionRecord {
  const cells = (role: 'input' | 'output'): Record<string, Cell> =>
    Object.fromEntries(
      schema.columns.flatMap((column, i) => (column.role === role ? [[column.name, toCell(row[`c${i}`])]] : [])),
    );
  return {
    id: String(row.prediction_id),
    key: typeof row.key === 'string' ? row.key : null,
    version: schema.version,
    eventMs: Number(row.event_ms),
    receivedMs: Number(row.received_ms),
    latencyMs: Number(row.latency_us) / 1000,
    tags: parseTags(row.tags),
    inputs: cells('input'),
    outputs: cells('output'),
    truth: null,
  };
}

function spillDirectory(options: PredictionStoreOptions, engine: string): string {
  return join(options.directory, 'sealed', `spill-${engine}`);
}

function openEngine(options: PredictionStoreOptions, others: readonly string[], engine: string): Promise<Duck> {
  return Duck.open({
    directories: [options.directory, ...others],
    spillDirectory: spillDirectory(options, engine),
    memoryMegabytes: options.memoryMegabytes ?? 256,
  });
}

/** Opens a reader; the watcher's database must exist. */
export async function openPredictionStore(options: PredictionStoreOptions): Promise<PredictionStore> {
  return new SealedAndOpenStore(options, await openEngine(options, [], 'reader'));
}
