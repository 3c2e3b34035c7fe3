import { TuneFault } from '../fault.ts';
import { goOn, type PruneContext, type PruneDecision, type Pruner, statelessPruner } from './pruner.ts';
import { bestSoFar, isBelowPercentile, reportAt } from './standing.ts';

export interface PercentileOptions {
  /** Trials below this percentile of the finished ones are stopped, 0..100; lower is stricter. @default 50 */
  readonly percentile?: number;
  /** Finished trials needed before any is stopped. @default 5 */
  readonly startupTrials?: number;
  /** No trial is stopped at or before this step. @default 0 */
  readonly warmupSteps?: number;
  /** Judge only every so many steps. @default 1 */
  readonly intervalSteps?: number;
}

/**
 * Stops a trial whose best value so far is worse than a percentile of what finished trials had at the same step.
 *
 * Golovin et al., Google Vizier: a service for black-box optimization, KDD 2017, section 3.2.
 */
export function percentilePruner(options: PercentileOptions = {}): Pruner {
  const { percentile = 50, startupTrials = 5, warmupSteps = 0, intervalSteps = 1 } = options;
  if (!(percentile >= 0 && percentile <= 100)) throw new TuneFault('bad_option', 'percentile', 'must be from 0 to 100');
  if (!(intervalSteps > 0)) throw new TuneFault('bad_option', 'intervalSteps', 'must be above 0');
  const judge = ({ trial, trials }: PruneContext): PruneDecision => {
    const step = trial.reports.at(-1)?.step ?? 0;
    if (step <= warmupSteps || Math.floor(step - warmupSteps) % intervalSteps !== 0) return goOn;
    const finished = trials.filter(t => t.state === 'complete');
    const vectors = finished.flatMap(t => {
      const report = reportAt(t, step);
      return report ? [report.losses] : [];
    });
    if (finished.length < startupTrials || vectors.length === 0) return goOn;
    if (!isBelowPercentile(bestSoFar(trial), vectors, percentile)) return goOn;
    return {
      kind: 'prune',
      because: `Worse at step ${step} than the best ${percentile}% of ${vectors.length} finished trials.`,
    };
  };
  return statelessPruner({ name: 'percentile', judge });
}

/** Stops a trial that is worse than the median of the finished ones at the same step. */
export function medianPruner(options: Omit<PercentileOptions, 'percentile'> = {}): Pruner {
  return { ...percentilePruner({ ...options, percentile: 50 }), name: 'median' };
}
