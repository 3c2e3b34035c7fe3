import type { Sampler } from './sampler.ts';
import { drawAccepted } from './sampler.ts';

/**
 * Independent uniform draws (log-uniform where the parameter asks for it). The baseline for every other sampler.
 *
 * Bergstra & Bengio, Random search for hyper-parameter optimization, JMLR 13 (2012).
 */
export function random(): Sampler {
  return {
    name: 'random',
    propose: context => drawAccepted(context, () => context.space.random(context.rng)),
    save: () => null,
    load: () => {},
  };
}
