import { TuneFault } from '../fault.ts';
import { correlationAt } from '../pruners/rank-guard.ts';
import { standings } from '../pruners/rungs.ts';
import { toLosses } from '../study/observations.ts';
import type { Objective, TrialRecord } from '../study/trial.ts';

export interface LowFidelityOptions {
  /** The short budget: candidates are ranked by what they reported on reaching it. */
  readonly step: number;
  /** The ranking counts when it would have ranked the finished trials so well, Spearman's rho. @default 0.5 */
  readonly minCorrelation?: number;
  /** Trials that ran to their end, to measure the correlation on. @default 8 */
  readonly calibrationTrials?: number;
}

export type LowFidelityRanking =
  /** Numbers of the trials, best first. */
  | { readonly kind: 'ranked'; readonly order: readonly number[]; readonly correlation: number }
  | { readonly kind: 'undecided'; readonly because: 'too-few-finished' }
  | { readonly kind: 'undecided'; readonly because: 'misleading-step'; readonly correlation: number };

/**
 * Ranks many candidates by one short training, to pick those worth a long one; only when trials that ran to their end
 * show that the short training tells good from bad. With several objectives the order is by fronts, and the correlation
 * is that of the first one.
 *
 * @throws TuneFault 'bad_option'
 */
export function rankByShortBudget(
  source: { readonly trials: readonly TrialRecord[]; readonly objectives: readonly Objective[] },
  options: LowFidelityOptions,
): LowFidelityRanking {
  const { step, minCorrelation = 0.5, calibrationTrials = 8 } = options;
  if (!(step >= 0)) throw new TuneFault('bad_option', 'step', 'must be 0 or more');
  if (!Number.isInteger(calibrationTrials) || calibrationTrials < 3)
    throw new TuneFault('bad_option', 'calibrationTrials', 'must be a whole number from 3');
  const reported = source.trials.flatMap(({ number, state, reports }) => {
    if (state === 'waiting' || state === 'lost' || state === 'failed') return [];
    const losses = reports.map(r => ({ step: r.step, losses: toLosses(r.values, source.objectives) }));
    return [{ number, state, reports: losses }];
  });
  const finished = reported.filter(t => t.state === 'complete' && (t.reports.at(-1)?.step ?? 0) > step);
  if (finished.length < calibrationTrials) return { kind: 'undecided', because: 'too-few-finished' };
  const correlation = correlationAt(finished, step);
  if (correlation < minCorrelation) return { kind: 'undecided', because: 'misleading-step', correlation };
  return { kind: 'ranked', order: standings(reported, step).map(t => t.number), correlation };
}
