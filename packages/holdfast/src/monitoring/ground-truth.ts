import type { LogChunk, Watermarks } from '../predlog/index.ts';

/** Reads the log from the beginning of what is not sealed. */
export interface ChunkSource {
  /** New chunks; empty when there is nothing new. */
  readNew(): Promise<readonly LogChunk[]>;
  /** Bytes read so far per segment that still exists. */
  readonly watermarks: Watermarks;
  /** Segments that will not grow any more and were read to their end. */
  readonly finished: readonly string[];
}

/** A span of event time of one version whose ground truth changed: `fromMs` inclusive, `toMs` exclusive. */
export interface TruthSpan {
  readonly model: string;
  readonly version: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Predictions of one version in a span of event time, with their ground truth where it is known. */
export interface JoinedWindow {
  /** All predictions, labelled or not. */
  readonly predictions: number;
  /** The columns asked for, of the labelled predictions only: numbers (NaN for missing), or texts (empty for missing). */
  readonly columns: ReadonlyMap<string, Float64Array | readonly string[]>;
  /** Ground truth of the labelled predictions. */
  readonly truth: readonly string[];
}

/**
 * Predictions and labels as the prediction log keeps them: what the watcher asks of its history, which must be told of
 * every chunk once, from the beginning of what is not sealed.
 */
export interface GroundTruth {
  ingest(chunks: readonly LogChunk[]): Promise<void>;
  /** The spans whose ground truth changed since the last call. */
  matchNew(): Promise<readonly TruthSpan[]>;
  scoredWindow(query: TruthSpan & { readonly columns: readonly string[] }): Promise<JoinedWindow>;
  /** Moves segments that everybody is done with into their final form; returns those that were moved. */
  seal(finished: readonly string[]): Promise<readonly string[]>;
  tidy(): Promise<void>;
}
