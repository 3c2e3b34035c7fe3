import type { DriftCell } from '@holdfast/api';

/** One window of one version: a column of the heat map. */
export interface HeatWindow {
  readonly startMs: number;
  readonly endMs: number;
  readonly version: number;
}

export interface HeatRow {
  readonly column: string;
  readonly role: DriftCell['role'];
  /** One entry per window; undefined where the column was not measured. */
  readonly cells: readonly (DriftCell | undefined)[];
}

export interface HeatGrid {
  readonly windows: readonly HeatWindow[];
  readonly rows: readonly HeatRow[];
}

/** Effect in units of the threshold; null when the cell was not judged. */
export function ratioOf(cell: DriftCell): number | null {
  return cell.effect === null || cell.threshold === null || cell.threshold <= 0 ? null : cell.effect / cell.threshold;
}

function badness(cell: DriftCell): number {
  const ratio = Math.min(ratioOf(cell) ?? 0, 1e6);
  return cell.outcome === 'breached' ? 1e6 + ratio : ratio;
}

/** Names of the columns, the one with the worst cell first. */
export function worstFirst(cells: readonly DriftCell[]): readonly string[] {
  const worst = new Map<string, number>();
  for (const cell of cells) worst.set(cell.column, Math.max(worst.get(cell.column) ?? 0, badness(cell)));
  return [...worst].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).map(([column]) => column);
}

/** Keeps the order that the reader sees while they work in it: known columns stay, new ones follow. */
export function keepOrder(shown: readonly string[], fresh: readonly string[]): readonly string[] {
  const present = new Set(fresh);
  const kept = shown.filter(column => present.has(column));
  const known = new Set(kept);
  return [...kept, ...fresh.filter(column => !known.has(column))];
}

/** Lays cells out by window (time, then version) and by column in the given order. */
export function heatGrid(cells: readonly DriftCell[], order: readonly string[]): HeatGrid {
  const windows = new Map<string, HeatWindow>();
  const keyOf = (cell: DriftCell): string => `${cell.windowStartMs} ${cell.windowEndMs} ${cell.version}`;
  for (const cell of cells) {
    windows.set(keyOf(cell), { startMs: cell.windowStartMs, endMs: cell.windowEndMs, version: cell.version });
  }
  const sorted = [...windows].sort(
    ([, a], [, b]) => a.startMs - b.startMs || a.endMs - b.endMs || a.version - b.version,
  );
  const at = new Map(sorted.map(([key], index) => [key, index]));
  const rows = new Map<string, { role: DriftCell['role']; cells: (DriftCell | undefined)[] }>();
  for (const cell of cells) {
    const row = rows.get(cell.column) ?? { role: cell.role, cells: Array.from(sorted, () => undefined) };
    row.cells[at.get(keyOf(cell))!] = cell;
    rows.set(cell.column, row);
  }
  return {
    windows: sorted.map(([, window]) => window),
    rows: order.flatMap(column => {
      const row = rows.get(column);
      return row === undefined ? [] : [{ column, ...row }];
    }),
  };
}

/** Steps of the colour scale below the threshold (`calm-0` to `calm-4`) and of breaches (`hot-0` to `hot-2`). */
export type HeatStep = `calm-${0 | 1 | 2 | 3 | 4}` | `hot-${0 | 1 | 2}` | 'undecided';

export function stepOf(cell: DriftCell): HeatStep {
  const ratio = ratioOf(cell);
  if (cell.outcome === 'undecided') return 'undecided';
  if (cell.outcome === 'breached') return ratio === null || ratio < 1.5 ? 'hot-0' : ratio < 2.5 ? 'hot-1' : 'hot-2';
  if (ratio === null || ratio < 0.2) return 'calm-0';
  if (ratio < 0.45) return 'calm-1';
  if (ratio < 0.7) return 'calm-2';
  return ratio < 1 ? 'calm-3' : 'calm-4';
}
