import type { Log } from '../telemetry/index.ts';
import { Catalog, type PredlogDatabase } from './catalog.ts';
import type { StoredChunk } from './chunk-codec.ts';
import { applyRetention, mergeOnce } from './compaction.ts';
import { Duck } from './duck.ts';
import { HotStore } from './hot-store.ts';
import { type ChangedRange, Joiner, type JoinerOptions, type JoinerStats, labelInbox } from './joiner.ts';
import { readScoredWindow, type ScoredWindow, type ScoredWindowQuery } from './scored-window.ts';
import { recoverSeals, type SealParts, type SealStep, sealSegments } from './seal.ts';
import { SealedDirectory } from './sealed-directory.ts';

export interface HistoryOptions {
  /** Where the log lies; sealed files go to `sealed/` below it. */
  readonly directory: string;
  /** The database of derived state, opened with `predlogMigrations`. */
  readonly db: PredlogDatabase;
  /** Sealed predictions are removed when their last row was received so long ago. @default 90 days */
  readonly retentionMs?: number;
  /** Memory of the query engine. @default 512 MB */
  readonly memoryMegabytes?: number;
  readonly joiner?: JoinerOptions;
  /** Wall clock, ms since epoch. */
  readonly clock: () => number;
  readonly log: Log;
  /** Called at each moment of a seal that a crash may follow. */
  readonly onSealStep?: (step: SealStep) => void;
}

/**
 * All predictions and labels, of the log and of sealed files, as the one watcher process keeps them: follow the log into
 * `ingest`, ask `matchNew` which windows to score again, `seal` what all consumers have done with.
 */
export interface History extends AsyncDisposable {
  /** Takes in chunks of a follower that started from the beginning of what was not sealed; each once. */
  ingest(chunks: readonly StoredChunk[]): Promise<void>;
  /** Compares new labels and predictions; the spans whose ground truth changed since the last call. */
  matchNew(): Promise<ChangedRange[]>;
  scoredWindow(query: ScoredWindowQuery): Promise<ScoredWindow>;
  /**
   * Moves segments into Parquet files. Give finished segments of the follower, all of whose chunks were ingested, after
   * every other consumer has persisted what it derived from them and from the last `matchNew`. Returns what was sealed.
   */
  seal(finished: readonly string[]): Promise<string[]>;
  /** Merges small files and removes outlived ones; call it now and then. */
  tidy(): Promise<void>;
  readonly labels: JoinerStats;
}

/** Merges of one `tidy`; the rest waits for the next. */
const mergesPerTidy = 4;

class WatchedHistory implements History {
  readonly #options: HistoryOptions;
  readonly #parts: SealParts;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: HistoryOptions, parts: SealParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get labels(): JoinerStats {
    return this.#parts.joiner.stats;
  }

  ingest(chunks: readonly StoredChunk[]): Promise<void> {
    return this.#inTurn(() => this.#parts.hot.ingest(chunks));
  }

  matchNew(): Promise<ChangedRange[]> {
    return this.#inTurn(() => this.#parts.joiner.matchNew(this.#options.clock()));
  }

  scoredWindow(query: ScoredWindowQuery): Promise<ScoredWindow> {
    return this.#inTurn(() => readScoredWindow(this.#parts, query));
  }

  seal(finished: readonly string[]): Promise<string[]> {
    return this.#inTurn(() => sealSegments(this.#parts, finished, this.#options.clock()));
  }

  tidy(): Promise<void> {
    return this.#inTurn(async () => {
      const nowMs = this.#options.clock();
      for (let merges = 0; merges < mergesPerTidy; merges++) if (!(await mergeOnce(this.#parts, nowMs))) break;
      const retentionMs = this.#options.retentionMs ?? 90 * 86_400_000;
      await applyRetention(this.#parts, nowMs - retentionMs, nowMs);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn;
    this.#parts.duck[Symbol.dispose]();
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => {});
    return result;
  }
}

/** Opens the history, after bringing disk and catalog together as a crash may have left them. */
export async function openHistory(options: HistoryOptions): Promise<History> {
  const directory = await SealedDirectory.open(options.directory);
  const catalog = new Catalog(options.db);
  const duck = await Duck.open({
    directories: [options.directory],
    spillDirectory: `${directory.path}/spill-watcher`,
    ...(options.memoryMegabytes === undefined ? {} : { memoryMegabytes: options.memoryMegabytes }),
  });
  try {
    const hot = await HotStore.open(duck, labelInbox);
    const joiner = await Joiner.open(duck, hot, catalog, directory, options.joiner);
    const parts: SealParts = {
      logDirectory: options.directory,
      duck,
      hot,
      joiner,
      catalog,
      directory,
      log: options.log,
      ...(options.onSealStep === undefined ? {} : { onStep: options.onSealStep }),
    };
    await recoverSeals(parts);
    return new WatchedHistory(options, parts);
  } catch (error) {
    duck[Symbol.dispose]();
    throw error;
  }
}
