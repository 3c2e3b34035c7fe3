import type { Rng } from '../rng.ts';
import type { ProposalContext } from '../samplers/sampler.ts';

/** What a terminator may look at. */
export interface StopContext extends Pick<ProposalContext, 'space' | 'observations' | 'objectives' | 'plannedTrials'> {
  /** In the order in which the trials ended, so that a prefix of them is the same whichever worker looks; others last. */
  readonly observations: ProposalContext['observations'];
  /** Streams of the terminator's own, by a number of its choice: what it draws changes no suggestion. */
  rng(stream: number): Rng;
}

/** Ends a study before its budget when going on no longer pays. */
export interface Terminator {
  readonly name: string;
  shouldStop(context: StopContext): boolean;
}
