import { parseDurationMs } from '@holdfast/api';
import type { Catalog, SealedFile } from './catalog.ts';
import { type LogSchema, logSchemaSchema } from './log-schema.ts';
import type { PredictionHeader } from './prediction-header.ts';
import { type ChunkRef, readUnsealed, type UnsealedLog } from './unsealed-log.ts';

/** Which predictions of a model to read. */
export interface PredictionFilter {
  readonly version?: number | undefined;
  /** Event time, inclusive, ms since epoch. */
  readonly fromMs?: number | undefined;
  /** Event time, exclusive. */
  readonly toMs?: number | undefined;
  /** A duration before the latest prediction, such as `15m`. */
  readonly last?: string | undefined;
  /** A condition over the recorded columns. */
  readonly where?: string | undefined;
  readonly limit?: number | undefined;
}

/** Everything recorded of one model at one moment: sealed files, and chunks that are still in the log. */
export interface LogSnapshot {
  readonly model: string;
  readonly schemas: ReadonlyMap<number, { readonly text: string; readonly schema: LogSchema }>;
  readonly files: readonly SealedFile[];
  readonly truthFiles: readonly SealedFile[];
  /** Labels that waited for their prediction when they were sealed. */
  readonly pendingFiles: readonly SealedFile[];
  readonly chunks: readonly ChunkRef<PredictionHeader>[];
  readonly labels: UnsealedLog['labels'];
}

/** Seals come every few seconds and reading takes much less, so a third try means trouble elsewhere. */
const mostTries = 5;

/** Reads catalog and log so that no row is missed or seen twice, although the watcher may be sealing meanwhile. */
export async function takeSnapshot(catalog: Catalog, logDirectory: string, model: string): Promise<LogSnapshot> {
  for (let tries = 1; ; tries++) {
    const before = await catalog.stamp();
    const sealed = await catalog.sealedSegments();
    const schemas = await catalog.schemas(model);
    const files = await catalog.files({ model });
    const pendingFiles = await catalog.files({ kind: 'pending' });
    const log = await readUnsealed(logDirectory, model, segment => sealed.has(segment));
    if ((await catalog.stamp()) !== before && tries < mostTries) continue;
    return {
      model,
      schemas: new Map(schemas.map(({ id, text }) => [id, { text, schema: logSchemaSchema.parse(JSON.parse(text)) }])),
      files: files.filter(file => file.kind === 'predictions'),
      truthFiles: files.filter(file => file.kind === 'truth'),
      pendingFiles,
      chunks: log.predictions,
      labels: log.labels,
    };
  }
}

/** The span of event times that a model's predictions cover. */
export interface PredictionSpan {
  readonly fromMs: number;
  /** The latest event time. */
  readonly toMs: number;
  readonly rows: number;
  /** Whether callers give their own event times. */
  readonly clock: 'event' | 'wall';
}

export function spanOf(snapshot: LogSnapshot): PredictionSpan | undefined {
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = Number.NEGATIVE_INFINITY;
  let rows = 0;
  let explicitRows = 0;
  for (const file of snapshot.files) {
    fromMs = Math.min(fromMs, file.min_event_ms);
    toMs = Math.max(toMs, file.max_event_ms);
    rows += file.rows;
    explicitRows += file.explicit_rows;
  }
  for (const { header } of snapshot.chunks) {
    fromMs = Math.min(fromMs, header.minEventMs);
    toMs = Math.max(toMs, header.maxEventMs);
    rows += header.rows;
    explicitRows += header.explicitRows;
  }
  return rows === 0 ? undefined : { fromMs, toMs, rows, clock: explicitRows * 2 > rows ? 'event' : 'wall' };
}

/** The snapshot without files and chunks that cannot hold what the filter asks for, and the span that remains. */
export function narrow(
  snapshot: LogSnapshot,
  filter: PredictionFilter,
): { readonly snapshot: LogSnapshot; readonly fromMs: number; readonly toMs: number } {
  const lastMs = filter.last === undefined ? undefined : parseDurationMs(filter.last);
  const since = lastMs === undefined ? undefined : (spanOf(snapshot)?.toMs ?? 0) - lastMs;
  const fromMs = Math.max(filter.fromMs ?? Number.NEGATIVE_INFINITY, since ?? Number.NEGATIVE_INFINITY);
  const toMs = filter.toMs ?? Number.POSITIVE_INFINITY;
  const isWanted = (version: number, low: number, high: number): boolean =>
    (filter.version === undefined || filter.version === version) && high >= fromMs && low < toMs;
  const overlaps = (file: SealedFile): boolean => isWanted(file.version, file.min_event_ms, file.max_event_ms);
  return {
    fromMs,
    toMs,
    snapshot: {
      ...snapshot,
      files: snapshot.files.filter(overlaps),
      truthFiles: snapshot.truthFiles.filter(overlaps),
      chunks: snapshot.chunks.filter(({ header }) => isWanted(header.version, header.minEventMs, header.maxEventMs)),
    },
  };
}

/** Only what can hold the `rows` predictions received last. */
export function lastReceived(snapshot: LogSnapshot, rows: number): LogSnapshot {
  const chunks = snapshot.chunks.toSorted((a, b) => b.header.maxReceivedMs - a.header.maxReceivedMs);
  let taken = 0;
  let sinceMs = Number.POSITIVE_INFINITY;
  for (const { header } of chunks) {
    if (taken >= rows && header.maxReceivedMs < sinceMs) break;
    taken += header.rows;
    sinceMs = Math.min(sinceMs, header.minReceivedMs);
  }
  const files: SealedFile[] = [];
  for (const file of snapshot.files.toSorted((a, b) => b.max_received_ms - a.max_received_ms)) {
    if (taken >= rows && file.max_received_ms < sinceMs) break;
    files.push(file);
    if (taken >= rows) continue;
    taken += file.rows;
    // The catalog does not say when a file's first row was received; this is its last one's time at the earliest.
    sinceMs = Math.min(sinceMs, file.max_received_ms);
  }
  return { ...snapshot, files, chunks: chunks.filter(({ header }) => header.maxReceivedMs >= sinceMs) };
}
