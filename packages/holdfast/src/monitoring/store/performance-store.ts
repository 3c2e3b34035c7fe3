import type { TruthSpan } from '../ground-truth.ts';
import type { BaselineMetric } from '../profiles/reference.ts';
import type { WatchDatabase } from './watch-store.ts';

export interface PerformanceRecord {
  readonly model: string;
  readonly version: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly predictions: number;
  readonly labelled: number;
  readonly metrics: Readonly<Record<string, BaselineMetric>>;
}

export interface WindowKey {
  readonly model: string;
  readonly version: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** Stores the performance of a window; one that was there already is replaced with a raised revision. @returns whether anything is new */
export async function savePerformance(db: WatchDatabase, record: PerformanceRecord): Promise<boolean> {
  const before = await db
    .selectFrom('watch_performance')
    .select(['revision', 'predictions', 'labelled', 'metrics'])
    .where('model', '=', record.model)
    .where('version', '=', record.version)
    .where('start_ms', '=', record.startMs)
    .where('end_ms', '=', record.endMs)
    .executeTakeFirst();
  const metrics = JSON.stringify(record.metrics);
  const isSame =
    before !== undefined &&
    before.predictions === record.predictions &&
    before.labelled === record.labelled &&
    before.metrics === metrics;
  if (isSame) return false;
  await db
    .insertInto('watch_performance')
    .values({
      model: record.model,
      version: record.version,
      start_ms: record.startMs,
      end_ms: record.endMs,
      predictions: record.predictions,
      labelled: record.labelled,
      metrics,
      revision: before === undefined ? 0 : before.revision + 1,
    })
    .orReplace()
    .execute();
  return true;
}

/** The earliest scored window of a version with at least so many labels. */
export async function loadPerformance(
  db: WatchDatabase,
  model: string,
  version: number,
  minimumLabels: number,
): Promise<PerformanceRecord | undefined> {
  const row = await db
    .selectFrom('watch_performance')
    .selectAll()
    .where('model', '=', model)
    .where('version', '=', version)
    .where('labelled', '>=', minimumLabels)
    .orderBy('start_ms')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const metrics: Record<string, BaselineMetric> = JSON.parse(row.metrics);
  return {
    model,
    version,
    startMs: row.start_ms,
    endMs: row.end_ms,
    predictions: row.predictions,
    labelled: row.labelled,
    metrics,
  };
}

/** Marks the scored windows that overlap a span of new ground truth. */
export async function markRescores(db: WatchDatabase, span: TruthSpan): Promise<void> {
  await db
    .insertInto('watch_rescore')
    .columns(['model', 'version', 'start_ms', 'end_ms'])
    .expression(
      db
        .selectFrom('watch_performance')
        .select(['model', 'version', 'start_ms', 'end_ms'])
        .where('model', '=', span.model)
        .where('version', '=', span.version)
        .where('start_ms', '<', span.toMs)
        .where('end_ms', '>', span.fromMs),
    )
    .onConflict(conflict => conflict.doNothing())
    .execute();
}

/** Windows to be scored again, latest first: what people look at is what just happened. */
export async function dueRescores(db: WatchDatabase, limit: number): Promise<readonly WindowKey[]> {
  const rows = await db.selectFrom('watch_rescore').selectAll().orderBy('start_ms', 'desc').limit(limit).execute();
  return rows.map(row => ({ model: row.model, version: row.version, startMs: row.start_ms, endMs: row.end_ms }));
}

export async function clearRescore(db: WatchDatabase, window: WindowKey): Promise<void> {
  await db
    .deleteFrom('watch_rescore')
    .where('model', '=', window.model)
    .where('version', '=', window.version)
    .where('start_ms', '=', window.startMs)
    .where('end_ms', '=', window.endMs)
    .execute();
}
