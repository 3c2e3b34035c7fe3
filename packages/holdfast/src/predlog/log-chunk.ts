import type { FaultCode } from '@holdfast/api';

/** Where a chunk stands in the log: it fills the bytes `offset` to `end` (exclusive) of `segment`. */
export interface ChunkPlace {
  /** Name of the segment without its state suffix; it never changes and is never used again. */
  readonly segment: string;
  readonly offset: number;
  readonly end: number;
}

/**
 * How far a consumer has come: bytes consumed per segment. Persist it in the same transaction as what was derived from
 * these bytes, and derived state is exact after any crash.
 */
export type Watermarks = Readonly<Record<string, number>>;

/** A number per row. */
export interface NumericColumn {
  readonly kind: 'numeric';
  readonly name: string;
  readonly role: 'input' | 'output';
  /** NaN where the value is missing: it was NaN, or its optional tensor was left out. Integers beyond 2^53 are rounded. */
  readonly values: Float64Array;
  /** How many of `values` are NaN. */
  readonly missing: number;
}

/**
 * A text per row: every column of text, and every column that the signature calls categorical, text or id, whatever its
 * dtype (whole numbers as decimal text, truth values as `true` and `false`).
 */
export interface CategoricalColumn {
  readonly kind: 'categorical';
  readonly name: string;
  readonly role: 'input' | 'output';
  /** Each distinct text once; an empty text is a value. Personal data appears as its hash. */
  readonly dictionary: readonly string[];
  /** Per row, the index into `dictionary`; -1 where the value is missing. */
  readonly codes: Int32Array;
  /** How many of `codes` are -1. */
  readonly missing: number;
}

export type LogColumn = NumericColumn | CategoricalColumn;

/** The requests that a prediction chunk holds, one entry each; the rows of a request stand together. */
export interface ChunkRequests {
  readonly count: number;
  /** `count + 1` entries: request r has the rows `firstRow[r]` to `firstRow[r + 1]` (exclusive). */
  readonly firstRow: Int32Array;
  readonly ids: readonly string[];
  /** The caller's key, undefined when it gave none. */
  readonly keys: readonly (string | undefined)[];
  /** `name=value` pairs, comma separated, as the caller sent them; undefined when it sent none. */
  readonly tags: readonly (string | undefined)[];
  readonly latencyUs: Float64Array;
}

/** Rows answered by one version of one model, column by column. */
export interface PredictionChunk {
  readonly kind: 'predictions';
  readonly place: ChunkPlace;
  readonly model: string;
  readonly version: number;
  readonly rows: number;
  /** Per row: the time it speaks of, ms since epoch; the time it was received when the caller gave none. */
  readonly eventMs: Float64Array;
  /** How many rows carry an event time of the caller's own. */
  readonly explicitEventRows: number;
  /** Per row, ms since epoch. */
  readonly receivedMs: Float64Array;
  readonly requests: ChunkRequests;
  /** The monitored columns in the order of the signature, without those kept as raw tensors. */
  readonly columns: readonly LogColumn[];
}

/** Requests that failed, counted. */
export interface ErrorChunk {
  readonly kind: 'errors';
  readonly place: ChunkPlace;
  readonly counts: readonly ErrorCount[];
}

export interface ErrorCount {
  readonly model: string;
  readonly version: number;
  /** Start of the minute of event time, ms since epoch. */
  readonly minuteMs: number;
  readonly code: FaultCode;
  readonly count: number;
}

/** Ground truth for predictions of one model, as it arrived. */
export interface LabelChunk {
  readonly kind: 'labels';
  readonly place: ChunkPlace;
  readonly model: string;
  readonly rows: number;
  /** Either this or the key is given. */
  readonly predictionIds: readonly (string | undefined)[];
  readonly keys: readonly (string | undefined)[];
  readonly values: readonly string[];
  /** Per label: when it became known, ms since epoch. */
  readonly eventMs: Float64Array;
  readonly receivedMs: number;
}

export type LogChunk = PredictionChunk | ErrorChunk | LabelChunk;

/** The id of row `row` of request `request`: a single row carries the request's id, row i of several `<id>/<i>`. */
export function rowIdentity(identity: string, rowsInRequest: number, rowInRequest: number): string {
  return rowsInRequest === 1 ? identity : `${identity}/${rowInRequest}`;
}

/** True when a consumer that has come as far as `watermarks` has already consumed the chunk at `place`. */
export function isConsumed(watermarks: Watermarks, place: ChunkPlace): boolean {
  return place.offset < (watermarks[place.segment] ?? 0);
}
