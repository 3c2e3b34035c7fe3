import type { ColumnSampler } from './verification.ts';

/** A small seeded generator (mulberry32), so that a verification can be repeated. */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Rows that a column with this many cuts needs to be crossed from both sides and hit, at most. */
const maxRows = 3000;
const minRows = 64;

/**
 * Rows that cross every cut of every column, as far as `maxRows` allow: each cut is hit exactly, just below and just
 * above, the rest lies around the cuts. Deterministic.
 */
export function drawRows(columns: readonly ColumnSampler[], seed = 1): (number | string)[][] {
  const random = seededNumbers(seed);
  const most = Math.max(0, ...columns.map(column => (column.kind === 'number' ? column.cuts.length * 3 : 0)));
  const count = Math.min(maxRows, Math.max(minRows, most));
  const drawn = columns.map(column => drawColumn(column, count, random));
  return Array.from({ length: count }, (_, row) => drawn.map(values => values[row]!));
}

function drawColumn(column: ColumnSampler, count: number, random: () => number): (number | string)[] {
  if (column.kind === 'text')
    return Array.from({ length: count }, () => column.values[Math.floor(random() * column.values.length)] ?? '');
  const cuts = [...new Set(column.cuts)].filter(Number.isFinite);
  // A different order per column, or all columns would cross their cuts in step.
  for (let i = cuts.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [cuts[i], cuts[j]] = [cuts[j]!, cuts[i]!];
  }
  const low = cuts.length === 0 ? column.center - 2 * column.spread : Math.min(...extent(cuts));
  const high = cuts.length === 0 ? column.center + 2 * column.spread : Math.max(...extent(cuts));
  const margin = (high - low) / 4 || column.spread;
  return Array.from({ length: count }, (_, row) => {
    if (column.mayMiss && random() < 0.06) return Number.NaN;
    const around = low - margin + random() * (high - low + 2 * margin);
    if (cuts.length === 0 || random() < 0.15) return column.whole ? Math.round(around) : around;
    const cut = cuts[Math.floor(row / 3) % cuts.length]!;
    if (column.whole) return Math.round(cut);
    return row % 3 === 0 ? cut : row % 3 === 1 ? below(cut) : above(cut);
  });
}

function extent(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);

/** The float32 number just above the float32 of `value`: a step that no source is too coarse to see. */
function above(value: number): number {
  floats[0] = value;
  if (floats[0] > value || !Number.isFinite(floats[0])) return floats[0];
  if (floats[0] === 0) return 1e-30;
  bits[0] = bits[0]! + (floats[0] > 0 ? 1 : -1);
  return floats[0];
}

function below(value: number): number {
  return -above(-value);
}
