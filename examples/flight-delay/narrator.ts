import type { Alert, LiveEvent, PerformancePoint, PerformanceResponse, Verdict } from '@holdfast/api';
import type { ReplayProgress } from './replay.ts';

const dayMs = 86_400_000;
/** The longest flight lands within half a day, so a week's labels are complete by then. */
const labelDelayMs = dayMs / 2;

/** A week of answers with its ground truth. */
export interface Week {
  readonly startMs: number;
  readonly predictions: number;
  readonly labelled: number;
  readonly auc: number;
  /** Columns that drifted, with the number of windows in which they did, most often first. */
  readonly drifted: readonly (readonly [column: string, windows: number])[];
}

/** Turns what the server reports into sentences, each told once. */
export class Narrator {
  readonly #driftedWindows = new Map<number, readonly string[]>();
  readonly #alerts = new Map<string, Alert['state']>();
  readonly #weeks = new Map<number, Week>();

  /** Weeks told so far, in order. */
  get weeks(): readonly Week[] {
    return [...this.#weeks.values()];
  }

  /** Columns and the number of windows in which each drifted, most often first. */
  get drifted(): readonly (readonly [column: string, windows: number])[] {
    return countedColumns([...this.#driftedWindows.values()]);
  }

  /** What a live event means: nothing for most of them. */
  hear(event: LiveEvent): readonly string[] {
    if (event.kind === 'window') return this.#hearWindow(event.windowStartMs, event.breaches);
    if (event.kind === 'alert') return this.hearAlert(event.alert);
    return [];
  }

  /** Why an alert fires, and when it is over. */
  hearAlert(alert: Alert): readonly string[] {
    const before = this.#alerts.get(alert.id);
    if (before === alert.state) return [];
    this.#alerts.set(alert.id, alert.state);
    if (alert.state === 'firing') {
      return [
        `${day(alert.lastWindowMs)}  ALERT ${alert.severity}: ${alert.title}`,
        ...alert.sentences.slice(0, 3).map(sentence => `              ${sentence}`),
      ];
    }
    if (alert.state === 'resolved' && before === 'firing')
      return [`${day(alert.lastWindowMs)}  resolved: ${alert.title}`];
    return [];
  }

  /** Weeks whose ground truth is complete at an event time. */
  hearPerformance(performance: PerformanceResponse, eventMs: number): readonly string[] {
    const lines: string[] = [];
    for (const point of performance.points) {
      const isComplete = point.windowEndMs + labelDelayMs <= eventMs && point.labelled >= 0.99 * point.predictions;
      const auc = point.metrics.roc_auc;
      if (!isComplete || auc === undefined || this.#weeks.has(point.windowStartMs)) continue;
      const week = this.#weekOf(point, auc);
      this.#weeks.set(point.windowStartMs, week);
      lines.push(weekLine(week, point.windowEndMs, performance.baseline.roc_auc));
    }
    return lines;
  }

  #hearWindow(startMs: number, breaches: readonly Verdict[]): readonly string[] {
    const drifted = breaches.filter(isDrift);
    if (drifted.length === 0) {
      this.#driftedWindows.delete(startMs);
      return [];
    }
    const known = new Set(this.drifted.map(([column]) => column));
    this.#driftedWindows.set(
      startMs,
      drifted.map(verdict => verdict.subject),
    );
    return drifted
      .filter(verdict => !known.has(verdict.subject))
      .map(verdict => `${day(startMs)}  drift: ${verdict.sentence}`);
  }

  #weekOf(point: PerformancePoint, auc: number): Week {
    const windows = [...this.#driftedWindows]
      .filter(([startMs]) => startMs >= point.windowStartMs && startMs < point.windowEndMs)
      .map(([, columns]) => columns);
    const { predictions, labelled } = point;
    return { startMs: point.windowStartMs, predictions, labelled, auc, drifted: countedColumns(windows) };
  }
}

/** How fast the last seconds were. @param latencies milliseconds of the requests answered in them */
export function paceLine(progress: ReplayProgress, rowsPerSecond: number, latencies: readonly number[]): string {
  const p99 = percentile(latencies, 0.99);
  const latency = p99 === undefined ? '' : `, p99 ${p99.toFixed(1)} ms`;
  const rate = Math.round(rowsPerSecond).toLocaleString('en-US');
  return `${day(progress.eventMs)}  ${rate} predictions/s${latency}, ${progress.labels.toLocaleString('en-US')} labels`;
}

/** The smallest value that a share of the values does not exceed; undefined without values. */
export function percentile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)];
}

export function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function isDrift(verdict: Verdict): boolean {
  return verdict.monitor === 'data-drift' || verdict.monitor === 'prediction-drift';
}

function countedColumns(windows: readonly (readonly string[])[]): readonly (readonly [string, number])[] {
  const counts = new Map<string, number>();
  for (const columns of windows) for (const column of columns) counts.set(column, (counts.get(column) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

function weekLine(week: Week, endMs: number, january: number | undefined): string {
  const than = january === undefined ? '' : ` (January ${january.toFixed(4)})`;
  const most = week.drifted.slice(0, 4).map(([column, windows]) => `${column} ${windows}x`);
  const drift = most.length === 0 ? 'no drift' : `drift in ${most.join(', ')}`;
  return `${day(week.startMs)}  week until ${day(endMs)}: AUC ${week.auc.toFixed(4)}${than}, ${drift}`;
}
