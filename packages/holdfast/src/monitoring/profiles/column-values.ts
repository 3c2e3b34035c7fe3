/** A number per row; NaN is missing. */
export interface NumericValues {
  readonly kind: 'numeric';
  readonly values: Float64Array;
}

/** A text per row as an index into distinct texts; -1 is missing. */
export interface CodedValues {
  readonly kind: 'categorical';
  readonly dictionary: readonly string[];
  readonly codes: Int32Array;
}

/** The values of one column of a batch of rows, as the prediction log holds them. */
export type ColumnValues = NumericValues | CodedValues;

/** Finds the values of a column by its name; undefined when the batch does not have it. */
export type ColumnReader = (name: string) => ColumnValues | undefined;
