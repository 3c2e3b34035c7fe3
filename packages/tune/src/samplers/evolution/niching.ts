import { greatest, least } from '../../maths/extremes.ts';
import type { Rng } from '../../rng.ts';

/** Losses scaled so that the ideal point is 0 and the plane through the extreme points cuts every axis at 1. */
export function normalizeLosses(losses: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const m = losses[0]?.length ?? 0;
  const ideal = Array.from({ length: m }, (_, k) => least(losses.map(l => l[k]!)));
  const moved = losses.map(l => l.map((v, k) => v - ideal[k]!));
  const extremes = Array.from({ length: m }, (_, axis) => extremeOf(moved, axis));
  const worst = Array.from({ length: m }, (_, k) => greatest(moved.map(l => l[k]!)));
  const intercepts = interceptsOf(extremes);
  const widths = worst.map((w, k) => {
    const a = intercepts?.[k];
    const width = a !== undefined && Number.isFinite(a) && a > 1e-9 * w && a <= w ? a : w;
    return width > 0 ? width : 1;
  });
  return moved.map(l => l.map((v, k) => v / widths[k]!));
}

/** The row closest to an axis: the smallest achievement scalarisation with weight 1e-6 off the axis. */
function extremeOf(moved: readonly (readonly number[])[], axis: number): readonly number[] {
  const achievement = (l: readonly number[]): number => Math.max(...l.map((v, k) => (k === axis ? v : v * 1e6)));
  return moved.reduce((best, l) => (achievement(l) < achievement(best) ? l : best));
}

/** Where the plane through the rows cuts the axes; `undefined` when they do not span one. */
function interceptsOf(extremes: readonly (readonly number[])[]): readonly number[] | undefined {
  // Gauss-Jordan with pivoting on E b = 1; the intercepts are 1 / b.
  const m = extremes.length;
  const a = extremes.map(row => [...row, 1]);
  for (let k = 0; k < m; k++) {
    const pivot = a.slice(k).reduce((best, row, i) => (Math.abs(row[k]!) > Math.abs(a[best]![k]!) ? i + k : best), k);
    [a[k], a[pivot]] = [a[pivot]!, a[k]!];
    if (Math.abs(a[k]![k]!) < 1e-12) return undefined;
    for (let i = 0; i < m; i++) {
      if (i === k) continue;
      const factor = a[i]![k]! / a[k]![k]!;
      for (let j = k; j <= m; j++) a[i]![j]! -= factor * a[k]![j]!;
    }
  }
  return a.map((row, k) => row[k]! / row[m]!);
}

export interface Association {
  readonly direction: number;
  readonly distance: number;
}

/** The reference line nearest to a normalised row, by perpendicular distance. */
export function nearestDirection(row: readonly number[], directions: readonly (readonly number[])[]): Association {
  let best: Association = { direction: 0, distance: Number.POSITIVE_INFINITY };
  directions.forEach((w, direction) => {
    const along = w.reduce((s, v, k) => s + v * row[k]!, 0) / w.reduce((s, v) => s + v * v, 0);
    const distance = Math.sqrt(row.reduce((s, v, k) => s + (v - along * w[k]!) ** 2, 0));
    if (distance < best.distance) best = { direction, distance };
  });
  return best;
}

/**
 * Indices of `room` rows of the last front, chosen so that every reference line keeps company: lines with the fewest
 * members first, and for an empty line the row nearest to it.
 *
 * Deb & Jain, An evolutionary many-objective optimization algorithm using reference-point-based nondominated sorting
 * approach, IEEE TEC 18 (2014), algorithm 4.
 */
export function fillNiches(
  kept: readonly Association[],
  last: readonly Association[],
  room: number,
  rng: Rng,
): readonly number[] {
  const members = new Map<number, number>();
  for (const a of kept) members.set(a.direction, (members.get(a.direction) ?? 0) + 1);
  const left = new Map<number, number[]>();
  last.forEach((a, i) => {
    left.set(a.direction, [...(left.get(a.direction) ?? []), i]);
  });
  const chosen: number[] = [];
  while (chosen.length < room && left.size > 0) {
    const fewest = least([...left.keys()].map(k => members.get(k) ?? 0));
    const direction = rng.pick([...left.keys()].filter(k => (members.get(k) ?? 0) === fewest));
    const waiting = left.get(direction) ?? [];
    const next =
      fewest === 0 ? waiting.reduce((a, b) => (last[b]!.distance < last[a]!.distance ? b : a)) : rng.pick(waiting);
    chosen.push(next);
    members.set(direction, fewest + 1);
    const others = waiting.filter(i => i !== next);
    if (others.length > 0) left.set(direction, others);
    else left.delete(direction);
  }
  return chosen;
}
