import { TuneFault } from '../fault.ts';
import { goOn, type Pruner, type ReportedTrial, statelessPruner } from './pruner.ts';
import { highestRung, type RungOptions, rungJustReached, rungSteps, standings } from './rungs.ts';

export interface SuccessiveHalvingOptions extends RungOptions {
  /** Trials that start together; their best 1/eta go on at every rung. @default eta ^ number of rungs */
  readonly cohort?: number;
}

/**
 * Synchronous successive halving: cohorts of trials (by number) stop at each rung until the whole cohort is there, then
 * the best 1/eta go on and the others are pruned. Asks beyond a waiting cohort start the next one.
 *
 * Jamieson & Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016.
 */
export function successiveHalving(options: SuccessiveHalvingOptions): Pruner {
  const steps = rungSteps(options);
  const eta = options.eta ?? 3;
  const cohort = options.cohort ?? Math.round(eta ** steps.length);
  if (!Number.isInteger(cohort) || cohort < 2)
    throw new TuneFault('bad_option', 'cohort', 'must be a whole number from 2');
  const cohorts = (trials: readonly ReportedTrial[]): readonly (readonly ReportedTrial[])[] => {
    const byCohort = new Map<number, ReportedTrial[]>();
    for (const t of trials)
      byCohort.set(Math.floor(t.number / cohort), [...(byCohort.get(Math.floor(t.number / cohort)) ?? []), t]);
    return [...byCohort.values()];
  };
  /** Paused trials of rungs where nobody is still expected, split into those that go on and those that do not. */
  const decided = (members: readonly ReportedTrial[]): { readonly on: number[]; readonly off: number[] } => {
    const on: number[] = [];
    const off: number[] = [];
    steps.forEach((step, rung) => {
      const survivors = Math.floor(cohort / eta ** rung);
      const order = standings(members, step);
      const ended = members.filter(t => t.state === 'failed' && highestRung(t, steps) < rung).length;
      if (order.length + ended < Math.max(1, survivors)) return;
      order.forEach((t, place) => {
        if (t.state !== 'paused' || highestRung(t, steps) !== rung) return;
        (place < Math.max(1, Math.floor(survivors / eta)) ? on : off).push(t.number);
      });
    });
    return { on, off };
  };
  return statelessPruner({
    name: 'successive-halving',
    judge({ trial }) {
      const rung = rungJustReached(trial, steps);
      return rung < 0 ? goOn : { kind: 'pause', because: `Waiting at step ${steps[rung]} for the rest of its cohort.` };
    },
    promote: trials => cohorts(trials).flatMap(c => decided(c).on)[0],
    retire: trials => cohorts(trials).flatMap(c => decided(c).off),
  });
}
