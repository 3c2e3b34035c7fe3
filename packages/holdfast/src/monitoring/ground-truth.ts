import type { LogChunk } from '../predlog/index.ts';
import type { ScoredRows } from './performance/scored-rows.ts';
import type { WatchDatabase } from './store/watch-store.ts';

/** A span of event time of one version in which ground truth is new. */
export interface TruthSpan {
  readonly model: string;
  readonly version: number;
  readonly fromMs: number;
  /** Inclusive. */
  readonly toMs: number;
}

/** Predictions of one version in a span of event time, with what is known of their outcome. */
export interface ScoredSpan {
  /** All predictions, labelled or not. */
  readonly predictions: number;
  readonly labelled: ScoredRows;
}

/** Joins predictions with their ground truth. */
export interface GroundTruth {
  /** Takes new chunks inside the caller's transaction; says where ground truth arrived. */
  join(db: WatchDatabase, chunks: readonly LogChunk[]): Promise<readonly TruthSpan[]>;
  /** Event time from `fromMs` to `toMs` (exclusive). */
  scored(model: string, version: number, fromMs: number, toMs: number): Promise<ScoredSpan>;
}
