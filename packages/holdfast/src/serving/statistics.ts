import type { RunResult, RunTimes } from './batching/run-request.ts';

/** How often something happened, and how long it took in total. */
export interface StatisticDuration {
  readonly count: number;
  readonly ns: number;
}

/** Runs of the model with the same number of rows. */
export interface BatchStatistics {
  readonly batchSize: number;
  readonly computeInput: StatisticDuration;
  readonly computeInfer: StatisticDuration;
  readonly computeOutput: StatisticDuration;
}

/** What one version did since the gateways started; the counts are those of the `nv_inference_*` metrics. */
export interface VersionStatistics {
  readonly model: string;
  readonly version: number;
  /** Wall clock, ms since epoch; 0 when there was none. */
  readonly lastInferenceMs: number;
  /** Rows answered. */
  readonly inferenceCount: number;
  /** Runs of the model. */
  readonly executionCount: number;
  readonly success: StatisticDuration;
  readonly fail: StatisticDuration;
  readonly queue: StatisticDuration;
  readonly computeInput: StatisticDuration;
  readonly computeInfer: StatisticDuration;
  readonly computeOutput: StatisticDuration;
  /** Answers of the response cache, and requests that it had none for. */
  readonly cacheHit: StatisticDuration;
  readonly cacheMiss: StatisticDuration;
  readonly batches: readonly BatchStatistics[];
}

class Sum {
  count = 0;
  #us = 0;

  add(us: number): void {
    this.count++;
    this.#us += us;
  }

  total(): StatisticDuration {
    return { count: this.count, ns: Math.round(this.#us * 1000) };
  }
}

class RunSums {
  readonly input = new Sum();
  readonly infer = new Sum();
  readonly output = new Sum();

  add({ joinUs, inferUs, splitUs }: RunTimes): void {
    this.input.add(joinUs);
    this.infer.add(inferUs);
    this.output.add(splitUs);
  }
}

/** Batch sizes told apart; a run of a size beyond these is counted in all numbers but theirs. */
const mostBatchSizes = 1024;

/** Adds up the statistics of one version. */
export class StatisticsBook {
  #lastInferenceMs = 0;
  #rows = 0;
  #executions = 0;
  readonly #success = new Sum();
  readonly #fail = new Sum();
  readonly #queue = new Sum();
  readonly #cacheHit = new Sum();
  readonly #cacheMiss = new Sum();
  readonly #runs = new RunSums();
  readonly #batches = new Map<number, RunSums>();

  /** @param run undefined for a request without rows, which no model ran; `remembered` for one that the cache answered */
  succeeded(rows: number, totalUs: number, run: RunResult | 'remembered' | undefined): void {
    this.#success.add(totalUs);
    if (run === 'remembered') {
      this.#cacheHit.add(totalUs);
      return;
    }
    this.#rows += rows;
    if (run === undefined) return;
    this.#queue.add(run.queueUs);
    this.#runs.add(run);
  }

  cacheMissed(totalUs: number): void {
    this.#cacheMiss.add(totalUs);
  }

  failed(totalUs: number): void {
    this.#fail.add(totalUs);
  }

  executed(rows: number, times: RunTimes, nowMs: number): void {
    this.#executions++;
    this.#lastInferenceMs = nowMs;
    let sums = this.#batches.get(rows);
    if (sums === undefined) {
      if (this.#batches.size >= mostBatchSizes) return;
      sums = new RunSums();
      this.#batches.set(rows, sums);
    }
    sums.add(times);
  }

  read(model: string, version: number): VersionStatistics {
    return {
      model,
      version,
      lastInferenceMs: this.#lastInferenceMs,
      inferenceCount: this.#rows,
      executionCount: this.#executions,
      success: this.#success.total(),
      fail: this.#fail.total(),
      queue: this.#queue.total(),
      computeInput: this.#runs.input.total(),
      computeInfer: this.#runs.infer.total(),
      computeOutput: this.#runs.output.total(),
      cacheHit: this.#cacheHit.total(),
      cacheMiss: this.#cacheMiss.total(),
      batches: [...this.#batches]
        .toSorted(([a], [b]) => a - b)
        .map(([batchSize, { input, infer, output }]) => ({
          batchSize,
          computeInput: input.total(),
          computeInfer: infer.total(),
          computeOutput: output.total(),
        })),
    };
  }
}

function plus(a: StatisticDuration, b: StatisticDuration): StatisticDuration {
  return { count: a.count + b.count, ns: a.ns + b.ns };
}

function sumOfBatches(all: readonly BatchStatistics[]): BatchStatistics[] {
  const sizes = new Map<number, BatchStatistics>();
  for (const one of all) {
    const before = sizes.get(one.batchSize);
    sizes.set(
      one.batchSize,
      before === undefined
        ? one
        : {
            batchSize: one.batchSize,
            computeInput: plus(before.computeInput, one.computeInput),
            computeInfer: plus(before.computeInfer, one.computeInfer),
            computeOutput: plus(before.computeOutput, one.computeOutput),
          },
    );
  }
  return [...sizes.values()].toSorted((a, b) => a.batchSize - b.batchSize);
}

/** The statistics of several gateways as those of one. */
export function sumOfStatistics(all: readonly VersionStatistics[]): VersionStatistics[] {
  const versions = new Map<string, VersionStatistics>();
  for (const one of all) {
    const key = `${one.model}/${one.version}`;
    const before = versions.get(key);
    versions.set(
      key,
      before === undefined
        ? one
        : {
            model: one.model,
            version: one.version,
            lastInferenceMs: Math.max(before.lastInferenceMs, one.lastInferenceMs),
            inferenceCount: before.inferenceCount + one.inferenceCount,
            executionCount: before.executionCount + one.executionCount,
            success: plus(before.success, one.success),
            fail: plus(before.fail, one.fail),
            queue: plus(before.queue, one.queue),
            computeInput: plus(before.computeInput, one.computeInput),
            computeInfer: plus(before.computeInfer, one.computeInfer),
            computeOutput: plus(before.computeOutput, one.computeOutput),
            cacheHit: plus(before.cacheHit, one.cacheHit),
            cacheMiss: plus(before.cacheMiss, one.cacheMiss),
            batches: sumOfBatches([...before.batches, ...one.batches]),
          },
    );
  }
  return [...versions.values()];
}
