import { TuneFault } from '../fault.ts';
import { spearman } from '../maths/rank-correlation.ts';
import { goOn, type Pruner, type ReportedTrial } from './pruner.ts';
import { reportAt } from './standing.ts';

export interface RankGuardOptions {
  /** A step is trusted when its losses rank finished trials at least so well, Spearman's rho. @default 0.5 */
  readonly minCorrelation?: number;
  /** Trials that run to their end before anything is stopped: they are what is measured. @default 8 */
  readonly calibrationTrials?: number;
}

/** Rank correlation between the losses at a step and the last losses, over trials that ran to their end. */
export function correlationAt(finished: readonly ReportedTrial[], step: number): number {
  const early: number[] = [];
  const late: number[] = [];
  for (const trial of finished) {
    const then = reportAt(trial, step)?.losses[0];
    const last = trial.reports.at(-1)?.losses[0];
    if (then === undefined || last === undefined) continue;
    early.push(then);
    late.push(last);
  }
  return early.length < 3 ? 0 : spearman(early, late);
}

/**
 * Keeps a pruner from stopping trials at steps that do not tell good from bad. Early losses can rank configurations
 * almost at random (boosting with small learning rates is the classic trap): this wrapper lets some trials run to their
 * end, measures how well each step would have ranked them, and lets the inner pruner act only at steps that rank well.
 * The grace period so follows the evidence, up and down. With several objectives the first one is measured.
 */
export function rankGuard(inner: Pruner, options: RankGuardOptions = {}): Pruner {
  const { minCorrelation = 0.5, calibrationTrials = 8 } = options;
  if (!(minCorrelation >= -1 && minCorrelation <= 1))
    throw new TuneFault('bad_option', 'minCorrelation', 'must be from -1 to 1');
  if (!Number.isInteger(calibrationTrials) || calibrationTrials < 3)
    throw new TuneFault('bad_option', 'calibrationTrials', 'must be a whole number from 3');
  return {
    name: `rank-guard(${inner.name})`,
    judge(context) {
      const finished = context.trials.filter(t => t.state === 'complete' && t.reports.length > 1);
      if (finished.length < calibrationTrials) return goOn;
      const step = context.trial.reports.at(-1)?.step ?? 0;
      return correlationAt(finished, step) < minCorrelation ? goOn : inner.judge(context);
    },
    ...(inner.promote && { promote: inner.promote.bind(inner) }),
    ...(inner.retire && { retire: inner.retire.bind(inner) }),
    save: () => inner.save(),
    load: state => inner.load(state),
  };
}
