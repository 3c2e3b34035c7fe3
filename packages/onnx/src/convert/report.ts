/** One input or output of a converted model. */
export interface ConvertedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly (number | string | null)[] | undefined;
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
}

/** What every converter is told besides the bytes. */
export interface ConverterSettings {
  /** Version written into the model as that of its producer. */
  readonly producerVersion: string;
  /** Boosting rounds to use, or undefined for what the saved object itself uses. */
  readonly rounds: number | undefined;
  /** Tensors to take as inputs, where the source leaves the choice (frozen graphs); undefined for its own. */
  readonly inputs: readonly string[] | undefined;
  /** Tensors to give as outputs, where the source leaves the choice; undefined for its own. */
  readonly outputs: readonly string[] | undefined;
  /** Signature to convert of a source that has several (SavedModel); undefined for `serving_default` or the only one. */
  readonly signature: string | undefined;
}
