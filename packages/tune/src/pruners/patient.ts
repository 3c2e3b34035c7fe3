import { TuneFault } from '../fault.ts';
import { least } from '../maths/extremes.ts';
import { goOn, type Pruner, type ReportedTrial } from './pruner.ts';

export interface PatientOptions {
  /** Reports without progress that are tolerated. */
  readonly patience: number;
  /** Progress smaller than this does not count. @default 0 */
  readonly minDelta?: number;
}

/** Whether the last `patience` reports brought no objective below what it had reached before them. */
function hasStalled(trial: ReportedTrial, patience: number, minDelta: number): boolean {
  const split = trial.reports.length - patience;
  if (split < 1) return false;
  const lowest = (from: number, to: number, objective: number): number =>
    least(trial.reports.slice(from, to).map(r => r.losses[objective]!));
  return trial.reports[0]!.losses.every(
    (_, i) => lowest(split, trial.reports.length, i) >= lowest(0, split, i) - minDelta,
  );
}

/**
 * Stops a trial that has made no progress for a while, either at once (plain early stopping) or when the wrapped
 * pruner wants it stopped as well.
 */
export function patientPruner(options: PatientOptions, inner?: Pruner): Pruner {
  const { patience, minDelta = 0 } = options;
  if (!Number.isInteger(patience) || patience < 1)
    throw new TuneFault('bad_option', 'patience', 'must be a whole number from 1');
  if (!(minDelta >= 0)) throw new TuneFault('bad_option', 'minDelta', 'must be 0 or more');
  return {
    name: inner ? `patient(${inner.name})` : 'patient',
    judge(context) {
      if (!hasStalled(context.trial, patience, minDelta)) return goOn;
      return inner?.judge(context) ?? { kind: 'prune', because: `No progress in the last ${patience} reports.` };
    },
    ...(inner?.promote && { promote: inner.promote.bind(inner) }),
    ...(inner?.retire && { retire: inner.retire.bind(inner) }),
    save: () => inner?.save() ?? null,
    load: state => inner?.load(state),
  };
}
