import { judgeAtRung, promotable } from './asha.ts';
import { type Pruner, type ReportedTrial, statelessPruner } from './pruner.ts';
import { type RungOptions, rungSteps } from './rungs.ts';

/** Trials each bracket s gets in one round: ceil(eta^s (sMax + 1) / (s + 1)), from the boldest bracket to none. */
export function bracketSizes(rungs: number, eta: number): readonly number[] {
  return Array.from({ length: rungs + 1 }, (_, i) => Math.ceil(eta ** (rungs - i) * ((rungs + 1) / (rungs - i + 1))));
}

/**
 * Hyperband with asynchronous brackets: bracket i skips the first i rungs, so some trials are judged early and some
 * only late, which protects against budgets that mislead. A trial's bracket follows from its number alone.
 *
 * Li et al., Hyperband: a novel bandit-based approach to hyperparameter optimization, JMLR 18 (2018).
 */
export function hyperband(options: RungOptions): Pruner {
  const steps = rungSteps(options);
  const eta = options.eta ?? 3;
  const sizes = bracketSizes(steps.length, eta);
  const round = sizes.reduce((a, b) => a + b, 0);
  const bracketOf = (number: number): number => {
    let rest = number % round;
    return sizes.findIndex(size => {
      rest -= size;
      return rest < 0;
    });
  };
  const members = (trials: readonly ReportedTrial[], bracket: number): readonly ReportedTrial[] =>
    trials.filter(t => bracketOf(t.number) === bracket);
  return statelessPruner({
    name: 'hyperband',
    judge({ trial, trials }) {
      const bracket = bracketOf(trial.number);
      return judgeAtRung(trial, members(trials, bracket), steps.slice(bracket), eta);
    },
    promote(trials) {
      for (let bracket = 0; bracket < sizes.length; bracket++) {
        const number = promotable(members(trials, bracket), steps.slice(bracket), eta);
        if (number !== undefined) return number;
      }
      return undefined;
    },
  });
}
