import { TuneFault } from '../fault.ts';
import { goOn, type Pruner, statelessPruner } from './pruner.ts';

export interface ThresholdOptions {
  /** Stop when a loss is above this bound. */
  readonly upper?: number;
  /** Stop when a loss is below this bound: a value too good to be true. */
  readonly lower?: number;
  /** Which objective is judged, by position. @default 0 */
  readonly objective?: number;
  /** No trial is stopped at or before this step. @default 0 */
  readonly warmupSteps?: number;
}

/** Stops a trial that leaves fixed bounds. Bounds are on the loss: the negative of an objective that is maximised. */
export function thresholdPruner(options: ThresholdOptions): Pruner {
  const {
    upper = Number.POSITIVE_INFINITY,
    lower = Number.NEGATIVE_INFINITY,
    objective = 0,
    warmupSteps = 0,
  } = options;
  if (options.upper === undefined && options.lower === undefined)
    throw new TuneFault('bad_option', 'upper', 'or lower must be given');
  if (!(lower < upper)) throw new TuneFault('bad_option', 'lower', 'must be below upper');
  return statelessPruner({
    name: 'threshold',
    judge({ trial }) {
      const last = trial.reports.at(-1);
      const loss = last?.losses[objective];
      if (last === undefined || loss === undefined || last.step <= warmupSteps) return goOn;
      if (loss > upper) return { kind: 'prune', because: `Loss ${loss} at step ${last.step} is above ${upper}.` };
      if (loss < lower) return { kind: 'prune', because: `Loss ${loss} at step ${last.step} is below ${lower}.` };
      return goOn;
    },
  });
}
