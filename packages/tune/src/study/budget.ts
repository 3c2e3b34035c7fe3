import { TuneFault } from '../fault.ts';
import type { TrialRecord } from './trial.ts';

/** Whatever is spent first ends the study. A budget is a total over the whole life of the study, resumes included. */
export interface Budget {
  /** Trials in all; repeats of lost trials and imported trials do not count. */
  readonly trials?: number;
  /** Time since the first ask. */
  readonly durationMs?: number;
  /** Sum of the costs told. */
  readonly cost?: number;
}

export function checkBudget(budget: Budget): Budget {
  for (const [key, value] of Object.entries(budget))
    if (value !== undefined && !(value > 0)) throw new TuneFault('bad_option', `budget.${key}`, 'must be above 0');
  return budget;
}

/** Trials that count: a repeat stands for the lost trial that it repeats, and knowledge brought along is free. */
export function spentTrials(trials: Iterable<TrialRecord>): number {
  let count = 0;
  for (const t of trials) if (t.retryOf === undefined && t.origin !== 'warm-start' && t.state !== 'waiting') count++;
  return count;
}

export function spentBudget(
  budget: Budget,
  trials: readonly TrialRecord[],
  elapsedMs: number,
): 'trials' | 'duration' | 'cost' | undefined {
  if (budget.trials !== undefined && spentTrials(trials) >= budget.trials) return 'trials';
  if (budget.durationMs !== undefined && elapsedMs >= budget.durationMs) return 'duration';
  if (budget.cost !== undefined && trials.reduce((sum, t) => sum + (t.cost ?? 0), 0) >= budget.cost) return 'cost';
  return undefined;
}
