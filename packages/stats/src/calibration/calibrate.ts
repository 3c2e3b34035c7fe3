import type { EffectThresholds } from '../drift/comparison.ts';
import {
  type CategoricalEffect,
  categoricalEffect,
  defaultEffectThresholds,
  ksEffect,
  missingEffect,
  psiEffect,
} from '../drift/effects.ts';
import type { Rng } from '../rng.ts';
import { type Arrangement, type BlockPlan, drawWindow, planBlocks } from './block-draws.ts';

/** Counts of one column per block: what {@link calibrateFromCounts} resamples. */
export interface BlockCounts {
  readonly name: string;
  readonly kind: 'numeric' | 'categorical';
  /** Cells per block, the last of which counts missing values; numeric cells are in ascending order. */
  readonly cells: number;
  /** Blocks x cells, row-major. */
  readonly counts: ArrayLike<number>;
  /**
   * Largest share of rows that lie inside one numeric cell at different values, when live windows will be compared row by
   * row: KS over cells misses what happens inside them, and is raised accordingly. 0 when they are compared over the same
   * cells. @default 0
   */
  readonly hiddenShare?: number;
}

export interface CalibrationOptions {
  /** Rows of the live windows that the thresholds are meant for. */
  readonly windowRows: number;
  readonly rng: Rng;
  /** Accepted chance that a quiet window raises an alarm in any column. In (0, 0.5]. @default 0.01 */
  readonly rate?: number;
  /** Pseudo-windows drawn; at least 1 / rate are needed to see that rate. @default 500 */
  readonly draws?: number;
  /** @default 'consecutive' when blocks are given, else 'scattered' */
  readonly arrangement?: Arrangement;
  /** @default 'ks' */
  readonly numericEffect?: 'ks' | 'psi';
  /** @default 'total-variation' */
  readonly categoricalEffect?: CategoricalEffect;
  /** No threshold is set below these: changes too small to matter. @default 0.1 numeric, 0.05 categorical, 0.05 missing */
  readonly minimumEffects?: { readonly numeric?: number; readonly categorical?: number; readonly missing?: number };
}

/** Thresholds learned from pseudo-windows that were kept out of the reference they were compared with. */
export interface Calibration {
  /** Per column, so that a quiet window raises any alarm in at most `rate` of cases; never below the minimum effects. */
  readonly thresholds: ReadonlyMap<string, EffectThresholds>;
  /** Per column alone: the (1 - rate) quantile of its effect in quiet windows. */
  readonly columnQuantiles: ReadonlyMap<string, EffectThresholds>;
  /** The (1 - rate) quantile of the largest effect over all columns. */
  readonly familyEffect: number;
  /** Factor on the column quantiles that makes the rate hold for all columns together. */
  readonly familyFactor: number;
  readonly rate: number;
  readonly draws: number;
  /** Groups of rows that were kept together. */
  readonly blocks: number;
  /** Mean rows of the pseudo-windows; below `windowRows` when the baseline is shorter than two windows. */
  readonly drawnRows: number;
}

/** Quantiles below this are noise of the counting; the floor keeps ratios to them finite. */
const smallestQuantile = 1e-4;

/**
 * Learns effect thresholds by a block bootstrap: again and again a pseudo-window of whole blocks is compared with the
 * rest of the baseline, from which its blocks (and their groups) are left out. Works on counts alone, so its cost does not
 * grow with the rows.
 *
 * @param groups group of each block; a pseudo-window that touches a group bars all of it from the reference
 * @throws RangeError for fewer than four groups, counts that do not fit, or options out of range
 */
export function calibrateFromCounts(
  columns: readonly BlockCounts[],
  options: CalibrationOptions,
  groups?: ArrayLike<number>,
): Calibration {
  const { rate, draws } = checkedOptions(options);
  const matrix = joinColumns(columns);
  const plan = planBlocks(matrix.blockRows, groups);
  if (plan.groups.length < 4) throw new RangeError(`Calibration needs at least 4 blocks, not ${plan.groups.length}.`);
  const groupCounts = sumGroups(matrix, plan);
  const totals = sumRows(groupCounts, matrix.width, plan.groups.keys());
  const arrangement = options.arrangement ?? (groups ? 'consecutive' : 'scattered');
  const effects = columns.map(() => ({ values: new Float64Array(draws), missing: new Float64Array(draws) }));
  let drawnRows = 0;
  for (let draw = 0; draw < draws; draw++) {
    const window = drawWindow(plan, options.windowRows, arrangement, options.rng);
    drawnRows += window.rows / draws;
    const current = sumRows(matrix.counts, matrix.width, window.blocks);
    const reference = subtract(totals, sumRows(groupCounts, matrix.width, window.groups));
    for (const [c, column] of columns.entries()) {
      const from = matrix.offsets[c]!;
      const to = from + column.cells;
      const effect = effectsOf(column, reference.subarray(from, to), current.subarray(from, to), options);
      effects[c]!.values[draw] = effect.values;
      effects[c]!.missing[draw] = effect.missing;
    }
  }
  // Windows of consecutive blocks start at a block, so there are no more different ones than blocks.
  const windows = arrangement === 'consecutive' ? Math.min(draws, plan.groups.length) : draws;
  return {
    ...summarise(columns, effects, options, { rate, windows }),
    rate,
    draws,
    blocks: plan.groups.length,
    drawnRows,
  };
}

function checkedOptions(options: CalibrationOptions): { readonly rate: number; readonly draws: number } {
  const rate = options.rate ?? 0.01;
  const draws = options.draws ?? 500;
  if (!(rate > 0 && rate <= 0.5)) throw new RangeError(`rate must lie in (0, 0.5], not ${rate}.`);
  if (!Number.isInteger(draws) || draws < 20)
    throw new RangeError(`draws must be a whole number of at least 20, not ${draws}.`);
  if (!(options.windowRows >= 1)) throw new RangeError(`windowRows must be at least 1, not ${options.windowRows}.`);
  return { rate, draws };
}

interface CountMatrix {
  /** Blocks x width, all columns side by side, so that one pass adds a block to every column. */
  readonly counts: Float64Array;
  readonly width: number;
  /** Where each column's cells begin. */
  readonly offsets: readonly number[];
  readonly blockRows: Float64Array;
}

function joinColumns(columns: readonly BlockCounts[]): CountMatrix {
  const first = columns[0];
  if (!first) throw new RangeError('Calibration needs at least one column.');
  const blocks = first.counts.length / first.cells;
  const offsets: number[] = [];
  let width = 0;
  for (const column of columns) {
    if (column.cells < 2 || column.counts.length !== blocks * column.cells) {
      throw new RangeError(`Column "${column.name}" must have ${blocks} blocks of ${column.cells} cells.`);
    }
    offsets.push(width);
    width += column.cells;
  }
  const counts = new Float64Array(blocks * width);
  const blockRows = new Float64Array(blocks);
  for (const [c, column] of columns.entries()) {
    for (let block = 0; block < blocks; block++) {
      for (let cell = 0; cell < column.cells; cell++) {
        const count = column.counts[block * column.cells + cell]!;
        counts[block * width + offsets[c]! + cell] = count;
        if (c === 0) blockRows[block] = blockRows[block]! + count;
      }
    }
  }
  return { counts, width, offsets, blockRows };
}

function sumGroups(matrix: CountMatrix, plan: BlockPlan): Float64Array {
  const sums = new Float64Array(plan.groups.length * matrix.width);
  for (const [g, blocks] of plan.groups.entries())
    sums.set(sumRows(matrix.counts, matrix.width, blocks), g * matrix.width);
  return sums;
}

function sumRows(counts: Float64Array, width: number, rows: Iterable<number>): Float64Array {
  const sum = new Float64Array(width);
  for (const row of rows) {
    const from = row * width;
    for (let i = 0; i < width; i++) sum[i] = sum[i]! + counts[from + i]!;
  }
  return sum;
}

function subtract(from: Float64Array, what: Float64Array): Float64Array {
  return from.map((count, i) => count - what[i]!);
}

function effectsOf(
  column: BlockCounts,
  reference: Float64Array,
  current: Float64Array,
  options: CalibrationOptions,
): EffectThresholds {
  const last = column.cells - 1;
  const before = reference.subarray(0, last);
  const after = current.subarray(0, last);
  const n = total(before);
  const m = total(after);
  const missing = missingEffect(reference[last]!, n + reference[last]!, current[last]!, m + current[last]!);
  if (n === 0 || m === 0) return { values: 0, missing };
  if (column.kind === 'categorical') {
    return { values: categoricalEffect(options.categoricalEffect ?? 'total-variation', before, after), missing };
  }
  if (options.numericEffect === 'psi') return { values: psiEffect(before, after), missing };
  const gap = largestGap(before, after, n, m) + hiddenGap(column.hiddenShare ?? 0, n, m);
  return { values: ksEffect(gap, n, m), missing };
}

/**
 * How much a Brownian bridge rises, on average, above its largest value on a grid of this spacing: the continuity
 * correction 0.5826 = -zeta(1/2) / sqrt(2 pi) of Broadie, Glasserman and Kou 1997.
 */
function hiddenGap(spacing: number, n: number, m: number): number {
  return 0.5826 * Math.sqrt(spacing * (1 / n + 1 / m));
}

function largestGap(a: Float64Array, b: Float64Array, n: number, m: number): number {
  let i = 0;
  let j = 0;
  let gap = 0;
  for (let cell = 0; cell < a.length; cell++) {
    i += a[cell]!;
    j += b[cell]!;
    gap = Math.max(gap, Math.abs(i / n - j / m));
  }
  return gap;
}

function total(counts: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i]!;
  return sum;
}

interface DrawnEffects {
  readonly values: Float64Array;
  readonly missing: Float64Array;
}

type Summary = Pick<Calibration, 'thresholds' | 'columnQuantiles' | 'familyEffect' | 'familyFactor'>;

function summarise(
  columns: readonly BlockCounts[],
  effects: readonly DrawnEffects[],
  options: CalibrationOptions,
  level: QuantileLevel,
): Summary {
  const draws = effects[0]!.values.length;
  const quantiles = effects.map(({ values, missing }) => ({
    values: upperQuantile(values, level),
    missing: upperQuantile(missing, level),
  }));
  const largest = new Float64Array(draws);
  const largestRatio = new Float64Array(draws);
  for (const [c, { values, missing }] of effects.entries()) {
    const quantile = quantiles[c]!;
    for (let draw = 0; draw < draws; draw++) {
      largest[draw] = Math.max(largest[draw]!, values[draw]!, missing[draw]!);
      const ratio = Math.max(
        values[draw]! / Math.max(smallestQuantile, quantile.values),
        missing[draw]! / Math.max(smallestQuantile, quantile.missing),
      );
      largestRatio[draw] = Math.max(largestRatio[draw]!, ratio);
    }
  }
  const familyFactor = Math.max(1, upperQuantile(largestRatio, level));
  const floors = minimumsOf(options);
  const thresholds = columns.map(({ name, kind }, c) => {
    const { values, missing } = quantiles[c]!;
    return [
      name,
      {
        values: Math.max(floors[kind], familyFactor * values),
        missing: Math.max(floors.missing, familyFactor * missing),
      },
    ] as const;
  });
  return {
    thresholds: new Map(thresholds),
    columnQuantiles: new Map(columns.map(({ name }, c) => [name, quantiles[c]!])),
    familyEffect: upperQuantile(largest, level),
    familyFactor,
  };
}

function minimumsOf(options: CalibrationOptions): {
  readonly numeric: number;
  readonly categorical: number;
  readonly missing: number;
} {
  const given = options.minimumEffects ?? {};
  return {
    numeric: given.numeric ?? defaultEffectThresholds.numeric[options.numericEffect ?? 'ks'],
    categorical:
      given.categorical ?? defaultEffectThresholds.categorical[options.categoricalEffect ?? 'total-variation'],
    missing: given.missing ?? defaultEffectThresholds.missing,
  };
}

interface QuantileLevel {
  readonly rate: number;
  /** How many different windows the draws can show. */
  readonly windows: number;
}

/** The order statistic that a further window exceeds with probability at most `rate` (the largest when windows are too few). */
function upperQuantile(values: Float64Array, { rate, windows }: QuantileLevel): number {
  const sorted = values.slice().sort();
  const level = Math.min(1, Math.ceil((windows + 1) * (1 - rate)) / windows);
  return sorted[Math.max(0, Math.ceil(sorted.length * level) - 1)]!;
}
