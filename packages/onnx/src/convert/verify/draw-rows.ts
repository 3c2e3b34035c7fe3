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

/** Rows of one draw; more only make sense for columns with many cuts, fewer bound the memory of wide tables. */
const minRows = 64;
const mostRows = 10_000;
const mostElements = 4_000_000;
/** Rows per row that a cut takes: the rest lies anywhere, or is missing. */
const slack = 1.3;

/**
 * Rows that cross every cut of every column: each cut is hit exactly, just below and just above, the rest lies around
 * the cuts. Columns with more cuts than rows are affordable have as many of their cuts crossed, chosen evenly by chance.
 * Deterministic.
 */
export function drawRows(columns: readonly ColumnSampler[], seed = 1): (number | string)[][] {
  const random = seededNumbers(seed);
  const most = Math.max(0, ...columns.map(column => (column.kind === 'number' ? column.cuts.length * 3 : 0)));
  const affordable = Math.min(mostRows, Math.max(minRows, Math.floor(mostElements / Math.max(1, columns.length))));
  const count = Math.min(affordable, Math.max(minRows, Math.ceil(most * slack)));
  const drawn = columns.map(column => drawColumn(column, count, random));
  return Array.from({ length: count }, (_, row) => drawn.map(values => values[row]!));
}

function drawColumn(column: ColumnSampler, count: number, random: () => number): (number | string)[] {
  if (column.kind === 'text')
    return Array.from({ length: count }, () => column.values[Math.floor(random() * column.values.length)] ?? '');
  const cuts = shuffled([...new Set(column.cuts)].filter(Number.isFinite), random);
  const low = cuts.length === 0 ? column.center - 2 * column.spread : Math.min(...extent(cuts));
  const high = cuts.length === 0 ? column.center + 2 * column.spread : Math.max(...extent(cuts));
  const margin = (high - low) / 4 || column.spread;
  const sides = [(cut: number) => cut, below, above];
  const values = Array.from({ length: count }, (_, i) => {
    const isAnyPlace = i >= 3 * cuts.length;
    if (isAnyPlace && column.mayMiss && random() < 0.12) return Number.NaN;
    const around = low - margin + random() * (high - low + 2 * margin);
    if (cuts.length === 0 || (isAnyPlace && random() < 0.5)) return column.whole ? Math.round(around) : around;
    const cut = cuts[Math.floor(i / 3) % cuts.length]!;
    return column.whole ? Math.round(cut) : sides[i % 3]!(cut);
  });
  // A different order per column, or all columns would cross their cuts in step.
  return shuffled(values, random);
}

function shuffled<T>(values: T[], random: () => number): T[] {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return values;
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
