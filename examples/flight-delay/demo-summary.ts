import type { Alert, Status } from '@holdfast/api';
import type { FlightGroup } from './flight-groups.ts';
import { laterMonths } from './months.ts';
import { day, type Narrator, percentile } from './narrator.ts';
import type { ReplayProgress } from './replay.ts';
import { ScoredFlights } from './scored-flights.ts';

/** What a run of the demo showed, for programs; times are ISO dates, latencies milliseconds. */
export interface DemoSummary {
  readonly predictions: number;
  readonly requests: number;
  readonly labels: number;
  readonly retries: number;
  readonly seconds: number;
  readonly predictionsPerSecond: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** Computed here from the served probabilities, beside what the model scores when it is run directly. */
  readonly months: readonly MonthSummary[];
  /** Computed by the server from the labels it was sent. */
  readonly weeks: readonly { readonly start: string; readonly predictions: number; readonly auc: number }[];
  readonly driftedWindows: Readonly<Record<string, number>>;
  readonly alerts: readonly {
    readonly title: string;
    readonly monitor: string;
    readonly state: string;
    readonly since: string;
    readonly sentences: readonly string[];
  }[];
  readonly recording: Status['recording'];
}

export interface MonthSummary {
  readonly month: string;
  readonly flights: number;
  readonly latePercent: number;
  readonly auc: number;
  readonly expectedLatePercent: number;
  readonly expectedAuc: number;
}

/** Scores the served answers month by month. */
export class MonthScores {
  readonly #scored = laterMonths.map(month => ({ month, flights: new ScoredFlights() }));

  add({ flights }: FlightGroup, late: Float32Array): void {
    for (let row = 0; row < flights.rows; row++) {
      const departedMs = flights.departedMs[row]!;
      const scored = this.#scored.find(({ month }) => departedMs >= month.fromMs && departedMs < month.untilMs);
      scored?.flights.add(late[row]!, flights.late[row]!);
    }
  }

  summary(): readonly MonthSummary[] {
    return this.#scored
      .filter(({ flights }) => flights.rows > 0)
      .map(({ month, flights }) => ({
        month: month.name,
        flights: flights.rows,
        latePercent: rounded(100 * flights.lateShare, 1),
        auc: rounded(flights.areaUnderCurve(), 4),
        expectedLatePercent: rounded(100 * month.lateShare, 1),
        expectedAuc: month.auc,
      }));
  }
}

export interface DemoOutcome {
  readonly progress: ReplayProgress;
  readonly latencies: readonly number[];
  readonly seconds: number;
  readonly months: MonthScores;
  readonly narrator: Narrator;
  readonly alerts: readonly Alert[];
  readonly recording: Status['recording'];
}

export function summaryOf(outcome: DemoOutcome): DemoSummary {
  const { progress, latencies, seconds, months, narrator, alerts, recording } = outcome;
  return {
    predictions: progress.rows,
    requests: progress.requests,
    labels: progress.labels,
    retries: progress.retries,
    seconds: rounded(seconds, 1),
    predictionsPerSecond: Math.round(progress.rows / seconds),
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    months: months.summary(),
    weeks: narrator.weeks.map(week => ({ start: day(week.startMs), predictions: week.predictions, auc: week.auc })),
    driftedWindows: Object.fromEntries(narrator.drifted),
    alerts: alerts.map(({ title, monitor, state, sinceMs, sentences }) => ({
      title,
      monitor,
      state,
      since: day(sinceMs),
      sentences,
    })),
    recording,
  };
}

/** The summary for people. */
export function summaryText(summary: DemoSummary): string {
  const count = (value: number): string => value.toLocaleString('en-US');
  const ms = (value: number | undefined): string => (value === undefined ? '-' : `${value.toFixed(1)} ms`);
  const months = summary.months.map(
    ({ month, flights, latePercent, auc }) =>
      `  ${month.padEnd(9)} ${count(flights).padStart(8)} flights  ${latePercent.toFixed(1)} % late  AUC ${auc.toFixed(4)}`,
  );
  const drifted = Object.entries(summary.driftedWindows).map(([column, windows]) => `${column} (${windows} windows)`);
  return [
    `${count(summary.predictions)} predictions in ${summary.seconds} s: ${count(summary.predictionsPerSecond)} per second, ` +
      `p50 ${ms(summary.p50Ms)}, p99 ${ms(summary.p99Ms)}`,
    ...months,
    `drifted: ${drifted.join(', ') || 'nothing'}`,
    `alerts: ${summary.alerts.map(alert => `${alert.title} (${alert.since}, ${alert.state})`).join('; ') || 'none'}`,
    `recorded: ${count(summary.recording.recordedTotal)} predictions, ${count(summary.recording.droppedTotal)} dropped, ` +
      `${count(summary.recording.labelsTotal)} labels`,
  ].join('\n');
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
