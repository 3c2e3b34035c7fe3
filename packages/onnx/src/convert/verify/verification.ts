import type { NamedTensor } from './tensor.ts';

/** How a converted model was checked against its source, and how far apart the two were. */
export interface Verification {
  /**
   * `agrees`: every compared element is within its bar; `partly`: only some outputs could be compared;
   * `not-compared`: there was nothing to compare with, only the graph itself was exercised.
   */
  readonly kind: 'agrees' | 'partly' | 'not-compared';
  /** What the graph was compared with, or why it was not, as a sentence. */
  readonly how: string;
  /** Rows of the random inputs. */
  readonly rows: number;
  /** Elements that were compared with the source. */
  readonly compared: number;
  /** The largest difference from the source, absolute up to 1 and relative above; absent when nothing was compared. */
  readonly largestDifference?: number;
  /** The difference that would have been refused. */
  readonly bar?: number;
  /** Row counts that gave the same answer, such as 1, 0 and 300 rows. */
  readonly consistency: string;
}

/** One output as the source computes it. */
export interface ReferenceOutput {
  readonly name: string;
  readonly values: readonly (number | string)[];
  /** Rows in which the source itself is within rounding of a tie, so that either label is right. */
  readonly undecided?: ReadonlySet<number>;
}

/** The source model, computed by something that is not the graph. */
export interface SourceReference {
  /** What computes, for the report: "an evaluator that walks the trees of the source". */
  readonly describes: string;
  /** Largest difference allowed, absolute up to 1 and relative above. */
  readonly bar: number;
  /** What to draw each input column from; columns of one matrix follow each other. */
  readonly columns: readonly ColumnSampler[];
  /** Outputs for rows of the columns, each output row by row. Outputs left out are not compared. */
  evaluate(rows: readonly (readonly (number | string)[])[]): readonly ReferenceOutput[];
}

/** What one input column is drawn from. */
export type ColumnSampler =
  | {
      readonly kind: 'number';
      /** Values at which the source changes its mind; draws lie on them and just beside them. */
      readonly cuts: readonly number[];
      /** Draws around these, when there are no cuts. */
      readonly center: number;
      readonly spread: number;
      /** Whether the source accepts a missing value (NaN). */
      readonly mayMiss: boolean;
      /** Whole numbers only, such as codes of categories. */
      readonly whole?: boolean;
    }
  | { readonly kind: 'text'; readonly values: readonly string[] };

/** The source model run as a whole by its own engine, on tensors. */
export interface SourceEngine {
  /** What computes, for the report: "TensorFlow.js 4.22.0". */
  readonly describes: string;
  /** Largest difference allowed, absolute up to 1 and relative above. */
  readonly bar: number;
  /** Outputs under the names the graph gives them. */
  evaluate(inputs: readonly NamedTensor[]): Promise<readonly NamedTensor[]>;
}

/** Something to compare with, or the reason why there is nothing. */
export type Comparable =
  | { readonly kind: 'rows'; readonly reference: SourceReference }
  | { readonly kind: 'engine'; readonly engine: SourceEngine }
  | { readonly kind: 'none'; readonly because: string };
