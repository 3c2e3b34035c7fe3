import { type LiveEvent, parseModelName } from '@holdfast/api';
import { type ErrorChunk, isConsumed, type LogChunk, type PredictionChunk, type Watermarks } from '../predlog/index.ts';
import type { Log } from '../telemetry/index.ts';
import type { ChunkSource, GroundTruth, TruthSpan } from './ground-truth.ts';
import { Judge } from './judge.ts';
import { ModelEntry } from './model-entry.ts';
import type { MonitoredModel } from './monitored-model.ts';
import { nextReferenceId } from './store/reference-store.ts';
import { forgetModel, minutesKeptMs, removeBefore, rollUpMinutes } from './store/upkeep.ts';
import { loadProgress, pruneProgress, saveProgress, type WatchDatabase } from './store/watch-store.ts';

/** Follows the prediction log and keeps everything that is derived from it. */
export interface Watcher extends AsyncDisposable {
  /** Reads what is new, stores what follows from it, judges what closed; true when there was something to do. */
  step(): Promise<boolean>;
}

export interface WatcherOptions {
  readonly db: WatchDatabase;
  readonly follower: ChunkSource;
  readonly truth: GroundTruth;
  /** All versions to watch, as they are now; a changed list is a new array. */
  readonly models: () => readonly MonitoredModel[];
  /** Wall clock, ms since epoch. */
  readonly clock: () => number;
  readonly log: Log;
  readonly emit: (event: Extract<LiveEvent, { kind: 'window' }>) => void;
  /** Seed of the draws that thresholds are learned with. @default 1 */
  readonly seed?: number;
  /** How long to wait when there was nothing to do. @default 500 */
  readonly pollMs?: number;
  /** How often finished segments are sealed. @default 5 s */
  readonly sealEveryMs?: number;
  /** How often sealed files are tidied. @default 1 min */
  readonly tidyEveryMs?: number;
  /** What was derived from event times so far behind a model's latest is removed. @default 400 days */
  readonly retentionMs?: number;
  /**
   * Whether a segment that the follower does not have will never come. Where other machines record too it may only be
   * out of reach, and how far it was read must be remembered. @default always true
   */
  readonly isGone?: (segment: string) => boolean;
}

/** A chunk of a version nobody told us about waits this long for its registration to arrive. */
const unknownPatienceMs = 5000;
/** Memory for minutes that are not stored yet is bounded by this many: sparse event times touch many of them. */
const mostUnsavedMinutes = 1000;
const rollUpEveryMs = 2000;
const dayMs = 86_400_000;

/** Reads the stored progress and makes a watcher that moves only when it is stepped. */
export async function openWatcher(options: WatcherOptions): Promise<Watcher> {
  return new LogWatcher(options, await loadProgress(options.db), await nextReferenceId(options.db));
}

class LogWatcher implements Watcher {
  readonly #options: WatcherOptions;
  readonly #judge: Judge;
  #nextId: number;
  #models: readonly MonitoredModel[] = [];
  readonly #entries = new Map<string, ModelEntry>();
  /** What the database was derived from. */
  #progress: Watermarks;
  /** Chunks that the history has and the database does not yet. */
  #pending: readonly LogChunk[] = [];
  /** Where ground truth changed and the database does not say so yet. */
  #spans: readonly TruthSpan[] = [];
  #unknownSinceMs: number | undefined;
  /** Versions that were waited for in vain. */
  readonly #strangers = new Set<string>();
  /** Chunks that could not be counted, by place. */
  readonly #uncountable = new Set<string>();
  #sealedMs: number;
  #tidiedMs: number;
  #rolledMs = Number.NEGATIVE_INFINITY;

  constructor(options: WatcherOptions, progress: Watermarks, nextId: number) {
    this.#options = options;
    this.#progress = progress;
    this.#nextId = nextId;
    this.#sealedMs = options.clock();
    this.#tidiedMs = options.clock();
    this.#judge = new Judge({
      db: options.db,
      truth: options.truth,
      clock: options.clock,
      log: options.log,
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

  async step(): Promise<boolean> {
    try {
      await this.#refreshModels();
      const read = await this.#readOn();
      const judged = await this.#judge.step();
      await this.#keepHouse();
      return read || judged;
    } catch (error) {
      await this.#forget();
      throw error;
    }
  }

  /** Drops what is in memory and not stored; the next step starts from the database, and from the pending chunks. */
  async #forget(): Promise<void> {
    this.#entries.clear();
    this.#models = [];
    this.#progress = await loadProgress(this.#options.db);
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
    for (const name of before.keys()) if (!byName.has(name)) await forgetModel(this.#options.db, name);
    this.#models = models;
    this.#strangers.clear();
  }

  /** Reads new chunks and stores what follows from them, with the progress, in one transaction. */
  async #readOn(): Promise<boolean> {
    const { truth, follower, clock, isGone = () => true } = this.#options;
    if (this.#pending.length === 0) {
      const chunks = await follower.readNew();
      await truth.ingest(chunks);
      this.#pending = chunks;
    }
    const fresh = this.#pending.filter(chunk => !isConsumed(this.#progress, chunk.place));
    if (this.#mustWait(fresh)) return false;
    const isCaughtUp = this.#pending.length === 0;
    // Also when nothing new was read: a label by key waits for its next comparison with older predictions.
    this.#spans = [...this.#spans, ...(await truth.matchNew())];
    for (const [i, chunk] of fresh.entries()) {
      this.#add(chunk);
      const unsaved = this.#entries.values().reduce((sum, entry) => sum + entry.watch.unsavedMinutes, 0);
      if (unsaved >= mostUnsavedMinutes) await this.#store(furthest(this.#progress, fresh.slice(0, i + 1)));
    }
    if (isCaughtUp) {
      for (const entry of this.#entries.values()) entry.watch.tick(clock());
      // Once everything was read, a segment that the follower does not have is gone.
      await this.#store(existing(this.#progress, follower.watermarks, isGone));
    } else await this.#store(furthest(this.#progress, this.#pending));
    this.#pending = [];
    this.#unknownSinceMs = undefined;
    return !isCaughtUp;
  }

  /** Stores what was derived up to this progress, in one transaction. */
  async #store(progress: Watermarks): Promise<void> {
    await this.#options.db.transaction().execute(async transaction => {
      for (const entry of this.#entries.values()) await entry.save(transaction);
      await this.#judge.markForScoring(transaction, this.#spans);
      if (progress === this.#progress) return;
      await saveProgress(transaction, progress);
      await pruneProgress(transaction, progress);
    });
    this.#progress = progress;
    this.#spans = [];
  }

  #mustWait(chunks: readonly LogChunk[]): boolean {
    const strangers = chunks.filter(chunk => chunk.kind === 'predictions' && !this.#isKnown(chunk)).map(nameOf);
    if (strangers.every(name => this.#strangers.has(name))) return false;
    const now = this.#options.clock();
    this.#unknownSinceMs ??= now;
    if (now - this.#unknownSinceMs < unknownPatienceMs) return true;
    for (const name of strangers) this.#strangers.add(name);
    return false;
  }

  #isKnown(chunk: PredictionChunk): boolean {
    return this.#entries.get(chunk.model)?.version(chunk.version) !== undefined;
  }

  /** A chunk that cannot be counted is passed over the next time: the log goes on after it. */
  #add(chunk: LogChunk): void {
    const place = `${chunk.place.segment}/${chunk.place.offset}`;
    if (this.#uncountable.has(place)) return;
    try {
      if (chunk.kind === 'predictions') this.#addPredictions(chunk);
      else if (chunk.kind === 'errors') this.#addErrors(chunk);
    } catch (error) {
      this.#uncountable.add(place);
      this.#options.log.error({ error, place }, 'watch.chunk_passed_over');
      throw error;
    }
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

  /** Seals what is stored, and tidies sealed files, now and then. */
  async #keepHouse(): Promise<void> {
    const { db, truth, follower, clock } = this.#options;
    const { sealEveryMs = 5000, tidyEveryMs = 60_000, retentionMs = 400 * dayMs } = this.#options;
    if (this.#pending.length > 0) return;
    await this.#rollUp();
    if (clock() - this.#sealedMs >= sealEveryMs) {
      this.#sealedMs = clock();
      await truth.seal(follower.finished);
    }
    if (clock() - this.#tidiedMs >= tidyEveryMs) {
      this.#tidiedMs = clock();
      await truth.tidy();
      for (const [model, entry] of this.#entries) {
        const beforeMs = entry.watch.clock.latestMs - retentionMs;
        if (Number.isFinite(beforeMs)) await removeBefore(db, model, beforeMs);
      }
    }
  }

  /** Merges minutes that are no longer recent into hours, a bounded number at a time. */
  async #rollUp(): Promise<void> {
    const { db, clock } = this.#options;
    if (clock() - this.#rolledMs < rollUpEveryMs) return;
    this.#rolledMs = clock();
    for (const [model, entry] of this.#entries) {
      const beforeMs = entry.watch.clock.latestMs - minutesKeptMs;
      if (Number.isFinite(beforeMs)) await rollUpMinutes(db, model, beforeMs, entry.references);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#entries.clear();
  }
}

function nameOf(chunk: LogChunk): string {
  return chunk.kind === 'predictions' ? `${chunk.model}/${chunk.version}` : '';
}

/** The progress after these chunks. */
function furthest(progress: Watermarks, chunks: readonly LogChunk[]): Watermarks {
  const reached: Record<string, number> = { ...progress };
  for (const { place } of chunks) reached[place.segment] = Math.max(reached[place.segment] ?? 0, place.end);
  return reached;
}

/** The progress in segments that still exist; the same object when all do. */
function existing(progress: Watermarks, watermarks: Watermarks, isGone: (segment: string) => boolean): Watermarks {
  const entries = Object.entries(progress);
  const kept = entries.filter(([segment]) => segment in watermarks || !isGone(segment));
  return kept.length === entries.length ? progress : Object.fromEntries(kept);
}

function isSame(a: readonly MonitoredModel[], b: readonly MonitoredModel[]): boolean {
  return a.length === b.length && a.every((one, i) => JSON.stringify(one) === JSON.stringify(b[i]));
}

/**
 * Runs a watcher until it is disposed: at once again while there is work, otherwise after a pause. An error is logged,
 * and what was in memory is taken from the database again.
 */
export async function startWatcher(options: WatcherOptions): Promise<AsyncDisposable> {
  const watcher = await openWatcher(options);
  const stop = new AbortController();
  const running = run(watcher, options, stop.signal);
  return {
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
