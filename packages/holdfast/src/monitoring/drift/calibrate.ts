import type { Rng } from '@holdfast/stats';
import { decodeBlocks } from '../profiles/build-reference.ts';
import type { BaselineProfile } from '../profiles/reference.ts';
import type { ComparedColumn } from './column-cells.ts';
import { coarsen } from './column-cells.ts';
import { compareCells } from './compare-column.ts';

/** The live windows that thresholds are learned for. */
export interface WindowSize {
  readonly rows: number;
  /** Length of a time window; null for windows of so many rows. */
  readonly lengthMs: number | null;
}

/** Per compared column, the distances that quiet windows of this size stay below, in the order of `distances`. */
export interface Calibration {
  readonly rate: number;
  readonly draws: number;
  /** Mean rows of the pseudo-windows. */
  readonly drawnRows: number;
  readonly limits: readonly (readonly [number, number])[];
}

/** Pseudo-windows drawn: enough to see a rate of one in a hundred five times. */
const draws = 500;
/** Fewer blocks than this say nothing about how windows differ. */
const fewestBlocks = 4;
const dayMs = 86_400_000;

/**
 * Learns thresholds by comparing pseudo-windows of the baseline with the rest of it, which their blocks are left out of.
 * Half of them are stretches of neighbouring blocks, as live windows are; the other half are days (or blocks)
 * drawn at random, as a short baseline has few stretches. Rows beyond the window's size are thinned out.
 *
 * @param rate accepted share of quiet windows in which any column exceeds its limit
 * @returns undefined when the baseline has too few blocks to tell
 */
export function calibrate(
  profile: BaselineProfile,
  columns: readonly ComparedColumn[],
  size: WindowSize,
  rate: number,
  rng: Rng,
): Calibration | undefined {
  if (profile.blocks.rows.length < fewestBlocks || profile.blocks.counts.length === 0) return undefined;
  const blocks = new Blocks(profile, columns);
  const values = columns.map(() => [new Float64Array(draws), new Float64Array(draws)] as const);
  let drawnRows = 0;
  for (let draw = 0; draw < draws; draw++) {
    const chosen = draw % 2 === 0 ? blocks.stretch(size, rng) : blocks.scatter(size, rng);
    const rows = chosen.reduce((sum, block) => sum + blocks.rows[block]!, 0);
    drawnRows += Math.min(rows, size.rows) / draws;
    const keep = Math.min(1, size.rows / rows);
    for (const [c, column] of columns.entries()) {
      const { window, rest } = blocks.split(c, chosen);
      if (keep < 1) thin(window, keep, rng);
      const { distances } = compareCells(column, rest, coarsen(rest, column.coarseOf), window);
      values[c]![0][draw] = distances[0].value;
      values[c]![1][draw] = distances[1].value;
    }
  }
  return { rate, draws, drawnRows, limits: familyLimits(values, rate) };
}

/** Counts of the baseline per block, column and cell. */
class Blocks {
  readonly rows: readonly number[];
  readonly #counts: readonly Float64Array[];
  readonly #columns: readonly ComparedColumn[];
  readonly #blockMs: number | null;
  readonly #totalRows: number;

  constructor(profile: BaselineProfile, columns: readonly ComparedColumn[]) {
    this.rows = profile.blocks.rows;
    this.#blockMs = profile.blocks.blockMs;
    this.#columns = columns;
    this.#totalRows = this.rows.reduce((sum, rows) => sum + rows, 0);
    const indexOf = new Map(profile.columns.map((column, index) => [column.name, index]));
    this.#counts = columns.map(column =>
      decodeBlocks(profile, indexOf.get(column.reference.name) ?? 0, column.planned.cells),
    );
  }

  get count(): number {
    return this.rows.length;
  }

  /** Neighbouring blocks from a random start that make up a window, at most half of the baseline. */
  stretch(size: WindowSize, rng: Rng): readonly number[] {
    const most = Math.max(1, Math.floor(this.count / 2));
    const start = rng.int(this.count);
    const chosen: number[] = [];
    let rows = 0;
    for (let i = 0; i < most && !this.#isEnough(size, chosen.length, rows); i++) {
      const block = (start + i) % this.count;
      chosen.push(block);
      rows += this.rows[block]!;
    }
    return chosen;
  }

  /** Random different days (or blocks, where a window is shorter) that make up a window, at most half of the baseline. */
  scatter(size: WindowSize, rng: Rng): readonly number[] {
    const most = Math.max(1, Math.floor(this.count / 2));
    const run = Math.min(most, this.#blocksPerDay(size));
    const order = rng.sample(Math.ceil(this.count / run), Math.max(1, Math.floor(most / run)));
    const chosen: number[] = [];
    let rows = 0;
    for (const day of order) {
      for (let block = day * run; block < Math.min(this.count, (day + 1) * run); block++) {
        if (this.#isEnough(size, chosen.length, rows)) return chosen;
        chosen.push(block);
        rows += this.rows[block]!;
      }
    }
    return chosen;
  }

  #blocksPerDay(size: WindowSize): number {
    if (this.#blockMs === null || this.#blockMs >= dayMs) return 1;
    return size.lengthMs !== null && size.lengthMs < dayMs ? 1 : Math.round(dayMs / this.#blockMs);
  }

  #isEnough(size: WindowSize, blocks: number, rows: number): boolean {
    if (blocks === 0) return false;
    if (size.lengthMs !== null && this.#blockMs !== null) return blocks * this.#blockMs >= size.lengthMs;
    return rows >= Math.min(size.rows, this.#totalRows / 2);
  }

  /** Cells of the chosen blocks, and of all others. */
  split(column: number, chosen: readonly number[]): { readonly window: Float64Array; readonly rest: Float64Array } {
    const { planned, cells } = this.#columns[column]!;
    const counts = this.#counts[column]!;
    const window = new Float64Array(planned.cells);
    for (const block of chosen) {
      const from = block * planned.cells;
      for (let i = 0; i < planned.cells; i++) window[i] = window[i]! + counts[from + i]!;
    }
    // The blocks of a reference count a rare category as unseen where the whole counts it as other.
    return { window: foldUnseen(window, this.#columns[column]!), rest: subtract(cells, window) };
  }
}

/** Categories beyond those kept by name were not unseen when they were counted. */
function foldUnseen(window: Float64Array, column: ComparedColumn): Float64Array {
  if (column.reference.kind !== 'categorical') return window;
  const unseen = column.planned.cells - 2;
  window[unseen - 1] = window[unseen - 1]! + window[unseen]!;
  window[unseen] = 0;
  return window;
}

function subtract(whole: Float64Array, part: Float64Array): Float64Array {
  return whole.map((count, i) => Math.max(0, count - part[i]!));
}

/** Keeps each counted row with this probability. */
function thin(counts: Float64Array, keep: number, rng: Rng): void {
  for (let i = 0; i < counts.length; i++) if (counts[i]! > 0) counts[i] = binomial(counts[i]!, keep, rng);
}

/** Exact for small counts; above, the normal law with the same mean and variance, rounded into range. */
function binomial(count: number, p: number, rng: Rng): number {
  if (count <= 16) {
    let kept = 0;
    for (let i = 0; i < count; i++) if (rng.next() < p) kept++;
    return kept;
  }
  const drawn = Math.round(count * p + Math.sqrt(count * p * (1 - p)) * rng.normal());
  return Math.min(count, Math.max(0, drawn));
}

/** Below this a quantile is noise of the counting. */
const smallestLimit = 1e-6;

/**
 * Each distance's own upper quantile, all scaled by one factor so that in at most `rate` of the pseudo-windows any of
 * them is exceeded.
 */
function familyLimits(
  values: readonly (readonly [Float64Array, Float64Array])[],
  rate: number,
): readonly (readonly [number, number])[] {
  const quantiles = values.map(
    ([first, second]) =>
      [
        Math.max(smallestLimit, upperQuantile(first, rate)),
        Math.max(smallestLimit, upperQuantile(second, rate)),
      ] as const,
  );
  const largest = new Float64Array(draws);
  for (const [c, [first, second]] of values.entries()) {
    const [limit, secondLimit] = quantiles[c]!;
    for (let i = 0; i < draws; i++) largest[i] = Math.max(largest[i]!, first[i]! / limit, second[i]! / secondLimit);
  }
  const factor = Math.max(1, upperQuantile(largest, rate));
  return quantiles.map(([first, second]) => [first * factor, second * factor] as const);
}

/** The order statistic that one further draw exceeds with a probability of at most `rate`. */
function upperQuantile(values: Float64Array, rate: number): number {
  const sorted = values.slice().sort();
  return sorted[Math.min(sorted.length, Math.ceil((sorted.length + 1) * (1 - rate))) - 1]!;
}
