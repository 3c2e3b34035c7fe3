import type { FaultCode } from '@holdfast/api';
import { type Cell, Histogram, type Labels, type MetricRegistry } from '../telemetry/index.ts';
import type { RunResult, RunTimes } from './batching/run-request.ts';
import { StatisticsBook } from './statistics.ts';

type FailureReason = 'REJECTED' | 'CANCELED' | 'BACKEND' | 'OTHER';
const failureReasons: readonly FailureReason[] = ['REJECTED', 'CANCELED', 'BACKEND', 'OTHER'];

/** The codes that the prediction path refuses with; others count as `internal`. */
const refusalCodes = [
  'bad_request',
  'too_large',
  'model_not_found',
  'version_not_found',
  'alias_not_found',
  'version_not_ready',
  'overloaded',
  'queue_timeout',
  'rate_limited',
  'deadline_exceeded',
  'runner_lost',
  'remote_unavailable',
  'draining',
  'starting',
  'inference_failed',
  'storage_full',
  'control_disabled',
  'load_failed',
  'internal',
] as const satisfies readonly FaultCode[];
const knownCodes: ReadonlySet<string> = new Set(refusalCodes);

function reasonOf(code: FaultCode): FailureReason {
  switch (code) {
    case 'inference_failed':
    case 'runner_lost':
    case 'remote_unavailable':
      return 'BACKEND';
    case 'internal':
      return 'OTHER';
    default:
      return 'REJECTED';
  }
}

/** Row bounds of the batch size histogram. Its family shows a millionth of what it is given, hence the factor. */
const batchBounds: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16_384];
const unit = 1e6;

/** The numbers of one version; bound once, so that the hot path only adds. */
export interface VersionMetrics {
  /** Latency of the requests answered since this was last called, microseconds. */
  takeRecent(): Histogram;
  requests: number;
  rows: number;
  errors: number;
  /** @param run undefined for a request without rows; `remembered` for an answer of the response cache */
  succeeded(rows: number, totalUs: number, run: RunResult | 'remembered' | undefined): void;
  /** An answer that the response cache did not have. */
  cacheMissed(totalUs: number): void;
  failed(code: FaultCode, totalUs: number): void;
  canceled(totalUs: number): void;
  executed(rows: number, times: RunTimes, nowMs: number): void;
  /** Mode auto of batching has learned this limit; undefined shows none. */
  limited(rows: number | undefined): void;
  /** One instance of the version was occupied by a batch for so long. */
  occupied(instance: number, ms: number): void;
  readonly statistics: StatisticsBook;
}

function declareTriton(registry: MetricRegistry) {
  const us = 'over all successful requests, in microseconds';
  return {
    success: registry.counter('nv_inference_request_success', 'Successful inference requests'),
    failure: registry.counter('nv_inference_request_failure', 'Failed inference requests, by reason'),
    count: registry.counter('nv_inference_count', 'Rows inferred'),
    executions: registry.counter('nv_inference_exec_count', 'Runs of the model, each of one batch'),
    request: registry.counter('nv_inference_request_duration_us', `Time inside the server ${us}`),
    queue: registry.counter('nv_inference_queue_duration_us', `Time in the queue ${us}`),
    input: registry.counter('nv_inference_compute_input_duration_us', `Time to build the batch ${us}`),
    infer: registry.counter('nv_inference_compute_infer_duration_us', `Time in the model ${us}`),
    output: registry.counter('nv_inference_compute_output_duration_us', `Time to take the batch apart ${us}`),
    cacheHits: registry.counter('nv_cache_num_hits_per_model', 'Requests answered by the response cache'),
    cacheMisses: registry.counter('nv_cache_num_misses_per_model', 'Requests that the response cache had no answer to'),
    cacheHit: registry.counter('nv_cache_hit_duration_per_model', 'Time of cache hits, in microseconds'),
    cacheMiss: registry.counter('nv_cache_miss_duration_per_model', 'Time of cache misses, in microseconds'),
    pending: registry.gauge('nv_inference_pending_request_count', 'Requests that wait for a free runner'),
  };
}

function declareOwn(registry: MetricRegistry) {
  return {
    request: registry.histogram('holdfast_request_duration_seconds', 'Time from the request to its answer'),
    queue: registry.histogram('holdfast_queue_duration_seconds', 'Time of a request in the queue'),
    infer: registry.histogram('holdfast_infer_duration_seconds', 'Time of a request in the model'),
    batch: registry.histogram('holdfast_batch_rows', 'Rows in one run of the model', batchBounds),
    batchLimit: registry.gauge('holdfast_batch_limit_rows', 'Rows in one run that batching in mode auto has learned'),
    instanceRuns: registry.counter('holdfast_runner_batches_total', 'Batches that one runner process of a version ran'),
    instanceBusy: registry.counter(
      'holdfast_runner_busy_seconds_total',
      'Time that one runner process of a version was occupied, in seconds',
    ),
    remoteUp: registry.gauge('holdfast_remote_up', 'Whether the server that a version lives on answers'),
    refusals: registry.counter('holdfast_refusals_total', 'Requests answered with an error, by code'),
  };
}

type TritonFamilies = ReturnType<typeof declareTriton>;
type OwnFamilies = ReturnType<typeof declareOwn>;

/** Counts what the prediction path does, under Triton's names (its users' dashboards read them) and our own. */
export class ServingMetrics {
  readonly #counters: TritonFamilies;
  readonly #own: OwnFamilies;
  /** How often a version is in use: a version that comes back while it still drains shares its numbers. */
  readonly #users = new Map<string, number>();

  constructor(registry: MetricRegistry) {
    this.#counters = declareTriton(registry);
    this.#own = declareOwn(registry);
    for (const code of refusalCodes) this.#own.refusals.labels({ code });
  }

  /** The cells of one version, all present at 0. */
  version(model: string, version: number): VersionMetrics {
    const labels: Labels = { model, version };
    const key = `${model}/${version}`;
    this.#users.set(key, (this.#users.get(key) ?? 0) + 1);
    const triton = this.#counters;
    const success = triton.success.labels(labels);
    const count = triton.count.labels(labels);
    const executions = triton.executions.labels(labels);
    const request = triton.request.labels(labels);
    const queue = triton.queue.labels(labels);
    const input = triton.input.labels(labels);
    const infer = triton.infer.labels(labels);
    const output = triton.output.labels(labels);
    const cacheHits = triton.cacheHits.labels(labels);
    const cacheMisses = triton.cacheMisses.labels(labels);
    const cacheHit = triton.cacheHit.labels(labels);
    const cacheMiss = triton.cacheMiss.labels(labels);
    triton.pending.labels(labels);
    const failures = new Map<FailureReason, Cell>(
      failureReasons.map(reason => [reason, triton.failure.labels({ ...labels, reason })]),
    );
    const requestSeconds = this.#own.request.labels(labels);
    const queueSeconds = this.#own.queue.labels(labels);
    const inferSeconds = this.#own.infer.labels(labels);
    const batchRows = this.#own.batch.labels(labels);
    const { batchLimit, instanceRuns, instanceBusy } = this.#own;
    const instances = new Map<number, { readonly runs: Cell; readonly busy: Cell }>();
    let recent = new Histogram();
    const statistics = new StatisticsBook();
    const metrics: VersionMetrics = {
      statistics,
      requests: 0,
      rows: 0,
      errors: 0,
      takeRecent() {
        const taken = recent;
        recent = new Histogram();
        return taken;
      },
      succeeded(rows, totalUs, run) {
        metrics.requests++;
        metrics.rows += rows;
        recent.record(totalUs);
        statistics.succeeded(rows, totalUs, run);
        success.add();
        request.add(Math.round(totalUs));
        requestSeconds.record(totalUs);
        if (run === 'remembered') {
          cacheHits.add();
          cacheHit.add(Math.round(totalUs));
          return;
        }
        count.add(rows);
        if (run === undefined) return;
        queue.add(Math.round(run.queueUs));
        input.add(Math.round(run.joinUs));
        infer.add(Math.round(run.inferUs));
        output.add(Math.round(run.splitUs));
        queueSeconds.record(run.queueUs);
        inferSeconds.record(run.inferUs);
      },
      cacheMissed(totalUs) {
        cacheMisses.add();
        cacheMiss.add(Math.round(totalUs));
        statistics.cacheMissed(totalUs);
      },
      failed(code, totalUs) {
        metrics.requests++;
        statistics.failed(totalUs);
        metrics.errors++;
        failures.get(reasonOf(code))?.add();
      },
      canceled(totalUs) {
        metrics.requests++;
        statistics.failed(totalUs);
        failures.get('CANCELED')?.add();
      },
      executed(rows, times, nowMs) {
        executions.add();
        statistics.executed(rows, times, nowMs);
        batchRows.record(rows * unit);
      },
      occupied(instance, ms) {
        let cells = instances.get(instance);
        if (cells === undefined) {
          const own = { ...labels, instance };
          cells = { runs: instanceRuns.labels(own), busy: instanceBusy.labels(own) };
          instances.set(instance, cells);
        }
        cells.runs.add();
        cells.busy.add(ms / 1000);
      },
      limited(limit) {
        if (limit === undefined) batchLimit.remove(labels);
        else batchLimit.labels(labels).set(limit);
      },
    };
    return metrics;
  }

  pending(model: string, version: number, requests: number): void {
    this.#counters.pending.labels({ model, version }).set(requests);
  }

  remote(model: string, version: number, isUp: boolean): void {
    this.#own.remoteUp.labels({ model, version }).set(isUp ? 1 : 0);
  }

  /** Forgets a version that is no longer routed. */
  remove(model: string, version: number): void {
    const labels: Labels = { model, version };
    const key = `${model}/${version}`;
    const users = (this.#users.get(key) ?? 1) - 1;
    this.#users.set(key, users);
    if (users > 0) return;
    this.#users.delete(key);
    for (const family of Object.values(this.#counters)) family.remove(labels);
    const { refusals: _, ...ofVersion } = this.#own;
    for (const family of Object.values(ofVersion)) family.remove(labels);
  }

  refused(code: FaultCode): void {
    this.#own.refusals.labels({ code: knownCodes.has(code) ? code : 'internal' }).add();
  }
}
