import type { Lineage } from '../population/population-sampler.ts';
import type { Rng } from '../rng.ts';
import type { Point, Space } from '../space/space.ts';
import type { Json } from '../study/trial.ts';

/** One trial as samplers see it: a point, and losses to be minimised whatever the direction of the objective. */
export interface Observation {
  readonly number: number;
  /**
   * complete: has finite losses · pruned: has only reports · failed: ran and gave nothing usable ·
   * pending: running, paused or enqueued.
   */
  readonly kind: 'complete' | 'pruned' | 'failed' | 'pending';
  readonly point: Point;
  /** Objectives, minimised; empty unless complete. */
  readonly losses: readonly number[];
  /** Sum of the violated constraints; 0 = feasible. */
  readonly violation: number;
  readonly constraints: readonly number[];
  /** The last report of a trial that was stopped or is under way. */
  readonly last: { readonly step: number; readonly losses: readonly number[] } | undefined;
  readonly reports: readonly { readonly step: number; readonly losses: readonly number[] }[];
}

/** Steps at which trials pause, for a sampler that decides which of them go on. */
export interface Ladder {
  /** Ascending, all below `maxSteps`. */
  readonly steps: readonly number[];
  /** The step of a full evaluation. */
  readonly maxSteps: number;
}

/** A paused trial to go on with, in place of a new one. */
export interface Resume {
  readonly resume: number;
}

/** Everything a sampler may look at when it proposes. */
export interface ProposalContext {
  readonly space: Space;
  /** Number of the trial that will get the proposal. */
  readonly number: number;
  /** In the order of their numbers. Lost trials, and trials outside the present space, are left out. */
  readonly observations: readonly Observation[];
  readonly objectives: number;
  readonly rng: Rng;
  /** Trials the study will run in all, when it is known. */
  readonly plannedTrials: number | undefined;
  /** Most trials seen running at once. */
  readonly parallelism: number;
  /** Set when the sampler decides which paused trials go on: the ladder, and the numbers of the paused trials. */
  readonly ladder?: Ladder & { readonly paused: ReadonlySet<number> };
  /** False for a configuration that was proposed before, or that breaks a known constraint. */
  accepts(point: Point): boolean;
}

/**
 * Proposes configurations. A sampler draws only from `context.rng` and keeps only what `save` returns, so that a saved
 * and loaded sampler goes on with identical proposals.
 */
export interface Sampler<Proposal extends Point | Resume = Point | Resume> {
  readonly name: string;
  /**
   * `undefined` when the sampler has nothing left to propose. The study settles the point on the grid of the space. Only
   * with `context.ladder` may a paused trial be the answer.
   */
  propose(context: ProposalContext): Proposal | undefined;
  /** Whether it decides itself which paused trials go on, in a study of so many objectives over such a space. */
  thaws?(objectives: number, space: Space): boolean;
  /** Where a trial that it proposed stands in a population; only of samplers whose trials continue each other. */
  lineage?(number: number): Lineage | undefined;
  save(): Json;
  load(state: Json): void;
}

/** Draws until a point is accepted; the last draw when none is, which the study then replaces. */
export function drawAccepted(context: ProposalContext, draw: () => Point, attempts = 32): Point {
  let point = context.space.settle(draw(), context.rng);
  for (let i = 1; i < attempts && !context.accepts(point); i++) point = context.space.settle(draw(), context.rng);
  return point;
}
