import { Turns } from '../storage/index.ts';
import type { Log } from '../telemetry/index.ts';
import { Catalog, type PredlogDatabase } from './catalog.ts';
import type { StoredChunk } from './chunk-codec.ts';
import { applyRetention, mergeOnce, mergePending } from './compaction.ts';
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
  /**
   * Where several machines record: makes sealed files, and the database that knows them, safe where another machine
   * finds them. Segments are removed only after it resolved; given the names of all sealed files.
   */
  readonly share?: (files: ReadonlySet<string>) => Promise<void>;
}

/** A machine that was away for longer than this must not bring its old segments. */
const letGoKeptMs = 14 * 86_400_000;

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
  /**
   * Starts to merge small files and to remove outlived ones, unless that is still going on; call it now and then. The
   * work is done beside everything else; `tidied` resolves when it is over.
   */
  tidy(): Promise<void>;
  tidied(): Promise<void>;
  /** Whether the rows of a segment are in sealed files: it is not to be read, although it may still be there. */
  isSealed(segment: string): boolean;
  readonly labels: JoinerStats;
}

class WatchedHistory implements History {
  readonly #options: HistoryOptions;
  readonly #parts: SealParts;
  readonly #turns = new Turns();
  #tidying: Promise<void> = Promise.resolve();
  #isTidying = false;
  #isClosing = false;
  #sealed: Set<string>;

  constructor(options: HistoryOptions, parts: SealParts, sealed: Set<string>) {
    this.#options = options;
    this.#parts = parts;
    this.#sealed = sealed;
  }

  isSealed(segment: string): boolean {
    return this.#sealed.has(segment);
  }

  get labels(): JoinerStats {
    return this.#parts.joiner.stats;
  }

  ingest(chunks: readonly StoredChunk[]): Promise<void> {
    return this.#turns.take(() => this.#parts.hot.ingest(chunks));
  }

  matchNew(): Promise<ChangedRange[]> {
    return this.#turns.take(() => this.#parts.joiner.matchNew(this.#options.clock()));
  }

  scoredWindow(query: ScoredWindowQuery): Promise<ScoredWindow> {
    return this.#turns.take(() => readScoredWindow(this.#parts, query));
  }

  seal(finished: readonly string[]): Promise<string[]> {
    return this.#turns.take(async () => {
      const segments = await sealSegments(this.#parts, finished, this.#options.clock());
      if (this.#options.share !== undefined) for (const segment of segments) this.#sealed.add(segment);
      return segments;
    });
  }

  async tidy(): Promise<void> {
    if (this.#isTidying) return;
    this.#isTidying = true;
    this.#tidying = this.#tidy()
      .catch((error: unknown) => this.#options.log.error({ error }, 'predlog.tidy_failed'))
      .finally(() => {
        this.#isTidying = false;
      });
  }

  tidied(): Promise<void> {
    return this.#tidying;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    await this.#tidying;
    await this.#turns.ended();
    this.#parts.duck[Symbol.dispose]();
  }

  async #tidy(): Promise<void> {
    const nowMs = this.#options.clock();
    const { catalog, directory, joiner } = this.#parts;
    {
      using duck = await openEngine(this.#options, directory, 'tidy');
      const parts = { duck, catalog, directory };
      while (!this.#isClosing && (await mergeOnce(parts, nowMs))) {}
    }
    await this.#turns.take(() => mergePending(this.#parts, joiner, nowMs));
    if (this.#options.share !== undefined) {
      await catalog.forgetLetGo(nowMs - letGoKeptMs);
      this.#sealed = (await catalog.letGo()).union(await catalog.sealedSegments());
    }
    await applyRetention(this.#parts, nowMs - (this.#options.retentionMs ?? 90 * 86_400_000), nowMs);
  }
}

function openEngine(options: HistoryOptions, directory: SealedDirectory, name: string): Promise<Duck> {
  return Duck.open({
    directories: [options.directory],
    spillDirectory: `${directory.path}/spill-${name}`,
    ...(options.memoryMegabytes === undefined ? {} : { memoryMegabytes: options.memoryMegabytes }),
  });
}

/** Opens the history, after bringing disk and catalog together as a crash may have left them. */
export async function openHistory(options: HistoryOptions): Promise<History> {
  const directory = await SealedDirectory.open(options.directory);
  const catalog = new Catalog(options.db);
  const { share } = options;
  const duck = await openEngine(options, directory, 'watcher');
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
      ...(share === undefined ? {} : { share: async known => share(await known.knownNames()) }),
    };
    await recoverSeals(parts);
    return new WatchedHistory(options, parts, (await catalog.letGo()).union(await catalog.sealedSegments()));
  } catch (error) {
    duck[Symbol.dispose]();
    throw error;
  }
}
