import type { AskAnswer, PruneAnswer, ScalarValue, trialOutcomeSchema } from '@holdfast/api';
import type { z } from 'zod';

/** How a trial ended, as it is told. */
export type TrialOutcome = z.output<typeof trialOutcomeSchema>;

/**
 * One study that many workers share, wherever it is stored. A trial is held by the worker that asked for it, which
 * proves it with the claim that came with the trial; what comes from anybody else is refused and counts for nothing.
 */
export interface StudyHandle {
  readonly name: string;
  /** The next trial; waits while another worker's suggestion is being worked out. */
  ask(worker: string, signal?: AbortSignal): Promise<AskAnswer>;
  /** Values of one step, every objective; answers whether to go on. Steps that were reported before are ignored. */
  report(number: number, claim: number, step: number, values: readonly number[]): Promise<PruneAnswer>;
  /** Ends a trial; the same outcome told again does no harm. */
  tell(number: number, claim: number, outcome: TrialOutcome): Promise<void>;
  /** Says that the worker lives. */
  heartbeat(number: number, claim: number): Promise<void>;
  /** Gives a trial back unfinished: the next ask hands it out again. */
  release(number: number, claim: number): Promise<void>;
  /** Queues a configuration by its flat names; answers the number of its trial. */
  enqueue(params: Readonly<Record<string, ScalarValue>>): Promise<number>;
}
