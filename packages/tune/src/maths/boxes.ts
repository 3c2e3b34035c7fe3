import { paretoFront } from './domination.ts';

/** An axis-parallel box; `low` may be -Infinity. */
export interface Box {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/**
 * Disjoint boxes that together fill what no row of a front dominates below a reference point (losses: less is better).
 * Slices along the last objective, each divided by the rows that reach into it: k + 1 boxes for k rows of two
 * objectives, O(k^(m - 1)) for m.
 *
 * Couckuyt, Deschrijver & Dhaene, Fast calculation of multiobjective probability of improvement and expected
 * improvement criteria, J. Global Optim. 60 (2014).
 */
export function nonDominatedBoxes(
  losses: readonly (readonly number[])[],
  reference: readonly number[],
): readonly Box[] {
  const inside = losses.filter(l => l.every((v, i) => v < reference[i]!));
  return divide(
    paretoFront(inside).map(i => inside[i]!),
    reference,
  );
}

function divide(front: readonly (readonly number[])[], reference: readonly number[]): readonly Box[] {
  const last = reference.length - 1;
  if (last === 0) {
    const lowest = front.reduce((low, row) => Math.min(low, row[0]!), reference[0]!);
    return [{ low: [Number.NEGATIVE_INFINITY], high: [lowest] }];
  }
  const levels = [...new Set(front.map(row => row[last]!))].sort((a, b) => a - b);
  const edges = [Number.NEGATIVE_INFINITY, ...levels, reference[last]!];
  const outer = reference.slice(0, last);
  return edges.slice(1).flatMap((to, i) => {
    const from = edges[i]!;
    const reaching = front.filter(row => row[last]! <= from).map(row => row.slice(0, last));
    const shadow = paretoFront(reaching).map(k => reaching[k]!);
    return divide(shadow, outer).map(({ low, high }) => ({ low: [...low, from], high: [...high, to] }));
  });
}
