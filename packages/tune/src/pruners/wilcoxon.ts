import { TuneFault } from '../fault.ts';
import { signedRankGreater } from '../maths/signed-rank.ts';
import { goOn, type PruneDecision, type Pruner, type ReportedTrial, statelessPruner } from './pruner.ts';

export interface WilcoxonOptions {
  /** A trial is stopped when it would be so much worse by chance with less than this probability. @default 0.1 */
  readonly pThreshold?: number;
  /** Shared steps needed before a trial is judged. @default 2 */
  readonly startupSteps?: number;
}

/** Loss of every step. */
function byStep(trial: ReportedTrial): ReadonlyMap<number, number> {
  return new Map(trial.reports.map(r => [r.step, r.losses[0]!]));
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

/** The finished trial with the least mean loss over its steps. */
function bestFinished(trials: readonly ReportedTrial[]): ReportedTrial | undefined {
  let best: { readonly trial: ReportedTrial; readonly loss: number } | undefined;
  for (const trial of trials) {
    if (trial.state !== 'complete' || trial.reports.length === 0) continue;
    const loss = mean(trial.reports.map(r => r.losses[0]!));
    if (best === undefined || loss < best.loss) best = { trial, loss };
  }
  return best?.trial;
}

/**
 * For steps that are separate measurements of one configuration, such as the folds of a cross-validation: stops a trial
 * whose folds are significantly worse than the same folds of the best finished trial (Wilcoxon signed-rank test). A trial
 * whose mean over its folds so far is better than that of the best is never stopped. With several objectives the first
 * one is tested. Not for learning curves: their steps are not comparable measurements.
 */
export function wilcoxonPruner(options: WilcoxonOptions = {}): Pruner {
  const { pThreshold = 0.1, startupSteps = 2 } = options;
  if (!(pThreshold > 0 && pThreshold < 1)) throw new TuneFault('bad_option', 'pThreshold', 'must be between 0 and 1');
  if (!Number.isInteger(startupSteps) || startupSteps < 1)
    throw new TuneFault('bad_option', 'startupSteps', 'must be a whole number from 1');
  return statelessPruner({
    name: 'wilcoxon',
    judge({ trial, trials }): PruneDecision {
      const best = bestFinished(trials);
      if (!best || best.number === trial.number) return goOn;
      const theirs = byStep(best);
      const ours = [...byStep(trial)];
      const differences = ours.flatMap(([step, loss]) => {
        const other = theirs.get(step);
        return other === undefined ? [] : [loss - other];
      });
      if (differences.length < startupSteps) return goOn;
      if (mean(ours.map(([, loss]) => loss)) < mean([...theirs.values()])) return goOn;
      const p = signedRankGreater(differences);
      if (p >= pThreshold) return goOn;
      return {
        kind: 'prune',
        because: `Worse than trial ${best.number} on ${differences.length} shared steps (p = ${p.toPrecision(2)}).`,
      };
    },
  });
}
