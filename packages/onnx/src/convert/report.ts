/** One input or output of a converted model. */
export interface ConvertedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string | null)[] | undefined;
}

/** How a conversion was verified, when it was. */
export interface ConversionVerification {
  /** What the graph was compared with. */
  readonly against: string;
  readonly rows: number;
  /** Largest absolute difference of any numeric output. */
  readonly maxDifference: number;
  readonly labelsEqual: boolean;
}

/** What a conversion did, for people and as provenance. */
export interface ConversionReport {
  readonly source: {
    /** Format by content, as `sniffFile` names it. */
    readonly format: string;
    /** Framework and its version, as far as the file says. */
    readonly framework: string;
    readonly frameworkVersion: string | undefined;
    /** Class of the model, such as `RandomForestClassifier` or `binary:logistic`. */
    readonly modelClass: string;
    readonly sha256: string;
    readonly bytes: number;
  };
  readonly inputs: readonly ConvertedTensor[];
  readonly outputs: readonly ConvertedTensor[];
  readonly featureNames: readonly string[] | undefined;
  /** Class labels in the order of the probability columns. */
  readonly classes: readonly (string | number | boolean)[] | undefined;
  /** What was folded, dropped or assumed, one sentence each. */
  readonly notes: readonly string[];
  readonly verification: ConversionVerification | undefined;
}
