import type { WindowSpec } from '../../config/index.ts';
import type { Tally } from './tally.ts';
import { windowStart } from './window-grid.ts';

/** `window`: drift, quality, service level, volume; `performance`: ground truth. One series may serve both. */
export type SeriesName = 'window' | 'performance';

/** A window that has ended; it is judged once. Its map has a tally for every version that had traffic. */
export interface ClosedWindow {
  readonly startMs: number;
  readonly endMs: number;
  readonly versions: ReadonlyMap<number, Tally>;
}

export interface OpenWindow {
  readonly startMs: number;
  /** Exclusive; of a count window: after the latest row so far. */
  endMs: number;
  readonly versions: Map<number, Tally>;
}

/** At most so many windows without any traffic are judged when time leaps ahead. */
const mostEmptyWindows = 100;

/** Windows of one kind of one model. Rows are offered in the order of the log; late ones have no window any more. */
export interface WindowSeries {
  /** The open window for a row of this version, and the span of times it can take; undefined when it is too late. */
  windowFor(timeMs: number, version: number): OpenWindow | undefined;
  /** How many more rows of this version the window takes: Infinity for time windows. */
  roomFor(window: OpenWindow, version: number): number;
  /** Tells that rows up to this time were added to a window. */
  added(window: OpenWindow, version: number, rows: number, latestMs: number): void;
  /** No window closes before the watermark reaches this. */
  readonly nextCloseMs: number;
  /** Closes what the watermark has passed, oldest first. */
  closeUpTo(watermarkMs: number): readonly ClosedWindow[];
  closeAll(): readonly ClosedWindow[];
  open(): Iterable<OpenWindow>;
  /** Puts back one version's share, or a part of it, of a window that was open when the process stopped. */
  restore(startMs: number, endMs: number, version: number, tally: Tally): void;
  /** End of the latest closed window; rows before it are too late for a time window. Null before the first. */
  closedUpToMs: number | null;
}

/** @param closedUpToMs up to where an earlier series, maybe of other windows, had closed */
export function windowSeries(spec: WindowSpec, closedUpToMs: number | null): WindowSeries {
  if ('rows' in spec) {
    const series = new CountSeries(spec.rows);
    series.closedUpToMs = closedUpToMs;
    return series;
  }
  const series = new TimeSeries(spec.every);
  if (closedUpToMs === null) return series;
  // A new grid starts at its first line that the old one had not passed.
  const line = windowStart(closedUpToMs, spec.every);
  series.closedUpToMs = line === closedUpToMs ? line : line + spec.every;
  return series;
}

class TimeSeries implements WindowSeries {
  readonly #lengthMs: number;
  readonly #open = new Map<number, OpenWindow>();
  closedUpToMs: number | null = null;
  nextCloseMs = Number.POSITIVE_INFINITY;

  constructor(lengthMs: number) {
    this.#lengthMs = lengthMs;
  }

  windowFor(timeMs: number): OpenWindow | undefined {
    const startMs = windowStart(timeMs, this.#lengthMs);
    if (this.closedUpToMs !== null && startMs < this.closedUpToMs) return undefined;
    let window = this.#open.get(startMs);
    if (window === undefined) {
      window = { startMs, endMs: startMs + this.#lengthMs, versions: new Map() };
      this.#open.set(startMs, window);
      this.nextCloseMs = Math.min(this.nextCloseMs, window.endMs);
    }
    return window;
  }

  roomFor(): number {
    return Number.POSITIVE_INFINITY;
  }

  added(): void {}

  closeUpTo(watermarkMs: number): readonly ClosedWindow[] {
    if (watermarkMs < this.nextCloseMs && !this.#emptyIsDue(watermarkMs)) return [];
    const due = [...this.#open.values()].filter(window => window.endMs <= watermarkMs);
    due.sort((a, b) => a.startMs - b.startMs);
    const closed: ClosedWindow[] = [];
    for (const window of due) {
      closed.push(...this.#emptyWindowsBefore(window.startMs), window);
      this.#open.delete(window.startMs);
      this.closedUpToMs = window.endMs;
    }
    closed.push(...this.#emptyWindowsBefore(windowStart(watermarkMs, this.#lengthMs)));
    this.#findNextClose();
    return closed;
  }

  #emptyIsDue(watermarkMs: number): boolean {
    return this.closedUpToMs !== null && watermarkMs >= this.closedUpToMs + this.#lengthMs;
  }

  #emptyWindowsBefore(endMs: number): readonly ClosedWindow[] {
    const from = this.closedUpToMs;
    const firstOpen = Math.min(...this.#open.keys());
    const to = Math.min(endMs, firstOpen);
    if (from === null || from >= to || !Number.isFinite(to)) return [];
    const empties: ClosedWindow[] = [];
    const first = Math.max(from, to - mostEmptyWindows * this.#lengthMs);
    for (let startMs = first; startMs < to; startMs += this.#lengthMs) {
      empties.push({ startMs, endMs: startMs + this.#lengthMs, versions: new Map() });
    }
    this.closedUpToMs = to;
    return empties;
  }

  closeAll(): readonly ClosedWindow[] {
    const closed = [...this.#open.values()].sort((a, b) => a.startMs - b.startMs);
    this.#open.clear();
    this.#findNextClose();
    return closed;
  }

  open(): Iterable<OpenWindow> {
    return this.#open.values();
  }

  restore(startMs: number, _endMs: number, version: number, tally: Tally): void {
    const window = this.windowFor(startMs);
    const before = window?.versions.get(version);
    if (before === undefined) window?.versions.set(version, tally);
    else before.merge(tally);
  }

  #findNextClose(): void {
    let next = Number.POSITIVE_INFINITY;
    for (const window of this.#open.values()) next = Math.min(next, window.endMs);
    this.nextCloseMs = next;
  }
}

/** Windows of exactly so many rows, for each version apart; they close by rows alone. */
class CountSeries implements WindowSeries {
  readonly #rows: number;
  readonly #open = new Map<number, OpenWindow>();
  readonly #full: ClosedWindow[] = [];
  closedUpToMs: number | null = null;
  readonly nextCloseMs = Number.POSITIVE_INFINITY;

  constructor(rows: number) {
    this.#rows = rows;
  }

  windowFor(timeMs: number, version: number): OpenWindow {
    let window = this.#open.get(version);
    if (window === undefined) {
      // Windows of a version follow each other without overlap, even when rows of the same moment are cut apart.
      const startMs = Math.max(timeMs, this.closedUpToMs ?? timeMs);
      window = { startMs, endMs: startMs + 1, versions: new Map() };
      this.#open.set(version, window);
    }
    return window;
  }

  roomFor(window: OpenWindow, version: number): number {
    return this.#rows - (window.versions.get(version)?.service.rows ?? 0);
  }

  added(window: OpenWindow, version: number, _rows: number, latestMs: number): void {
    window.endMs = Math.max(window.endMs, latestMs + 1);
    if (this.roomFor(window, version) > 0) return;
    this.#open.delete(version);
    this.closedUpToMs = Math.max(this.closedUpToMs ?? window.endMs, window.endMs);
    this.#full.push(window);
  }

  closeUpTo(): readonly ClosedWindow[] {
    return this.#full.splice(0);
  }

  closeAll(): readonly ClosedWindow[] {
    this.#open.clear();
    return this.#full.splice(0);
  }

  open(): Iterable<OpenWindow> {
    return this.#open.values();
  }

  restore(startMs: number, endMs: number, version: number, tally: Tally): void {
    this.#open.set(version, { startMs, endMs, versions: new Map([[version, tally]]) });
  }
}
