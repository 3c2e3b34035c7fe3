import type { Verdict } from '@holdfast/api';
import type { Finding } from '../finding.ts';
import type { GroundTruth, TruthSpan } from '../ground-truth.ts';
import type { MonitoredModel } from '../monitored-model.ts';
import {
  clearRescore,
  dueRescores,
  loadPerformance,
  markRescores,
  type PerformanceRecord,
  savePerformance,
} from '../store/performance-store.ts';
import { saveVerdicts } from '../store/verdict-store.ts';
import { noVersion, type WatchDatabase } from '../store/watch-store.ts';
import type { UnjudgedWindow } from '../store/window-store.ts';
import { judgePerformance, type PerformanceReference } from './judge-performance.ts';
import { measure } from './measure.ts';
import { scoredRows, taskColumns } from './scored-rows.ts';

export interface ScorerOptions {
  readonly db: WatchDatabase;
  readonly truth: GroundTruth;
  readonly clock: () => number;
  readonly versions: (model: string) => readonly MonitoredModel[];
  readonly emit: (model: string, startMs: number, endMs: number, breaches: readonly Verdict[]) => void;
}

/** One version's share of a window, scored. */
export interface ScoredWindow {
  readonly version: number;
  readonly record: PerformanceRecord;
  readonly findings: readonly Finding[];
}

/** Windows looked at in one step, so that reading the log is never kept waiting for long. */
const rescoresPerStep = 20;
/** A window is not scored again within this many times what scoring it costs, nor within `restMs`. */
const costFactor = 10;
const restMs = 2000;

/** Scores windows when they close, and again when ground truth arrives late. */
export class PerformanceScorer {
  readonly #options: ScorerOptions;
  /** Earliest next scoring of windows that were scored recently. */
  readonly #notBefore = new Map<string, number>();

  constructor(options: ScorerOptions) {
    this.#options = options;
  }

  async mark(db: WatchDatabase, spans: readonly TruthSpan[]): Promise<void> {
    for (const span of spans) await markRescores(db, span);
  }

  /** Scores all versions of a window. */
  async score(
    window: Pick<UnjudgedWindow, 'model' | 'startMs' | 'endMs' | 'versions'>,
    versions: readonly MonitoredModel[],
  ): Promise<readonly ScoredWindow[]> {
    const scored: ScoredWindow[] = [];
    for (const version of window.versions.keys()) {
      const watched = versions.find(one => one.version === version);
      if (version === noVersion || watched === undefined) continue;
      const one = await this.#scoreVersion(watched, window.startMs, window.endMs);
      if (one !== undefined) scored.push(one);
    }
    return scored;
  }

  async save(db: WatchDatabase, scored: ScoredWindow): Promise<void> {
    await savePerformance(db, scored.record);
  }

  async #scoreVersion(version: MonitoredModel, startMs: number, endMs: number): Promise<ScoredWindow | undefined> {
    const { task } = version.signature;
    const { performance, drift } = version.monitors;
    if (task.kind === 'none' || !performance.enabled) return undefined;
    const span = { model: version.name, version: version.version, fromMs: startMs, toMs: endMs };
    const joined = await this.#options.truth.scoredWindow({ ...span, columns: taskColumns(task) });
    const { predictions } = joined;
    const measured = measure(task, scoredRows(joined));
    const reference = await this.#reference(version, startMs);
    const findings = judgePerformance(task, measured, predictions, reference, performance, drift.falseAlarmRate);
    const record = {
      model: version.name,
      version: version.version,
      startMs,
      endMs,
      predictions,
      labelled: measured.labelled,
      metrics: measured.metrics,
    };
    return { version: version.version, record, findings };
  }

  /** The baseline's own performance, otherwise that of the first window before this one with enough ground truth. */
  async #reference(version: MonitoredModel, beforeMs: number): Promise<PerformanceReference | undefined> {
    const { baseline } = version;
    if (baseline !== undefined && Object.keys(baseline.performance).length > 0) {
      return { source: 'baseline', labelled: baseline.labelled, metrics: baseline.performance };
    }
    const minimum = version.monitors.performance.minimumLabels;
    const first = await loadPerformance(this.#options.db, version.name, version.version, minimum);
    if (first === undefined || first.startMs >= beforeMs) return undefined;
    return { source: 'live', labelled: first.labelled, metrics: first.metrics };
  }

  /** Scores windows again whose ground truth changed; true when there was one that was due. */
  async step(): Promise<boolean> {
    const { db, clock, versions, emit } = this.#options;
    let worked = false;
    for (const due of await dueRescores(db, rescoresPerStep)) {
      const key = `${due.model}/${due.version}/${due.startMs}/${due.endMs}`;
      if (clock() < (this.#notBefore.get(key) ?? 0)) continue;
      const watched = versions(due.model).find(one => one.version === due.version);
      if (watched === undefined) {
        await clearRescore(db, due);
        continue;
      }
      const startedMs = clock();
      const scored = await this.#scoreVersion(watched, due.startMs, due.endMs);
      const verdicts = await db.transaction().execute(async transaction => {
        await clearRescore(transaction, due);
        if (scored === undefined) return [];
        const hasChanged = await savePerformance(transaction, scored.record);
        if (!hasChanged) return [];
        const place = {
          model: due.model,
          version: due.version,
          windowStartMs: due.startMs,
          windowEndMs: due.endMs,
          judgedAtMs: clock(),
        };
        return saveVerdicts(transaction, place, scored.findings);
      });
      this.#rest(key, startedMs);
      emit(
        due.model,
        due.startMs,
        due.endMs,
        verdicts.filter(verdict => verdict.outcome === 'breached'),
      );
      worked = true;
    }
    return worked;
  }

  #rest(key: string, startedMs: number): void {
    const now = this.#options.clock();
    for (const [old, until] of this.#notBefore) if (until <= now) this.#notBefore.delete(old);
    this.#notBefore.set(key, now + Math.max(restMs, (now - startedMs) * costFactor));
  }
}
