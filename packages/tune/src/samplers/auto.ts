import type { Sampler } from './sampler.ts';
import { tpe } from './tpe.ts';

export function auto(): Sampler {
  return tpe();
}
