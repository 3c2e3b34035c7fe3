import { nonDominationRanks } from '../maths/domination.ts';
import { greedyHypervolumeSubset, referencePoint } from '../maths/hypervolume.ts';
import type { Observation } from './sampler.ts';

export interface Split {
  readonly below: readonly Observation[];
  readonly above: readonly Observation[];
}

/**
 * Divides observations into the `count` best and the rest, both in the order of their numbers. Order: feasible complete
 * ones by loss (by front and hypervolume with several objectives), then pruned ones (deepest step first, then the last
 * loss), then infeasible ones by violation, then failures. Pending trials always belong to the rest (constant liar).
 */
export function splitObservations(observations: readonly Observation[], count: number, liar: boolean): Split {
  const feasible = observations.filter(o => o.kind === 'complete' && o.violation === 0);
  const pruned = observations.filter(o => o.kind === 'pruned' && o.violation === 0).sort(byDepth);
  const infeasible = observations
    .filter(o => (o.kind === 'complete' || o.kind === 'pruned') && o.violation > 0)
    .sort((a, b) => a.violation - b.violation);
  const best = new Set(bestFeasible(feasible, count));
  for (const o of [...pruned, ...infeasible]) {
    if (best.size >= count) break;
    if (best.size >= Math.min(count, feasible.length)) best.add(o);
  }
  return {
    below: observations.filter(o => best.has(o)),
    above: observations.filter(o => !best.has(o) && (liar || o.kind !== 'pending')),
  };
}

function bestFeasible(feasible: readonly Observation[], count: number): readonly Observation[] {
  if (feasible.length <= count) return feasible;
  if (feasible[0]!.losses.length === 1)
    return [...feasible].sort((a, b) => a.losses[0]! - b.losses[0]!).slice(0, count);
  const ranks = nonDominationRanks(feasible.map(o => o.losses));
  const chosen: Observation[] = [];
  for (let rank = 0; chosen.length < count; rank++) {
    const front = feasible.filter((_, i) => ranks[i] === rank);
    const room = count - chosen.length;
    if (front.length <= room) for (const i of front) chosen.push(i);
    else {
      const losses = front.map(o => o.losses);
      chosen.push(...greedyHypervolumeSubset(losses, room, referencePoint(losses)).map(i => front[i]!));
    }
  }
  return chosen;
}

function byDepth(a: Observation, b: Observation): number {
  const depth = (b.last?.step ?? -1) - (a.last?.step ?? -1);
  return depth !== 0
    ? depth
    : (a.last?.losses[0] ?? Number.POSITIVE_INFINITY) - (b.last?.losses[0] ?? Number.POSITIVE_INFINITY);
}
