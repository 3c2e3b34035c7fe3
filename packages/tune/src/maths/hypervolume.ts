import { paretoFront } from './domination.ts';
import { greatest } from './extremes.ts';

/**
 * Volume that the rows dominate below a reference point (losses: less is better). Rows beyond the reference count for
 * nothing. Exact: a sweep for two objectives, otherwise WFG's exclusive volumes.
 *
 * While, Bradstreet & Barone, A fast way of calculating exact hypervolumes, IEEE TEC 16 (2012).
 */
export function hypervolume(losses: readonly (readonly number[])[], reference: readonly number[]): number {
  const inside = losses.filter(l => l.every((v, i) => v < reference[i]!));
  const front = paretoFront(inside).map(i => inside[i]!);
  return reference.length === 2 ? sweep(front, reference) : wfg(front, reference);
}

function sweep(front: readonly (readonly number[])[], reference: readonly number[]): number {
  let volume = 0;
  let ceiling = reference[1]!;
  for (const [x = 0, y = 0] of [...front].sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!)) {
    if (y >= ceiling) continue;
    volume += (reference[0]! - x) * (ceiling - y);
    ceiling = y;
  }
  return volume;
}

function wfg(front: readonly (readonly number[])[], reference: readonly number[]): number {
  const sorted = [...front].sort((a, b) => b[0]! - a[0]!);
  let volume = 0;
  sorted.forEach((point, i) => {
    const own = point.reduce((product, v, k) => product * (reference[k]! - v), 1);
    const limited = sorted.slice(i + 1).map(other => other.map((v, k) => Math.max(v, point[k]!)));
    const shared =
      limited.length === 0
        ? 0
        : wfg(
            paretoFront(limited)
              .map(k => limited[k]!)
              .filter(isFirst),
            reference,
          );
    volume += own - shared;
  });
  return volume;
}

/** Equal rows do not dominate each other; one of them is enough. */
function isFirst(row: readonly number[], index: number, rows: readonly (readonly number[])[]): boolean {
  return rows.findIndex(other => other.every((v, i) => v === row[i])) === index;
}

/** The customary reference point: a tenth beyond the worst value of every objective. */
export function referencePoint(losses: readonly (readonly number[])[]): number[] {
  return losses[0]!.map((_, i) => {
    const worst = greatest(losses.map(l => l[i]!));
    const reference = Math.max(1.1 * worst, 0.9 * worst);
    return reference === 0 ? 1e-12 : reference;
  });
}

/** Indices of `count` rows chosen one by one, each the one that adds most hypervolume. (1 - 1/e)-optimal. */
export function greedyHypervolumeSubset(
  losses: readonly (readonly number[])[],
  count: number,
  reference: readonly number[],
): number[] {
  const chosen: number[] = [];
  const rest = new Set(losses.keys());
  while (chosen.length < count && rest.size > 0) {
    let best = -1;
    let bestVolume = Number.NEGATIVE_INFINITY;
    const base = chosen.map(i => losses[i]!);
    for (const i of rest) {
      const volume = hypervolume([...base, losses[i]!], reference);
      if (volume > bestVolume) {
        best = i;
        bestVolume = volume;
      }
    }
    chosen.push(best);
    rest.delete(best);
  }
  return chosen;
}
