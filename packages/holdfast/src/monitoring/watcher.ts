import { type LiveEvent, parseModelName } from '@holdfast/api';
import type { ErrorChunk, LogChunk, LogFollower, PredictionChunk, Watermarks } from '../predlog/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { GroundTruth } from './ground-truth.ts';
import { Judge } from './judge.ts';
import { ModelEntry } from './model-entry.ts';
import type { MonitoredModel } from './monitored-model.ts';
import { loadProgress, nextReferenceId, saveProgress, type WatchDatabase } from './store/watch-store.ts';

/** Follows the prediction log and keeps everything that is derived from it. */
export interface Watcher extends AsyncDisposable {
  /** Reads what is new, stores it, judges what closed; true when there was something to do. */
  step(): Promise<boolean>;
  /** Segments whose every byte is consumed and stored, to be sealed. */
  readonly consumed: Watermarks;
}

export interface WatcherOptions {
  readonly db: WatchDatabase;
  /** Opens the log behind the given progress. */
  readonly follow: (from: Watermarks) => LogFollower;
  readonly truth: GroundTruth;
  /** All versions to watch, as they are now. */
  readonly models: () => readonly MonitoredModel[];
  /** Wall clock, ms since epoch. */
  readonly clock: () => number;
  readonly log: Log;
  readonly emit: (event: Extract<LiveEvent, { kind: 'window' }>) => void;
  /** Seed of the draws that thresholds are learned with. @default 1 */
  readonly seed?: number;
  /** How long to wait when there was nothing to do. @default 500 */
  readonly pollMs?: number;
}

/** A chunk of a version nobody told us about waits this long for its registration to arrive. */
const unknownPatienceMs = 5000;

/** Reads the stored progress and makes a watcher that moves only when it is stepped. */
export async function openWatcher(options: WatcherOptions): Promise<Watcher> {
  const follower = options.follow(await loadProgress(options.db));
  const nextId = await nextReferenceId(options.db);
  return new LogWatcher(options, follower, nextId);
}

class LogWatcher implements Watcher {
  readonly #options: WatcherOptions;
  #follower: LogFollower;
  #nextId: number;
  #models: readonly MonitoredModel[] = [];
  #entries = new Map<string, ModelEntry>();
  /** Chunks read but not yet stored, because their version is not known. */
  #waiting: readonly LogChunk[] = [];
  #waitingSinceMs: number | undefined;
  #consumed: Watermarks;
  readonly #judge: Judge;

  constructor(options: WatcherOptions, follower: LogFollower, nextId: number) {
    this.#options = options;
    this.#follower = follower;
    this.#consumed = follower.watermarks;
    this.#nextId = nextId;
    this.#judge = new Judge({
      db: options.db,
      truth: options.truth,
      clock: options.clock,
      seed: options.seed ?? 1,
      entry: model => this.#entries.get(model),
      versions: model => this.#models.filter(version => version.name === model),
      emit: (model, windowStartMs, windowEndMs, breaches) =>
        options.emit({
          kind: 'window',
          model: parseModelName(model),
          windowStartMs,
          windowEndMs,
          breaches: [...breaches],
        }),
    });
  }

  get consumed(): Watermarks {
    return this.#consumed;
  }

  async step(): Promise<boolean> {
    try {
      await this.#refreshModels();
      const read = await this.#ingest();
      const judged = await this.#judge.step();
      return read || judged;
    } catch (error) {
      await this.#startOver();
      throw error;
    }
  }

  /** Forgets what is in memory and not stored: the log is read again from where the database stands. */
  async #startOver(): Promise<void> {
    this.#entries.clear();
    this.#models = [];
    this.#waiting = [];
    const progress = await loadProgress(this.#options.db);
    this.#follower = this.#options.follow(progress);
    this.#consumed = progress;
    this.#nextId = await nextReferenceId(this.#options.db);
  }

  async #refreshModels(): Promise<void> {
    const models = this.#options.models();
    if (models === this.#models) return;
    const byName = Map.groupBy(models, version => version.name);
    const before = Map.groupBy(this.#models, version => version.name);
    for (const [name, versions] of byName) {
      if (this.#entries.has(name) && isSame(versions, before.get(name) ?? [])) continue;
      this.#entries.set(name, await ModelEntry.load(this.#options.db, versions, () => this.#nextId++));
    }
    for (const name of this.#entries.keys()) if (!byName.has(name)) this.#entries.delete(name);
    this.#models = models;
  }

  /** Reads new chunks and stores what they change, with the progress, in one transaction. */
  async #ingest(): Promise<boolean> {
    const { db, clock, truth } = this.#options;
    const isRetry = this.#waiting.length > 0;
    const chunks = isRetry ? this.#waiting : await this.#follower.readNew();
    if (this.#mustWait(chunks)) return false;
    for (const chunk of chunks) this.#add(chunk);
    const isCaughtUp = chunks.length === 0;
    if (isCaughtUp) for (const entry of this.#entries.values()) entry.watch.tick(clock());
    const watermarks = this.#follower.watermarks;
    await db.transaction().execute(async transaction => {
      for (const entry of this.#entries.values()) await entry.save(transaction);
      if (isCaughtUp) return;
      const spans = await truth.join(transaction, chunks);
      await this.#judge.markForScoring(transaction, spans);
      await saveProgress(transaction, watermarks);
    });
    this.#consumed = watermarks;
    this.#waiting = [];
    this.#waitingSinceMs = undefined;
    return !isCaughtUp;
  }

  #mustWait(chunks: readonly LogChunk[]): boolean {
    const unknown = chunks.find(chunk => chunk.kind === 'predictions' && !this.#isKnown(chunk));
    if (unknown === undefined) return false;
    const now = this.#options.clock();
    this.#waitingSinceMs ??= now;
    this.#waiting = chunks;
    return now - this.#waitingSinceMs < unknownPatienceMs;
  }

  #isKnown(chunk: PredictionChunk): boolean {
    return this.#entries.get(chunk.model)?.version(chunk.version) !== undefined;
  }

  #add(chunk: LogChunk): void {
    if (chunk.kind === 'predictions') this.#addPredictions(chunk);
    else if (chunk.kind === 'errors') this.#addErrors(chunk);
  }

  #addPredictions(chunk: PredictionChunk): void {
    const entry = this.#entries.get(chunk.model);
    const watched = entry?.version(chunk.version);
    if (entry === undefined || watched === undefined) {
      this.#options.log.warn({ model: chunk.model, version: chunk.version, rows: chunk.rows }, 'watch.unknown_version');
      return;
    }
    const wasLearning = watched.learning !== undefined;
    entry.watch.addPredictions(chunk, watched);
    entry.changed(wasLearning ? chunk.version : undefined);
  }

  #addErrors(chunk: ErrorChunk): void {
    for (const count of chunk.counts) {
      const entry = this.#entries.get(count.model);
      if (entry === undefined) continue;
      entry.watch.addErrors(count);
      entry.changed();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#entries.clear();
  }
}

function isSame(a: readonly MonitoredModel[], b: readonly MonitoredModel[]): boolean {
  return (
    a.length === b.length &&
    a.every((one, i) => {
      const other = b[i]!;
      return (
        one.version === other.version &&
        JSON.stringify(one.monitors) === JSON.stringify(other.monitors) &&
        JSON.stringify(one.baseline) === JSON.stringify(other.baseline) &&
        JSON.stringify(one.signature) === JSON.stringify(other.signature)
      );
    })
  );
}

/**
 * Runs a watcher until it is disposed: at once again while there is work, otherwise after a pause. An error is logged
 * and what was in memory is rebuilt from the database.
 */
export async function startWatcher(options: WatcherOptions): Promise<Watcher> {
  const watcher = await openWatcher(options);
  const stop = new AbortController();
  const running = run(watcher, options, stop.signal);
  return {
    step: () => watcher.step(),
    get consumed() {
      return watcher.consumed;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await watcher[Symbol.asyncDispose]();
    },
  };
}

async function run(watcher: Watcher, options: WatcherOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    let isBusy = false;
    try {
      isBusy = await watcher.step();
    } catch (error) {
      options.log.error({ error }, 'watch.step_failed');
    }
    await pause(isBusy ? 0 : (options.pollMs ?? 500), signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const wake = (): void => {
    clearTimeout(timer);
    resolve();
  };
  signal.addEventListener('abort', wake, { once: true });
  return promise.finally(() => signal.removeEventListener('abort', wake));
}
