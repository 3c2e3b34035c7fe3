import { nonDominationRanks } from '../../maths/domination.ts';
import type { Observation } from '../sampler.ts';

/**
 * Finished trials in fronts, best first, by constrained domination: feasible complete trials by non-domination; then
 * pruned ones, the deepest step first and by non-domination of their last reports within a step; then infeasible ones by
 * their violation; then failures.
 *
 * Deb et al., A fast and elitist multiobjective genetic algorithm: NSGA-II, IEEE TEC 6 (2002), section VI.
 */
export function constrainedFronts(finished: readonly Observation[]): readonly (readonly Observation[])[] {
  const feasible = finished.filter(o => o.violation === 0);
  const pruned = groupBy(
    feasible.filter(o => o.kind === 'pruned'),
    o => -(o.last?.step ?? -1),
  );
  const infeasible = finished.filter(o => o.violation > 0 && o.kind !== 'failed');
  return [
    ...frontsOf(
      feasible.filter(o => o.kind === 'complete'),
      o => o.losses,
    ),
    ...pruned.flatMap(group => frontsOf(group, o => o.last?.losses ?? [])),
    ...groupBy(infeasible, o => o.violation),
    ...groupBy(
      finished.filter(o => o.kind === 'failed'),
      () => 0,
    ),
  ];
}

function frontsOf(trials: readonly Observation[], lossesOf: (o: Observation) => readonly number[]): Observation[][] {
  const ranks = nonDominationRanks(trials.map(lossesOf));
  return groupBy(
    trials.map((o, i) => ({ o, rank: ranks[i]! })),
    t => t.rank,
  ).map(front => front.map(t => t.o));
}

/** Groups of equal keys, the smallest key first. */
function groupBy<T>(items: readonly T[], keyOf: (item: T) => number): T[][] {
  const groups = new Map<number, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups.entries()].sort(([a], [b]) => a - b).map(([, group]) => group);
}

/** The losses that place a trial within its front: its final ones, or the last it reported. */
export function frontLosses(o: Observation): readonly number[] {
  return o.losses.length > 0 ? o.losses : (o.last?.losses ?? []);
}
