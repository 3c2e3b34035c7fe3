import type { SpaceSpec } from '../space/params.ts';
import type { Json, Objective, TrialRecord } from './trial.ts';

/** A study as plain JSON. */
export interface StudySnapshot {
  readonly format: 1;
  readonly name: string;
  readonly seed: number;
  readonly space: SpaceSpec;
  readonly objectives: readonly Objective[];
  readonly trials: readonly TrialRecord[];
  readonly revision: number;
  readonly startedAtMs?: number;
  readonly parallelism: number;
  readonly sampler: { readonly name: string; readonly state: Json };
  readonly pruner: { readonly name: string; readonly state: Json };
}

/** What has changed in a stored study since it was last read. */
export interface StudyChanges {
  /** Changed and new trials, whole records, in the order of their numbers. */
  readonly trials: readonly TrialRecord[];
  readonly revision: number;
  readonly parallelism: number;
  readonly startedAtMs?: number;
  /** What the sampler and the pruner had saved; left as they are when absent. */
  readonly sampler?: Json;
  readonly pruner?: Json;
}
