import type { ColumnReader } from '../profiles/column-values.ts';

/** Predictions of one version whose ground truth is known. */
export interface ScoredRows {
  /** Rows with ground truth. */
  readonly rows: number;
  /** Output columns of these rows. */
  readonly columnOf: ColumnReader;
  /** What really happened, one text per row. */
  readonly truth: readonly string[];
}
