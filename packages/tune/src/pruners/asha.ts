import { goOn, type PruneDecision, type Pruner, type ReportedTrial, statelessPruner } from './pruner.ts';
import { highestRung, type RungOptions, rungJustReached, rungSteps, standings } from './rungs.ts';

/** Pauses at a rung unless the trial is already among the best 1/eta there. */
export function judgeAtRung(
  trial: ReportedTrial,
  trials: readonly ReportedTrial[],
  steps: readonly number[],
  eta: number,
): PruneDecision {
  const rung = rungJustReached(trial, steps);
  if (rung < 0) return goOn;
  const order = standings(trials, steps[rung]!);
  const place = order.findIndex(t => t.number === trial.number);
  if (place < Math.floor(order.length / eta)) return goOn;
  return {
    kind: 'pause',
    because: `Place ${place + 1} of ${order.length} at step ${steps[rung]}; 1 of ${eta} goes on.`,
  };
}

/** The best paused trial of the highest rung that is among the best 1/eta of its rung. */
export function promotable(
  trials: readonly ReportedTrial[],
  steps: readonly number[],
  eta: number,
): number | undefined {
  for (let rung = steps.length - 1; rung >= 0; rung--) {
    const order = standings(trials, steps[rung]!);
    const chosen = order
      .slice(0, Math.floor(order.length / eta))
      .find(t => t.state === 'paused' && highestRung(t, steps) === rung);
    if (chosen) return chosen.number;
  }
  return undefined;
}

/**
 * Asynchronous successive halving, the promoting variant: a trial pauses at every rung (minSteps * eta^k) and goes on
 * once it is among the best 1/eta of all that came so far. Nobody waits, and a late bloomer still gets its turn.
 *
 * Li et al., A system for massively parallel hyperparameter tuning, MLSys 2020, algorithm 2.
 */
export function asha(options: RungOptions): Pruner {
  const steps = rungSteps(options);
  const eta = options.eta ?? 3;
  return statelessPruner({
    name: 'asha',
    judge: ({ trial, trials }) => judgeAtRung(trial, trials, steps, eta),
    promote: trials => promotable(trials, steps, eta),
  });
}
