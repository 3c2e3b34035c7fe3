import type { ProposalContext } from '../samplers/sampler.ts';

/** What a terminator may look at. */
export type StopContext = Pick<ProposalContext, 'space' | 'observations' | 'objectives' | 'rng' | 'plannedTrials'>;

/** Ends a study before its budget when going on no longer pays. */
export interface Terminator {
  readonly name: string;
  shouldStop(context: StopContext): boolean;
}
