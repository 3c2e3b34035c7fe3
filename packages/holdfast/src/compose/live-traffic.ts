import type { LiveTraffic, RecordingStatus } from '@holdfast/api';
import type { GatewayReport, ServingCounts } from '../serving/index.ts';
import { Histogram } from '../telemetry/index.ts';

const windowMs = 10_000;
const quiet: LiveTraffic = { requestsPerSecond: 0, rowsPerSecond: 0, errorsPerSecond: 0, p50Ms: null, p99Ms: null };

interface Sample {
  readonly atMs: number;
  readonly model: string;
  readonly requests: number;
  readonly rows: number;
  readonly errors: number;
  readonly latency: ServingCounts['latency'];
  readonly latencySum: number;
}

function toMs(microseconds: number | undefined): number | null {
  return microseconds === undefined ? null : microseconds / 1000;
}

/** What the gateways measured in the last ten seconds, per model, and what they recorded since the start. */
export class LiveTrafficMeter {
  readonly #now: () => number;
  /** Totals of the last report, per gateway process and model version. */
  readonly #last = new Map<string, ServingCounts>();
  readonly #recording = new Map<string, GatewayReport>();
  /** What gateways that ended had recorded. */
  #ended = { recordedTotal: 0, droppedTotal: 0, labelsTotal: 0 };
  #samples: Sample[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param gateway name of the gateway process */
  report(gateway: string, report: GatewayReport): void {
    const atMs = this.#now();
    this.#recording.set(gateway, report);
    for (const counts of report.counts) {
      const key = `${gateway} ${counts.model} ${counts.version}`;
      const before = this.#last.get(key);
      this.#last.set(key, counts);
      this.#samples.push({
        atMs,
        model: counts.model,
        requests: counts.requests - (before?.requests ?? 0),
        rows: counts.rows - (before?.rows ?? 0),
        errors: counts.errors - (before?.errors ?? 0),
        latency: counts.latency,
        latencySum: counts.latencySum,
      });
    }
    this.#samples = this.#samples.filter(sample => sample.atMs > atMs - windowMs);
  }

  /** The gateway process ended; its successor counts from zero. */
  forget(gateway: string): void {
    const report = this.#recording.get(gateway);
    if (report !== undefined) {
      this.#ended = {
        recordedTotal: this.#ended.recordedTotal + report.recordedTotal,
        droppedTotal: this.#ended.droppedTotal + report.droppedTotal,
        labelsTotal: this.#ended.labelsTotal + report.labelsTotal,
      };
      this.#recording.delete(gateway);
    }
    for (const key of this.#last.keys()) if (key.startsWith(`${gateway} `)) this.#last.delete(key);
  }

  of(model: string): LiveTraffic {
    const since = this.#now() - windowMs;
    const samples = this.#samples.filter(sample => sample.model === model && sample.atMs > since);
    if (samples.length === 0) return quiet;
    const latency = new Histogram();
    const total = { requests: 0, rows: 0, errors: 0 };
    for (const sample of samples) {
      total.requests += sample.requests;
      total.rows += sample.rows;
      total.errors += sample.errors;
      latency.merge(Histogram.fromSparse(sample.latency, sample.latencySum));
    }
    const seconds = windowMs / 1000;
    return {
      requestsPerSecond: total.requests / seconds,
      rowsPerSecond: total.rows / seconds,
      errorsPerSecond: total.errors / seconds,
      p50Ms: toMs(latency.quantile(0.5)),
      p99Ms: toMs(latency.quantile(0.99)),
    };
  }

  recording(): RecordingStatus {
    const total = { ...this.#ended };
    let lastSyncedMs: number | null = null;
    for (const report of this.#recording.values()) {
      total.recordedTotal += report.recordedTotal;
      total.droppedTotal += report.droppedTotal;
      total.labelsTotal += report.labelsTotal;
      if (report.lastSyncedMs !== null) lastSyncedMs = Math.max(lastSyncedMs ?? 0, report.lastSyncedMs);
    }
    return { ...total, lastSyncedMs };
  }
}
