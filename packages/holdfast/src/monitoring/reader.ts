import {
  type ColumnDistribution,
  type DriftCell,
  type DriftDetail,
  type ModelSummary,
  type MonitorKind,
  monitorKinds,
  type PerformancePoint,
  type PerformanceResponse,
  type Task,
  type TrafficResponse,
  type Verdict,
} from '@holdfast/api';
import { leadingMetric } from './performance/judge-performance.ts';
import { momentsOf, type Profile } from './profiles/profile.ts';
import type { PlannedColumn } from './profiles/profile-plan.ts';
import type { BaselineMetric } from './profiles/reference.ts';
import { ServiceProfile } from './profiles/service-profile.ts';
import { latestReferenceId, loadReference, type StoredReference } from './store/reference-store.ts';
import { verdictOf } from './store/verdict-store.ts';
import { decodeTally, loadModelState, type WatchDatabase } from './store/watch-store.ts';

/** A stretch of event time; an end that is left out is that of everything seen. */
export interface TimeRange {
  readonly fromMs?: number | undefined;
  readonly toMs?: number | undefined;
}

export interface VerdictFilter extends TimeRange {
  readonly monitor?: MonitorKind | undefined;
  readonly breached?: boolean | undefined;
  /** @default 500 */
  readonly limit?: number | undefined;
}

/** The part of a model's summary that monitoring knows. */
export type MonitoringSummary = Pick<ModelSummary, 'drift' | 'driftedColumns' | 'performance' | 'leadingMetric'>;

/** Answers the console's questions from the watcher's database, without changing it. */
export class MonitoringReader {
  readonly #db: WatchDatabase;
  /** References never change, so those used lately are kept, latest last. */
  readonly #references = new Map<number, StoredReference>();

  constructor(db: WatchDatabase) {
    this.#db = db;
  }

  /** Whether the model's predictions carry event times of their own. */
  async clock(model: string): Promise<'event' | 'wall'> {
    const state = await loadModelState(this.#db, model);
    return state?.clock.kind ?? 'wall';
  }

  /** Event times that its predictions cover; null before the first one. */
  async span(model: string): Promise<{ readonly fromMs: number; readonly toMs: number } | null> {
    const state = await loadModelState(this.#db, model);
    const { earliestMs = null, latestMs = null } = state?.clock ?? {};
    return earliestMs === null || latestMs === null ? null : { fromMs: earliestMs, toMs: latestMs };
  }

  /** Traffic in about so many steps. */
  async traffic(model: string, range: TimeRange, points = 240): Promise<TrafficResponse> {
    const span = await this.span(model);
    if (span === null) return { stepMs: 60_000, points: [] };
    const fromMs = range.fromMs ?? span.fromMs;
    const toMs = range.toMs ?? span.toMs + 1;
    // A step cannot be finer than what is stored of the range: older minutes were merged into hours.
    const { coarsest } = await this.#db
      .selectFrom('watch_minute')
      .select(({ fn }) => fn.max('bucket_ms').as('coarsest'))
      .where('model', '=', model)
      .where('start_ms', '>=', fromMs)
      .where('start_ms', '<', toMs)
      .executeTakeFirstOrThrow();
    const stepMs = niceStep(Math.max((toMs - fromMs) / points, Number(coarsest ?? 0)));
    const rows = await this.#db
      .selectFrom('watch_minute')
      .select(['version', 'start_ms', 'service'])
      .where('model', '=', model)
      .where('start_ms', '>=', Math.floor(fromMs / stepMs) * stepMs)
      .where('start_ms', '<', toMs)
      .orderBy('start_ms')
      .execute();
    const steps = new Map<string, { startMs: number; version: number; service: ServiceProfile }>();
    for (const row of rows) {
      const startMs = Math.floor(row.start_ms / stepMs) * stepMs;
      const key = `${startMs}/${row.version}`;
      let step = steps.get(key);
      if (step === undefined) {
        step = { startMs, version: row.version, service: new ServiceProfile() };
        steps.set(key, step);
      }
      step.service.merge(ServiceProfile.decode(row.service));
    }
    return {
      stepMs,
      points: [...steps.values()].map(({ startMs, version, service }) => {
        const latency = service.latency();
        const ms = (q: number): number | null => {
          const us = latency.quantile(q);
          return us === undefined ? null : us / 1000;
        };
        const { requests, rows: answered, errors } = service;
        return { startMs, version, requests, rows: answered, errors, p50Ms: ms(0.5), p90Ms: ms(0.9), p99Ms: ms(0.99) };
      }),
    };
  }

  /** Realised performance per window, with the metrics of the reference of `version` for comparison. */
  async performance(model: string, range: TimeRange, version?: number): Promise<PerformanceResponse> {
    let query = this.#db.selectFrom('watch_performance').selectAll().where('model', '=', model);
    if (range.fromMs !== undefined) query = query.where('end_ms', '>', range.fromMs);
    if (range.toMs !== undefined) query = query.where('start_ms', '<', range.toMs);
    const rows = await query.orderBy('start_ms').orderBy('version').execute();
    return {
      baseline: await this.#baselineMetrics(model, version),
      points: rows.map(row => ({
        version: row.version,
        windowStartMs: row.start_ms,
        windowEndMs: row.end_ms,
        predictions: row.predictions,
        labelled: row.labelled,
        metrics: valuesOf(JSON.parse(row.metrics)),
        revision: row.revision,
      })),
    };
  }

  async #reference(id: number | null | undefined): Promise<StoredReference | undefined> {
    if (id === null || id === undefined) return undefined;
    const reference = this.#references.get(id) ?? (await loadReference(this.#db, id));
    if (reference === undefined) return undefined;
    this.#references.delete(id);
    this.#references.set(id, reference);
    for (const oldest of this.#references.keys()) {
      if (this.#references.size <= mostReferences) break;
      this.#references.delete(oldest);
    }
    return reference;
  }

  async #baselineMetrics(model: string, version?: number): Promise<Record<string, number>> {
    const reference = await this.#reference(await latestReferenceId(this.#db, model, version));
    return reference === undefined ? {} : valuesOf(reference.baseline.performance);
  }

  /** Cells of the drift heat map: one per column, window and version. */
  async driftCells(model: string, range: TimeRange): Promise<DriftCell[]> {
    let query = this.#db
      .selectFrom('watch_verdict')
      .selectAll()
      .where('model', '=', model)
      .where('monitor', 'in', ['data-drift', 'prediction-drift']);
    if (range.fromMs !== undefined) query = query.where('window_end_ms', '>', range.fromMs);
    if (range.toMs !== undefined) query = query.where('window_start_ms', '<', range.toMs);
    const rows = await query.orderBy('window_start_ms').orderBy('id').execute();
    return rows.map(row => ({
      column: row.subject,
      role: row.monitor === 'data-drift' ? 'input' : 'output',
      windowStartMs: row.window_start_ms,
      windowEndMs: row.window_end_ms,
      version: row.version,
      outcome: row.outcome,
      effect: row.effect,
      threshold: row.threshold,
      rows: row.window_rows,
    }));
  }

  /** Both distributions behind a cell; undefined when there is no such window or column. */
  async driftDetail(
    model: string,
    cell: {
      readonly column: string;
      readonly version: number;
      readonly windowStartMs: number;
      readonly windowEndMs: number;
    },
  ): Promise<DriftDetail | undefined> {
    const { column: name, version, windowStartMs, windowEndMs } = cell;
    const stored = await this.#db
      .selectFrom('watch_window')
      .select(['service', 'reference_id', 'profile'])
      .where('model', '=', model)
      .where('series', '=', 'window')
      .where('version', '=', version)
      .where('start_ms', '=', windowStartMs)
      .where('end_ms', '=', windowEndMs)
      .executeTakeFirst();
    if (stored === undefined) return undefined;
    const known = await this.#reference(stored.reference_id);
    const { reference, profile } = decodeTally(stored, new Map(known && [[known.id, known]]));
    const column = reference?.plan.columns.find(one => one.reference.name === name);
    if (reference === undefined || profile === undefined || column === undefined) return undefined;
    if (column.reference.kind === 'opaque') return undefined;
    const verdicts = await this.#db
      .selectFrom('watch_verdict')
      .selectAll()
      .where('model', '=', model)
      .where('version', '=', version)
      .where('subject', '=', name)
      .where('window_start_ms', '=', windowStartMs)
      .where('window_end_ms', '=', windowEndMs)
      .orderBy('id')
      .execute();
    return {
      column: name,
      kind: column.reference.kind,
      windowStartMs,
      windowEndMs,
      edges: Array.from(column.edges),
      baseline: baselineDistribution(column, reference.baseline.rows),
      current: currentDistribution(column, profile),
      verdicts: verdicts.map(verdictOf),
    };
  }

  /** Verdicts, latest windows first. */
  async verdicts(model: string, filter: VerdictFilter): Promise<Verdict[]> {
    let query = this.#db.selectFrom('watch_verdict').selectAll().where('model', '=', model);
    if (filter.fromMs !== undefined) query = query.where('window_end_ms', '>', filter.fromMs);
    if (filter.toMs !== undefined) query = query.where('window_start_ms', '<', filter.toMs);
    if (filter.monitor !== undefined) query = query.where('monitor', '=', filter.monitor);
    if (filter.breached === true) query = query.where('outcome', '=', 'breached');
    if (filter.breached === false) query = query.where('outcome', '!=', 'breached');
    const rows = await query
      .orderBy('window_end_ms', 'desc')
      .orderBy('id')
      .limit(filter.limit ?? 500)
      .execute();
    return rows.map(verdictOf);
  }

  /** Verdicts of all models in the order in which they were passed, after the one with this id. */
  async newVerdictsSince(id: number, limit = 1000): Promise<Verdict[]> {
    const rows = await this.#db
      .selectFrom('watch_verdict')
      .selectAll()
      .where('id', '>', id)
      .orderBy('id')
      .limit(limit)
      .execute();
    return rows.map(verdictOf);
  }

  /** The verdicts of a version's latest decided window, for each of its monitors. */
  async latestVerdicts(model: string, version: number): Promise<Verdict[]> {
    const verdicts = await Promise.all(monitorKinds.map(monitor => this.#latest(model, version, [monitor])));
    return verdicts.flat();
  }

  /** The latest window of a version that has any ground truth. */
  async latestPerformance(model: string, version: number): Promise<PerformancePoint | undefined> {
    const { points } = await this.performance(model, {}, version);
    return points.findLast(point => point.version === version && point.labelled > 0);
  }

  /** How a version stands in its latest judged windows. */
  async summary(model: string, version: number, task: Task['kind']): Promise<MonitoringSummary> {
    const drift = await this.#latest(model, version, ['data-drift', 'prediction-drift']);
    const performance = await this.#latest(model, version, ['performance']);
    const leading = leadingMetric(task);
    return {
      drift: stateOf(drift),
      driftedColumns: drift
        .filter(verdict => verdict.outcome === 'breached')
        .sort((a, b) => ratioOf(b) - ratioOf(a))
        .map(verdict => verdict.subject),
      performance: stateOf(performance),
      leadingMetric: leading === undefined ? null : await this.#leading(model, version, leading),
    };
  }

  async #latest(model: string, version: number, monitors: readonly MonitorKind[]): Promise<Verdict[]> {
    // A window without enough rows or labels says nothing new: the latest one that was decided counts.
    for (const decided of [true, false]) {
      let query = this.#db
        .selectFrom('watch_verdict')
        .select('window_end_ms')
        .where('model', '=', model)
        .where('version', '=', version)
        .where('monitor', 'in', monitors);
      if (decided) query = query.where('outcome', '!=', 'undecided');
      const latest = await query.orderBy('window_end_ms', 'desc').limit(1).executeTakeFirst();
      if (latest === undefined) continue;
      const rows = await this.#db
        .selectFrom('watch_verdict')
        .selectAll()
        .where('model', '=', model)
        .where('version', '=', version)
        .where('monitor', 'in', monitors)
        .where('window_end_ms', '=', latest.window_end_ms)
        .execute();
      return rows.map(verdictOf);
    }
    return [];
  }

  async #leading(model: string, version: number, name: string): Promise<MonitoringSummary['leadingMetric']> {
    const rows = await this.#db
      .selectFrom('watch_performance')
      .select('metrics')
      .where('model', '=', model)
      .where('version', '=', version)
      .where('labelled', '>', 0)
      .orderBy('end_ms', 'desc')
      .limit(10)
      .execute();
    for (const row of rows) {
      const value = valuesOf(JSON.parse(row.metrics))[name];
      if (value === undefined) continue;
      const baseline = await this.#baselineMetrics(model, version);
      return { name, value, baseline: baseline[name] ?? null };
    }
    return null;
  }
}

/** References kept in memory. */
const mostReferences = 16;

const niceStepsMs = [
  60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000,
  86_400_000,
];

/** The next round step of at least this length; whole days above a day. */
function niceStep(atLeastMs: number): number {
  const dayMs = 86_400_000;
  return niceStepsMs.find(step => step >= atLeastMs) ?? Math.ceil(atLeastMs / dayMs) * dayMs;
}

function valuesOf(metrics: Readonly<Record<string, BaselineMetric>>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([name, metric]) => [name, metric.value]));
}

function stateOf(verdicts: readonly Verdict[]): MonitoringSummary['drift'] {
  if (verdicts.length === 0) return 'unwatched';
  if (verdicts.some(verdict => verdict.outcome === 'breached')) return 'breached';
  return verdicts.some(verdict => verdict.outcome === 'stable') ? 'stable' : 'undecided';
}

function ratioOf(verdict: Verdict): number {
  return verdict.effect !== null && verdict.threshold !== null && verdict.threshold > 0
    ? verdict.effect / verdict.threshold
    : 0;
}

function baselineDistribution(column: PlannedColumn, rows: number): ColumnDistribution {
  const { reference } = column;
  if (reference.kind === 'numeric') {
    const hasValues = reference.minimum !== null;
    return {
      rows,
      missing: reference.missing,
      mean: hasValues ? reference.mean : null,
      standardDeviation: hasValues ? reference.standardDeviation : null,
      minimum: reference.minimum,
      maximum: reference.maximum,
      binCounts: [...reference.counts],
      categories: [],
      unseen: 0,
    };
  }
  const categories = reference.kind === 'categorical' ? namedCounts(reference.categories, reference.counts) : [];
  const other = reference.kind === 'categorical' ? reference.other : 0;
  return { ...noMoments, rows, missing: reference.missing, categories: withOther(categories, other), unseen: 0 };
}

function currentDistribution(column: PlannedColumn, profile: Profile): ColumnDistribution {
  const cells = profile.cells(column);
  const missing = cells[column.cells - 1]!;
  if (column.reference.kind === 'numeric') {
    const moments = momentsOf(profile, column);
    return {
      ...noMoments,
      rows: profile.rows,
      missing,
      ...(moments ?? {}),
      binCounts: Array.from(cells.subarray(0, column.cells - 1)),
      unseen: 0,
    };
  }
  if (column.reference.kind === 'opaque') return { ...noMoments, rows: profile.rows, missing, unseen: 0 };
  const { categories } = column.reference;
  const named = namedCounts(categories, Array.from(cells.subarray(0, categories.length)));
  return {
    ...noMoments,
    rows: profile.rows,
    missing,
    categories: withOther(named, cells[categories.length]!),
    unseen: cells[categories.length + 1]!,
  };
}

const noMoments = {
  mean: null,
  standardDeviation: null,
  minimum: null,
  maximum: null,
  binCounts: [],
  categories: [],
} satisfies Partial<ColumnDistribution>;

function namedCounts(
  categories: readonly string[],
  counts: readonly number[],
): { readonly category: string; readonly count: number }[] {
  return categories.map((category, i) => ({ category, count: counts[i]! }));
}

/** Rare categories of the baseline stand together under this name. */
const otherCategory = 'other';

function withOther(
  named: readonly { readonly category: string; readonly count: number }[],
  other: number,
): { category: string; count: number }[] {
  return other > 0 ? [...named, { category: otherCategory, count: other }] : [...named];
}
