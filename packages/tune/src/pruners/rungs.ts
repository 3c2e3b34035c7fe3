import { TuneFault } from '../fault.ts';
import type { ReportedTrial } from './pruner.ts';
import { lossesOnReaching, ranking } from './standing.ts';

export interface RungOptions {
  /** First step at which trials are compared. @default 1 */
  readonly minSteps?: number;
  /** The step of a full evaluation; nothing is stopped at or after it. */
  readonly maxSteps: number;
  /** One of so many trials goes on at every rung. @default 3 */
  readonly eta?: number;
}

/** Steps at which trials are compared: minSteps * eta^k, below maxSteps. */
export function rungSteps(options: RungOptions): readonly number[] {
  const { minSteps = 1, maxSteps, eta = 3 } = options;
  if (!(minSteps > 0)) throw new TuneFault('bad_option', 'minSteps', 'must be above 0');
  if (!(maxSteps >= minSteps)) throw new TuneFault('bad_option', 'maxSteps', 'must be at least minSteps');
  if (!(eta > 1)) throw new TuneFault('bad_option', 'eta', 'must be above 1');
  const steps: number[] = [];
  for (let s = minSteps; s < maxSteps; s *= eta) steps.push(s);
  return steps;
}

/** The rung that the last report has reached and the report before it had not; -1 when none. */
export function rungJustReached(trial: ReportedTrial, steps: readonly number[]): number {
  const now = trial.reports.at(-1)?.step ?? -1;
  const before = trial.reports.at(-2)?.step ?? -1;
  return steps.findLastIndex(s => now >= s && before < s);
}

/** Trials that have reached a rung, best first, by what they reported there. */
export function standings(trials: readonly ReportedTrial[], step: number): readonly ReportedTrial[] {
  const there = trials.flatMap(trial => {
    const losses = trial.state === 'failed' ? undefined : lossesOnReaching(trial, step);
    return losses ? [{ trial, losses }] : [];
  });
  return ranking(there.map(t => t.losses)).map(i => there[i]!.trial);
}

/** The highest rung a trial has reached; -1 before the first. */
export function highestRung(trial: ReportedTrial, steps: readonly number[]): number {
  const last = trial.reports.at(-1)?.step ?? -1;
  return steps.findLastIndex(s => last >= s);
}
