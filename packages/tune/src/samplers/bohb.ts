import { TuneFault } from '../fault.ts';
import { hyperband } from '../pruners/hyperband.ts';
import type { Pruner } from '../pruners/pruner.ts';
import type { RungOptions } from '../pruners/rungs.ts';
import { atDeepestStep } from './estimate-final.ts';
import { drawAccepted, type ProposalContext, type Sampler } from './sampler.ts';
import { tpe } from './tpe.ts';

export interface BohbOptions {
  /** Trials that must have reached a step before it is modelled. @default dimensions + 3 */
  readonly startupTrials?: number;
  /** Share of the trials at the modelled step that count as good, above 0 and below 1. @default 0.15 */
  readonly goodShare?: number;
  /** Candidates scored a suggestion. @default 64 */
  readonly candidates?: number;
  /** Share of proposals drawn at random. @default 1/3 */
  readonly randomShare?: number;
}

/**
 * The sampler of BOHB: a multivariate tree-structured Parzen estimator over the losses at the deepest step that enough
 * trials have reached, and random proposals in between, so that misleading early steps cannot capture the search.
 *
 * Falkner, Klein & Hutter, BOHB: robust and efficient hyperparameter optimization at scale, ICML 2018.
 */
export function bohbSampler(options: BohbOptions = {}): Sampler {
  const { goodShare = 0.15, candidates = 64, randomShare = 1 / 3 } = options;
  if (!(goodShare > 0 && goodShare < 1)) throw new TuneFault('bad_option', 'goodShare', 'must be between 0 and 1');
  if (!(randomShare >= 0 && randomShare <= 1)) throw new TuneFault('bad_option', 'randomShare', 'must be from 0 to 1');
  const model = tpe({ startupTrials: 0, candidates, mode: 'multivariate', gamma: n => Math.ceil(goodShare * n) });
  return {
    name: 'bohb',
    propose(context: ProposalContext) {
      const needed = Math.max(2, options.startupTrials ?? context.space.size + 3);
      const deepest = atDeepestStep(context.observations, needed);
      if (deepest === undefined || context.rng.next() < randomShare)
        return drawAccepted(context, () => context.space.random(context.rng));
      const underWay = context.observations.filter(o => o.kind === 'pending' && o.last === undefined);
      return model.propose({ ...context, observations: [...deepest, ...underWay] });
    },
    save: () => null,
    load: () => {},
  };
}

/**
 * BOHB: what to pass to a study as its sampler and pruner; `createStudy({ space, ...bohb({ maxSteps: 81 }) })`.
 */
export function bohb(options: RungOptions & BohbOptions): { readonly sampler: Sampler; readonly pruner: Pruner } {
  return { sampler: bohbSampler(options), pruner: hyperband(options) };
}
