import type { FlatParams, NestedParams } from '../space/space.ts';

/** Plain JSON, as it is stored. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * waiting: enqueued or given back, nobody has it · running: leased to a worker · paused: stopped at a step, may be resumed ·
 * complete: told its values · pruned: stopped early for good · failed: told an error or values that are not finite ·
 * lost: its worker stopped sending heartbeats.
 */
export type TrialState = 'waiting' | 'running' | 'paused' | 'complete' | 'pruned' | 'failed' | 'lost';

/** Values of every objective at one step (epoch, round, fold), in the order of the objectives. */
export interface StepReport {
  readonly step: number;
  readonly values: readonly number[];
}

/** One evaluation, as it is stored. */
export interface TrialRecord {
  readonly number: number;
  readonly state: TrialState;
  readonly params: FlatParams;
  /** Who proposed it: a sampler's name, 'enqueued', 'default', 'warm-start' or 'retry'. */
  readonly origin: string;
  readonly values?: readonly number[];
  /** One number a constraint; 0 or less means that it is met. */
  readonly constraints?: readonly number[];
  readonly reports: readonly StepReport[];
  /** What the evaluation cost, in the unit of the study's cost budget. */
  readonly cost?: number;
  readonly reason?: string;
  /** The lost trial that this one repeats. */
  readonly retryOf?: number;
  /** How often this configuration was handed out before, not counting this time. */
  readonly retries: number;
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  /** A running trial without a heartbeat until then is lost. */
  readonly leaseUntilMs?: number;
  /** Grows with every change of the study, so that a store can write only what is new. */
  readonly revision: number;
}

/** A trial handed to a worker. */
export interface RunningTrial<P = NestedParams> {
  readonly number: number;
  readonly params: P;
  readonly flat: FlatParams;
  /** Set when a paused or released trial goes on: the last step it has reported. */
  readonly resumeFrom?: number;
}

/** What a worker tells at the end. */
export type Outcome =
  | {
      readonly kind: 'complete';
      readonly values: readonly number[];
      readonly constraints?: readonly number[];
      readonly cost?: number;
    }
  | { readonly kind: 'failed'; readonly reason: string; readonly cost?: number }
  | { readonly kind: 'pruned'; readonly cost?: number; readonly constraints?: readonly number[] }
  | { readonly kind: 'paused'; readonly cost?: number };

export interface Objective {
  readonly name: string;
  readonly direction: 'minimize' | 'maximize';
}

/** What ask answers. */
export type Ask<P = NestedParams> =
  | { readonly kind: 'trial'; readonly trial: RunningTrial<P> }
  /** Every configuration of the space has been proposed. */
  | { readonly kind: 'exhausted' }
  | { readonly kind: 'finished'; readonly because: 'trials' | 'duration' | 'cost' | 'terminator' | 'sampler' };
