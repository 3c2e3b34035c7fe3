import type { Catalog, SealedFile } from './catalog.ts';
import type { Duck } from './duck.ts';
import type { Joiner } from './joiner.ts';
import { type FileSource, writeSealedFile } from './seal.ts';
import type { SealedDirectory } from './sealed-directory.ts';

export interface CompactionParts {
  readonly duck: Duck;
  readonly catalog: Catalog;
  readonly directory: SealedDirectory;
}

/** So many files of one layout and level become one of the next level: every row is rewritten once per level. */
const filesPerMerge = 8;
/** Files of this level are large enough. With a seal every 10 s they hold 10 s x 8^4, half a day. */
const topLevel = 4;
/** A merge takes no more rows than this together. */
const mostMergedRows = 20_000_000;
/** A reader, such as a long export, may still be using a file that was replaced; it stays for this long. */
const graceMs = 600_000;
/** Waiting labels in files may exceed those that really wait by so many before the files are rewritten. */
const pendingSlack = 10_000;

/** The last label of each prediction, from a source with the columns of truth. */
export function latestTruth(source: string): string {
  return `select prediction_id, any_value(prediction_event_ms) as prediction_event_ms,
    max({e: label_event_ms, r: received_ms, v: value}) as latest from ${source} group by prediction_id`;
}

function mergeQuery(directory: SealedDirectory, files: readonly SealedFile[]): string {
  const source = directory.source(files);
  if (files[0]!.kind === 'predictions') return `select * from ${source} order by event_ms`;
  return `select prediction_id, prediction_event_ms, latest.v as value, latest.e as label_event_ms,
    latest.r as received_ms from (${latestTruth(source)}) order by prediction_event_ms`;
}

/** Files that are to become one; the oldest group first, undefined when none is due. */
function nextMerge(files: readonly SealedFile[]): SealedFile[] | undefined {
  const mergeable = files.filter(file => file.kind !== 'pending' && file.level < topLevel);
  const groups = Map.groupBy(mergeable, f => `${f.kind} ${f.model} ${f.version} ${f.schema_id} ${f.level}`);
  for (const group of groups.values()) {
    if (group.length < filesPerMerge) continue;
    const oldest = group.toSorted((a, b) => a.id - b.id).slice(0, filesPerMerge);
    if (oldest.reduce((sum, file) => sum + file.rows, 0) <= mostMergedRows) return oldest;
  }
  return undefined;
}

/** Merges small files into larger ones, one merge per call; true when there may be more to do. */
export async function mergeOnce(parts: CompactionParts, nowMs: number): Promise<boolean> {
  const { duck, catalog, directory } = parts;
  const files = nextMerge(await catalog.files());
  if (files === undefined) return false;
  const { kind, model, version, schema_id, level } = files[0]!;
  const query = mergeQuery(directory, files);
  const source: FileSource = { kind, model, version, schemaId: schema_id, level: level + 1, query };
  const added = await writeSealedFile(duck, directory, source, nowMs);
  await catalog.commit({ added: added === undefined ? [] : [added], obsolete: files.map(file => file.id), nowMs });
  return true;
}

/** Rewrites the files of waiting labels when most of what they hold no longer waits, or there are many. */
export async function mergePending(parts: CompactionParts, joiner: Joiner, nowMs: number): Promise<void> {
  const { duck, catalog, directory } = parts;
  const files = await catalog.files({ kind: 'pending' });
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  const isStale = rows > 2 * joiner.stats.pending + pendingSlack;
  if (files.length < 2 || (files.length < filesPerMerge && !isStale)) return;
  const query = joiner.sealedWaiting();
  const source: FileSource = { kind: 'pending', model: '', version: 0, schemaId: null, level: 0, query };
  const added = await writeSealedFile(duck, directory, source, nowMs);
  await catalog.commit({ added: added === undefined ? [] : [added], obsolete: files.map(file => file.id), nowMs });
}

/** Retires files whose last row was received before `beforeMs`, and removes files that nobody can be reading any more. */
export async function applyRetention(parts: CompactionParts, beforeMs: number, nowMs: number): Promise<number> {
  const { catalog, directory } = parts;
  const outlived = (await catalog.files()).filter(f => f.kind !== 'pending' && f.max_received_ms < beforeMs);
  if (outlived.length > 0) await catalog.commit({ added: [], obsolete: outlived.map(file => file.id), nowMs });
  const removable = await catalog.obsoleteSince(nowMs - graceMs);
  await directory.remove(removable.map(file => file.name));
  await catalog.forgetFiles(removable.map(file => file.id));
  return outlived.length;
}
