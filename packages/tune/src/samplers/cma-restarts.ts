import type { Rng } from '../rng.ts';

/** What follows a run of CMA-ES that has converged. */
export type RestartPolicy = 'ipop' | 'bipop' | 'none';

/** Trials spent in each regime of a strategy with restarts. */
export interface RestartHistory {
  readonly regime: 'large' | 'small';
  /** Population of the newest run of the large regime. */
  readonly largeSize: number;
  readonly spentLarge: number;
  readonly spentSmall: number;
}

export interface Restart {
  readonly populationSize: number;
  /** Share of the first step size. */
  readonly step: number;
  readonly regime: 'large' | 'small';
}

export function firstRun(populationSize: number): RestartHistory {
  return { regime: 'large', largeSize: populationSize, spentLarge: 0, spentSmall: 0 };
}

/**
 * The next run. `ipop` doubles the population every time; `bipop` does so too, and gives as many trials to small
 * populations with small steps, which find what large steps pass over: the regime that has spent less is next.
 *
 * Auger & Hansen, A restart CMA evolution strategy with increasing population size, CEC 2005; Hansen, Benchmarking a
 * BI-population CMA-ES on the BBOB-2009 function testbed, GECCO 2009.
 */
export function nextRestart(policy: 'ipop' | 'bipop', history: RestartHistory, firstSize: number, rng: Rng): Restart {
  const isSmallNext = policy === 'bipop' && history.spentLarge > 0 && history.spentSmall < history.spentLarge;
  if (!isSmallNext) return { populationSize: 2 * history.largeSize, step: 1, regime: 'large' };
  const u = rng.next();
  const populationSize = Math.floor(firstSize * (history.largeSize / (2 * firstSize)) ** (u * u));
  return { populationSize: Math.max(4, populationSize), step: 10 ** (-2 * rng.next()), regime: 'small' };
}

/** The history after a generation of `trials`. */
export function spend(history: RestartHistory, trials: number): RestartHistory {
  return history.regime === 'large'
    ? { ...history, spentLarge: history.spentLarge + trials }
    : { ...history, spentSmall: history.spentSmall + trials };
}
