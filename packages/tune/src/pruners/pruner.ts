import type { Rng } from '../rng.ts';
import type { Ladder } from '../samplers/sampler.ts';
import type { Json } from '../study/trial.ts';

/** Losses (less is better) of every objective at one step. */
export interface LossReport {
  readonly step: number;
  readonly losses: readonly number[];
}

/** A trial as pruners see it; reports in the order of their steps. */
export interface ReportedTrial {
  readonly number: number;
  readonly state: 'running' | 'paused' | 'complete' | 'pruned' | 'failed';
  readonly reports: readonly LossReport[];
}

export interface PruneContext {
  /** The trial that has just reported; its last report is the one to judge. */
  readonly trial: ReportedTrial;
  /** Every trial that ever ran, the judged one included, in the order of their numbers. */
  readonly trials: readonly ReportedTrial[];
  readonly rng: Rng;
}

/** What a pruner says after a report; `because` is a sentence for the trial's page. */
export type PruneDecision =
  | { readonly kind: 'continue' }
  | { readonly kind: 'prune'; readonly because: string }
  /** Stop here and keep the checkpoint: the trial may be promoted later. */
  | { readonly kind: 'pause'; readonly because: string };

export const goOn: PruneDecision = { kind: 'continue' };

/**
 * Stops trials early. A pruner keeps only what `save` returns. With several objectives trials are ranked by
 * non-domination and crowding, so every pruner works for any number of objectives.
 */
export interface Pruner {
  readonly name: string;
  /** Set when a sampler that can is to decide which paused trials go on; others leave it to `promote`. */
  readonly ladder?: Ladder;
  judge(context: PruneContext): PruneDecision;
  /** Number of a paused trial that has earned more steps. */
  promote?(trials: readonly ReportedTrial[]): number | undefined;
  /** Numbers of paused trials that will never be promoted; the study marks them pruned. */
  retire?(trials: readonly ReportedTrial[]): readonly number[];
  save(): Json;
  load(state: Json): void;
}

/** A pruner whose judgement is a function of the reports alone, so there is nothing to save. */
export function statelessPruner(pruner: Omit<Pruner, 'save' | 'load'>): Pruner {
  return { ...pruner, save: () => null, load: () => {} };
}

/** Lets every trial run to its end. */
export function noPruner(): Pruner {
  return statelessPruner({ name: 'none', judge: () => goOn });
}
