import { promotable } from './asha.ts';
import { goOn, type Pruner, statelessPruner } from './pruner.ts';
import { type RungOptions, rungJustReached, rungSteps } from './rungs.ts';

/**
 * Freeze-thaw: every trial pauses at every rung (minSteps * eta^k), and the sampler decides at each ask whether a new
 * configuration or one of the paused trials promises more improvement of the final loss per step. `auto` does, with one
 * objective; with other samplers, and once no new trial may start, the best 1/eta of a rung go on as in `asha`.
 *
 * Swersky, Snoek & Adams, Freeze-thaw Bayesian optimization, arXiv:1406.3896 (2014).
 */
export function freezeThaw(options: RungOptions): Pruner {
  const steps = rungSteps(options);
  const { maxSteps, eta = 3 } = options;
  return statelessPruner({
    name: 'freeze-thaw',
    ladder: { steps, maxSteps },
    judge({ trial }) {
      const rung = rungJustReached(trial, steps);
      const now = trial.reports.at(-1)?.step ?? 0;
      if (rung < 0 || now >= maxSteps) return goOn;
      return { kind: 'pause', because: `At step ${steps[rung]} it waits until it promises more than the others.` };
    },
    promote: trials => promotable(trials, steps, eta),
  });
}
