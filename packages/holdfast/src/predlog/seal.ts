import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../telemetry/index.ts';
import type { Catalog, FileKind, NewFile } from './catalog.ts';
import { type Duck, literal } from './duck.ts';
import type { HotStore, HotTable } from './hot-store.ts';
import { type Joiner, truthColumns } from './joiner.ts';
import type { SealedDirectory } from './sealed-directory.ts';

/** The moments of a seal; tests stop the process at each. */
export type SealStep = 'files-written' | 'committed' | 'segments-removed';

export interface SealParts {
  readonly logDirectory: string;
  readonly duck: Duck;
  readonly hot: HotStore;
  readonly joiner: Joiner;
  readonly catalog: Catalog;
  readonly directory: SealedDirectory;
  readonly log: Log;
  readonly onStep?: (step: SealStep) => void;
  /** Makes the sealed rows safe where other machines find them; segments are removed only after it. */
  readonly share?: (catalog: Catalog) => Promise<void>;
}

/** What a new file says of its rows, for the catalog. */
interface FileFacts {
  readonly rows: number;
  readonly min_event_ms: number;
  readonly max_event_ms: number;
  readonly min_id: string | null;
  readonly max_id: string | null;
  readonly has_keys: number;
  readonly explicit_rows: number;
  readonly max_received_ms: number;
}

function numberOf(value: unknown): number {
  return typeof value === 'bigint' ? Number(value) : typeof value === 'number' ? value : 0;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

const factsOf: Readonly<Record<FileKind, string>> = {
  predictions: `min(event_ms) as low, max(event_ms) as high, min(prediction_id) as low_id, max(prediction_id) as high_id,
    count(key) as keys, count(*) filter (is_event_explicit) as explicit, max(received_ms) as received`,
  truth: `min(prediction_event_ms) as low, max(prediction_event_ms) as high, min(prediction_id) as low_id,
    max(prediction_id) as high_id, 0 as keys, 0 as explicit, max(received_ms) as received`,
  pending: `min(event_ms) as low, max(event_ms) as high, null as low_id, null as high_id, 0 as keys, 0 as explicit,
    max(received_ms) as received`,
};

/** What one new sealed file is made from. */
export interface FileSource {
  readonly kind: FileKind;
  readonly model: string;
  readonly version: number;
  readonly schemaId: number | null;
  readonly level: number;
  /** Query for the rows. */
  readonly query: string;
}

/** Writes one sealed file; undefined when its query has no rows. */
export async function writeSealedFile(
  duck: Duck,
  directory: SealedDirectory,
  source: FileSource,
  nowMs: number,
): Promise<NewFile | undefined> {
  const [row] = await duck.rows(`select count(*) as rows, ${factsOf[source.kind]} from (${source.query})`);
  const facts: FileFacts = {
    rows: numberOf(row?.rows),
    min_event_ms: numberOf(row?.low),
    max_event_ms: numberOf(row?.high),
    min_id: textOf(row?.low_id),
    max_id: textOf(row?.high_id),
    has_keys: numberOf(row?.keys) > 0 ? 1 : 0,
    explicit_rows: numberOf(row?.explicit),
    max_received_ms: numberOf(row?.received),
  };
  if (facts.rows === 0) return undefined;
  const name = directory.newName(source.kind, source.model, source.version, nowMs);
  const bytes = await directory.write(duck, source.query, name);
  const { kind, model, version, schemaId, level } = source;
  return { kind, model, version, schema_id: schemaId, name, bytes, level, created_ms: nowMs, ...facts };
}

/** Removes the log files of sealed segments and then forgets the segments, whose names never come back. */
async function removeSegments(parts: SealParts, segments: ReadonlySet<string>): Promise<void> {
  if (segments.size === 0) return;
  await parts.share?.(parts.catalog);
  const removed: string[] = [];
  for (const segment of segments) {
    await unlink(join(parts.logDirectory, `${segment}.log`)).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    });
    removed.push(segment);
  }
  await parts.catalog.forgetSegments(removed);
}

/**
 * Brings disk and catalog together after a crash between any two steps of a seal: files that the catalog does not know
 * are removed, and so are segments whose rows it knows to be in files.
 */
export async function recoverSeals(parts: SealParts): Promise<void> {
  const { catalog, directory, log } = parts;
  const removedFiles = await directory.removeAllBut(await catalog.knownNames());
  const sealed = await catalog.sealedSegments();
  await removeSealed(parts, sealed);
  if (removedFiles + sealed.size > 0) log.info({ removedFiles, segments: sealed.size }, 'predlog.seal_recovered');
}

/** As `removeSegments`; where sealed rows are shared and that fails, the segments stay, and the next seal tries again. */
async function removeSealed(parts: SealParts, segments: ReadonlySet<string>): Promise<void> {
  try {
    await removeSegments(parts, segments);
  } catch (error) {
    if (parts.share === undefined) throw error;
    parts.log.warn({ error, segments: segments.size }, 'predlog.sealed_rows_not_shared');
  }
}

async function predictionSources(parts: SealParts, tables: readonly HotTable[]): Promise<FileSource[]> {
  const sources: FileSource[] = [];
  for (const group of Map.groupBy(tables, hot => hot.schemaText).values()) {
    const { schema, schemaText } = group[0]!;
    const { model, version } = schema;
    const schemaId = await parts.catalog.schemaId({ model, version, text: schemaText });
    const query = group.map(hot => `select * from ${hot.table}`).join(' union all ');
    sources.push({ kind: 'predictions', model, version, schemaId, level: 0, query });
  }
  return sources;
}

async function truthSources(parts: SealParts, segments: ReadonlySet<string>): Promise<FileSource[]> {
  const persisted = parts.joiner.persistedTruth(segments);
  const versions = await parts.duck.rows(`select distinct model, version ${persisted}`);
  return versions.map(row => ({
    kind: 'truth',
    model: String(row.model),
    version: numberOf(row.version),
    schemaId: null,
    level: 0,
    query: `select ${truthColumns} from (select * ${persisted}) where model = ${literal(String(row.model))}
      and version = ${numberOf(row.version)}`,
  }));
}

/**
 * Moves the rows of finished segments into Parquet files: files first, then one commit of the catalog, then the segments
 * are removed. Returns the segments that were sealed; those with rows that labels were not yet compared with wait.
 */
export async function sealSegments(parts: SealParts, finished: readonly string[], nowMs: number): Promise<string[]> {
  const { duck, hot, joiner, catalog, directory } = parts;
  const unfinished = await joiner.unfinishedSegments();
  for (const table of hot.tables) if (table.matchedRows < table.rows) unfinished.add(table.segment);
  const waiting = await catalog.sealedSegments();
  const segments = new Set(finished.filter(segment => !unfinished.has(segment) && !waiting.has(segment)));
  if (segments.size === 0) {
    await removeSealed(parts, waiting);
    return [];
  }
  const sources = [
    ...(await predictionSources(
      parts,
      hot.tables.filter(table => segments.has(table.segment)),
    )),
    ...(await truthSources(parts, segments)),
    {
      kind: 'pending',
      model: '',
      version: 0,
      schemaId: null,
      level: 0,
      query: joiner.persistedWaiting(segments),
    } satisfies FileSource,
  ];
  const added: NewFile[] = [];
  for (const source of sources) {
    const file = await writeSealedFile(duck, directory, source, nowMs);
    if (file !== undefined) added.push(file);
  }
  parts.onStep?.('files-written');
  await catalog.commit({ added, sealedSegments: [...segments], areShared: parts.share !== undefined, nowMs });
  parts.onStep?.('committed');
  await hot.drop(segments);
  await joiner.forgetSealed(segments);
  await removeSealed(parts, segments.union(waiting));
  parts.onStep?.('segments-removed');
  return [...segments];
}
