import { paretoFront } from '../maths/domination.ts';
import { toLosses, violationOf } from './observations.ts';
import type { Objective, TrialRecord } from './trial.ts';

/**
 * The finished, feasible trials that no other beats: the best one (the first of equals) where there is one objective, the
 * Pareto front where there are several.
 */
export function bestOf(trials: readonly TrialRecord[], objectives: readonly Objective[]): readonly TrialRecord[] {
  const usable = trials.filter(
    t => t.state === 'complete' && t.values !== undefined && violationOf(t.constraints) === 0,
  );
  const losses = usable.map(t => toLosses(t.values ?? [], objectives));
  if (objectives.length > 1) return paretoFront(losses).map(i => usable[i]!);
  let best = 0;
  for (let i = 1; i < losses.length; i++) if (losses[i]![0]! < losses[best]![0]!) best = i;
  return usable.slice(best, best + 1);
}
