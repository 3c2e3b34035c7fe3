import type { NamedTensor } from './tensor.ts';

/** How far an output of the graph may be from the same output of its source. */
export type Bar =
  /** Every element: the difference is at most `absolute`, or at most `relative` times the source's value. */
  | { readonly kind: 'near'; readonly absolute: number; readonly relative: number }
  /** Quantised outputs: at least this share of the elements is at most `steps` times `stepSize` apart. */
  | { readonly kind: 'steps'; readonly steps: number; readonly stepSize: number; readonly share: number };

/** The same number as the absolute bar up to 1 and the relative one above. */
export function nearly(bar: number): Bar {
  return { kind: 'near', absolute: bar, relative: bar };
}

/** How far one output was from its source. */
export interface ComparedOutput {
  readonly name: string;
  /** Elements that were compared. */
  readonly elements: number;
  readonly bar: Bar;
  /** The largest difference of all elements. */
  readonly largestAbsolute: number;
  /** The largest difference relative to the source's value, where that value is large enough for the relative bar to count. */
  readonly largestRelative?: number;
  /** For quantised outputs, the share of the elements that are more steps apart than the bar has. */
  readonly shareBeyond?: number;
}

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
  /** The outputs that were compared, each with its bar; empty when there was nothing to compare with. */
  readonly outputs: readonly ComparedOutput[];
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
  readonly bar: Bar;
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

/** One output as the engine of the source's framework computes it. */
export interface EngineOutput {
  readonly name: string;
  readonly values: readonly (number | string)[];
  readonly bar: Bar;
}

/** What an engine answers: outputs under the names the graph gives them, per batch of inputs; or why it cannot. */
export type EngineAnswer =
  | {
      readonly kind: 'outputs';
      /** What computed, for the report: "TensorFlow.js 4.22.0". */
      readonly describes: string;
      readonly batches: readonly (readonly EngineOutput[])[];
    }
  | { readonly kind: 'none'; readonly because: string };

/** The source model run as a whole by the engine of its own framework. */
export interface SourceEngine {
  /**
   * Shapes that the engine takes of some inputs, where it is less free than the graph; inputs of the graph that are in
   * neither list get zeros, such as states. Undefined when it takes whatever the graph takes.
   */
  readonly shapes?: ReadonlyMap<string, readonly number[]>;
  evaluate(batches: readonly (readonly NamedTensor[])[]): Promise<EngineAnswer>;
}

/** Something to compare with, or the reason why there is nothing. */
export type Comparable =
  | { readonly kind: 'rows'; readonly reference: SourceReference }
  | { readonly kind: 'none'; readonly because: string };
