import type { MonitorsConfig, WindowSpec } from '../../config/index.ts';
import type { ErrorCount, PredictionChunk } from '../../predlog/index.ts';
import { ProfileBatch } from '../profiles/batch.ts';
import type { ColumnReader } from '../profiles/column-values.ts';
import type { BaselineProfile } from '../profiles/reference.ts';
import type { VersionReference } from '../profiles/version-reference.ts';
import { EventClock, type StoredClock } from './event-clock.ts';
import type { LearningBuffer } from './learning-buffer.ts';
import { Tally } from './tally.ts';
import { bucketLength } from './window-grid.ts';
import {
  type ClosedWindow,
  type OpenWindow,
  type SeriesName,
  type WindowSeries,
  windowSeries,
} from './window-series.ts';

/** What a version's rows are compared with: its reference, or the rows gathered so far to become one. */
export interface WatchedVersion {
  reference: VersionReference | undefined;
  learning: LearningBuffer | undefined;
}

export interface SeriesState {
  readonly name: SeriesName;
  readonly spec: WindowSpec;
  readonly closedUpToMs: number | null;
}

/** What must survive a restart besides the open windows. */
export interface StoredModelState {
  readonly clock: StoredClock;
  readonly series: readonly SeriesState[];
  /** Rows that came after their window had closed; they are in the profiles, not in a window. */
  readonly lateRows: number;
}

export interface ClosedInSeries {
  readonly series: SeriesName;
  readonly window: ClosedWindow;
}

/** One minute of one version since it was last taken away to be stored. */
export interface MinuteDelta {
  readonly version: number;
  readonly startMs: number;
  readonly tally: Tally;
}

interface NamedSeries {
  readonly name: SeriesName;
  readonly spec: WindowSpec;
  readonly series: WindowSeries;
  /** Its windows are others than those that were stored. */
  readonly isNew: boolean;
}

/** Registers a finished live reference and gives it its id. */
export type ReferenceSink = (version: number, baseline: BaselineProfile) => VersionReference;

/**
 * Follows one model through the log, in log order: counts rows into minutes and windows, and closes windows as time
 * passes. What it does depends only on the rows and their order, never on how they were cut into chunks.
 */
export class ModelWatch {
  readonly model: string;
  readonly clock: EventClock;
  readonly bucketMs: number;
  readonly #latenessMs: number;
  readonly #series: readonly NamedSeries[];
  readonly #onReference: ReferenceSink;
  readonly #minutes = new Map<string, MinuteDelta>();
  readonly #closed: ClosedInSeries[] = [];
  #lateRows: number;

  constructor(
    model: string,
    monitors: Pick<MonitorsConfig, 'window' | 'performanceWindow' | 'lateness'>,
    onReference: ReferenceSink,
    stored?: StoredModelState,
  ) {
    this.model = model;
    this.#latenessMs = monitors.lateness;
    this.#onReference = onReference;
    this.clock = new EventClock(stored?.clock);
    this.#lateRows = stored?.lateRows ?? 0;
    const specs: { name: SeriesName; spec: WindowSpec }[] = [{ name: 'window', spec: monitors.window }];
    if (monitors.performanceWindow !== undefined && !sameSpec(monitors.performanceWindow, monitors.window)) {
      specs.push({ name: 'performance', spec: monitors.performanceWindow });
    }
    this.#series = specs.map(({ name, spec }) => {
      const before = stored?.series.find(state => state.name === name);
      const isNew = before !== undefined && !sameSpec(before.spec, spec);
      return { name, spec, series: windowSeries(spec, before?.closedUpToMs ?? null), isNew };
    });
    this.bucketMs = bucketLength(specs.flatMap(({ spec }) => ('every' in spec ? [spec.every] : [])));
  }

  /** True when performance is judged on the same windows as everything else. */
  get sharesWindows(): boolean {
    return this.#series.length === 1;
  }

  state(): StoredModelState {
    return {
      clock: this.clock.store(),
      lateRows: this.#lateRows,
      series: this.#series.map(({ name, spec, series }) => ({ name, spec, closedUpToMs: series.closedUpToMs })),
    };
  }

  /** Puts back a window that was open; one of a series that has other windows now is passed over. */
  restoreOpen(name: SeriesName, startMs: number, endMs: number, version: number, tally: Tally): void {
    const found = this.#series.find(series => series.name === name);
    if (found?.isNew === false) found.series.restore(startMs, endMs, version, tally);
  }

  /** Time windows that changed are made anew from the minutes from here on; null when none changed. */
  get rebuildsFromMs(): number | null {
    const starts = this.#series.flatMap(({ series, spec, isNew }) =>
      isNew && 'every' in spec ? [series.closedUpToMs ?? Number.NEGATIVE_INFINITY] : [],
    );
    return starts.length === 0 ? null : Math.min(...starts);
  }

  /** Counts a stored minute into the windows that are made anew. */
  restoreMinute({ version, startMs, tally }: MinuteDelta): void {
    for (const { series, spec, isNew } of this.#series) {
      if (isNew && 'every' in spec) series.restore(startMs, startMs + this.bucketMs, version, new Tally().merge(tally));
    }
  }

  *open(): Iterable<{ readonly series: SeriesName; readonly window: OpenWindow }> {
    for (const { name, series } of this.#series) {
      for (const window of series.open()) yield { series: name, window };
    }
  }

  addPredictions(chunk: PredictionChunk, watched: WatchedVersion): void {
    if (chunk.explicitEventRows > 0 && this.clock.kind === 'wall') this.#startEventTime();
    const columns = new Map(chunk.columns.map(column => [column.name, column]));
    const run = new ChunkRun(chunk, watched, name => columns.get(name));
    while (run.row < chunk.rows) this.#addRun(run);
  }

  /** Adds the longest run of rows that share a minute and all their windows, and during which nothing closes. */
  #addRun(run: ChunkRun): void {
    const { chunk, watched } = run;
    const first = this.clock.timeOf(chunk.eventMs[run.row]!, chunk.receivedMs[run.row]!);
    this.#close(first - this.#latenessMs);
    const minuteMs = Math.floor(first / this.bucketMs) * this.bucketMs;
    let low = minuteMs;
    let high = minuteMs + this.bucketMs;
    let room = run.room;
    const targets = [this.#minute(chunk.version, minuteMs)];
    const windows: { readonly series: WindowSeries; readonly window: OpenWindow }[] = [];
    let isLate = false;
    for (const { series, spec } of this.#series) {
      const window = series.windowFor(first, chunk.version);
      if (window === undefined) {
        isLate = true;
        high = Math.min(high, series.closedUpToMs ?? high);
        continue;
      }
      windows.push({ series, window });
      room = Math.min(room, series.roomFor(window, chunk.version));
      if ('every' in spec) {
        low = Math.max(low, window.startMs);
        high = Math.min(high, window.endMs);
      }
    }
    const closesAt = this.#nextCloseMs() + this.#latenessMs;
    const from = run.row;
    let latest = first;
    let to = from;
    for (; to < chunk.rows && to - from < room; to++) {
      const time = this.clock.timeOf(chunk.eventMs[to]!, chunk.receivedMs[to]!);
      if (time < low || time >= high || time >= closesAt) break;
      if (time > latest) latest = time;
      this.clock.observe(time);
    }
    for (const { window } of windows) targets.push(tallyOf(window, chunk.version));
    run.addTo(targets, to);
    for (const { series, window } of windows) series.added(window, chunk.version, to - from, latest);
    if (isLate) this.#lateRows += to - from;
    if (watched.learning !== undefined && watched.learning.room === 0) {
      watched.reference = this.#onReference(chunk.version, watched.learning.finish());
      watched.learning = undefined;
    }
    this.#close(latest - this.#latenessMs);
  }

  addErrors(error: ErrorCount): void {
    const time = this.clock.timeOfError(error.minuteMs);
    const minuteMs = Math.floor(time / this.bucketMs) * this.bucketMs;
    this.#minute(error.version, minuteMs).service.addErrors(error.code, error.count);
    for (const { series } of this.#series) {
      const window = series.windowFor(time, error.version);
      if (window !== undefined) tallyOf(window, error.version).service.addErrors(error.code, error.count);
    }
  }

  /** Lets wall clock time pass for a model without event times, once the whole log has been read. */
  tick(nowMs: number): void {
    if (this.clock.kind === 'wall') this.#close(nowMs - this.#latenessMs);
  }

  takeClosed(): readonly ClosedInSeries[] {
    return this.#closed.splice(0);
  }

  /** Minutes with something that was not taken away yet. */
  get unsavedMinutes(): number {
    return this.#minutes.size;
  }

  takeMinutes(): readonly MinuteDelta[] {
    const minutes = [...this.#minutes.values()];
    this.#minutes.clear();
    return minutes;
  }

  /** What was open on the wall clock is judged as it stands, and time starts over. */
  #startEventTime(): void {
    for (const { name, series } of this.#series) {
      for (const window of series.closeAll()) this.#closed.push({ series: name, window });
      series.closedUpToMs = null;
    }
    this.clock.switchToEvents();
  }

  #close(watermarkMs: number): void {
    for (const { name, series } of this.#series) {
      for (const window of series.closeUpTo(watermarkMs)) this.#closed.push({ series: name, window });
    }
  }

  #nextCloseMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { series } of this.#series) next = Math.min(next, series.nextCloseMs);
    return next;
  }

  #minute(version: number, startMs: number): Tally {
    const key = `${version}:${startMs}`;
    let minute = this.#minutes.get(key);
    if (minute === undefined) {
      minute = { version, startMs, tally: new Tally() };
      this.#minutes.set(key, minute);
    }
    return minute.tally;
  }
}

function tallyOf(window: OpenWindow, version: number): Tally {
  let tally = window.versions.get(version);
  if (tally === undefined) {
    tally = new Tally();
    window.versions.set(version, tally);
  }
  return tally;
}

export function sameSpec(a: WindowSpec, b: WindowSpec): boolean {
  return 'every' in a ? 'every' in b && a.every === b.every : 'rows' in b && a.rows === b.rows;
}

/** Position inside a chunk, and what its rows are counted with. */
class ChunkRun {
  readonly chunk: PredictionChunk;
  readonly watched: WatchedVersion;
  readonly #columnOf: ColumnReader;
  #batch: ProfileBatch | undefined;
  #batchOf: VersionReference | undefined;
  #request = 0;
  row = 0;

  constructor(chunk: PredictionChunk, watched: WatchedVersion, columnOf: ColumnReader) {
    this.chunk = chunk;
    this.watched = watched;
    this.#columnOf = columnOf;
  }

  /** Rows that may be taken before the version's reference is complete. */
  get room(): number {
    return this.watched.learning?.room ?? Number.POSITIVE_INFINITY;
  }

  /** Counts the rows up to `to` (exclusive) into each target. */
  addTo(targets: readonly Tally[], to: number): void {
    const { chunk, watched } = this;
    for (; this.#request < chunk.requests.count && chunk.requests.firstRow[this.#request]! < to; this.#request++) {
      const latencyUs = chunk.requests.latencyUs[this.#request]!;
      for (const target of targets) target.service.addRequest(latencyUs);
    }
    for (const target of targets) target.service.rows += to - this.row;
    const { reference } = watched;
    if (reference !== undefined) {
      if (this.#batch === undefined || this.#batchOf !== reference) {
        this.#batch = new ProfileBatch(reference.plan, chunk.rows, this.#columnOf);
        this.#batchOf = reference;
      }
      this.#batch.addTo(
        targets.map(target => target.profileFor(reference)),
        this.row,
        to,
      );
    } else watched.learning?.add(this.#columnOf, this.row, to);
    this.row = to;
  }
}
