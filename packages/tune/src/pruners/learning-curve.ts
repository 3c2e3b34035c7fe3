import { normalCdf } from '@holdfast/stats';
import { TuneFault } from '../fault.ts';
import { least } from '../maths/extremes.ts';
import { extrapolateCurve } from '../maths/learning-curve.ts';
import { goOn, type PruneDecision, type Pruner, statelessPruner } from './pruner.ts';

export interface LearningCurveOptions {
  /** The step of a full evaluation, to which curves are extrapolated. */
  readonly maxSteps: number;
  /** A trial is stopped when it will not beat the best with at least this probability. @default 0.95 */
  readonly confidence?: number;
  /** Reports needed before a trial is judged; at least 4. @default 5 */
  readonly startupReports?: number;
}

/**
 * Stops a trial whose learning curve, extrapolated to the last step, is unlikely to beat the best finished trial. Looks at
 * the trial's own curve alone, so it knows a slow starter from a poor one, which rank-based pruners cannot. With several
 * objectives a trial is stopped when it is unlikely to beat the best in any of them.
 *
 * Domhan, Springenberg & Hutter, Speeding up automatic hyperparameter optimization of deep neural networks by
 * extrapolation of learning curves, IJCAI 2015.
 */
export function learningCurvePruner(options: LearningCurveOptions): Pruner {
  const { maxSteps, confidence = 0.95, startupReports = 5 } = options;
  if (!(maxSteps > 0)) throw new TuneFault('bad_option', 'maxSteps', 'must be above 0');
  if (!(confidence > 0.5 && confidence < 1))
    throw new TuneFault('bad_option', 'confidence', 'must be between 0.5 and 1');
  if (!Number.isInteger(startupReports) || startupReports < 4)
    throw new TuneFault('bad_option', 'startupReports', 'must be a whole number from 4');
  return statelessPruner({
    name: 'learning-curve',
    judge({ trial, trials }): PruneDecision {
      const { reports } = trial;
      if (reports.length < startupReports || reports.at(-1)!.step >= maxSteps) return goOn;
      const finished = trials.filter(t => t.state === 'complete' && t.reports.length > 0);
      if (finished.length === 0) return goOn;
      let hope = 0;
      for (let k = 0; k < reports[0]!.losses.length; k++) {
        const best = least(finished.map(t => t.reports.at(-1)!.losses[k]!));
        const forecast = extrapolateCurve(
          reports.map(r => r.step),
          reports.map(r => r.losses[k]!),
          maxSteps,
        );
        if (!forecast) return goOn;
        const { mean, deviation } = forecast;
        hope = Math.max(hope, deviation > 0 ? normalCdf((best - mean) / deviation) : Number(mean < best));
      }
      if (hope > 1 - confidence) return goOn;
      return { kind: 'prune', because: `Beats the best at step ${maxSteps} with probability ${hope.toPrecision(2)}.` };
    },
  });
}
