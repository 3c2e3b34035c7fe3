import type { TfShape, TfTensor } from './tf-graph.ts';

/** A tensor of the graph being written. */
export interface TensorValue {
  readonly kind: 'tensor';
  /** Name in the ONNX graph. */
  readonly name: string;
  /** TensorFlow type. */
  readonly dtype: number;
  /** What is known of the shape; undefined for unknown rank. */
  readonly shape: TfShape;
  /** The elements, when the value is a constant of the source. */
  readonly constant?: TfTensor;
}

/** What an edge of a TensorFlow graph can carry here. */
export type TfValue =
  | TensorValue
  /** A handle of the variable that the node makes. */
  | { readonly kind: 'variable'; readonly node: string; readonly key: string }
  /** A TensorList as an ONNX sequence that is only appended to. */
  | { readonly kind: 'sequence'; readonly name: string; readonly dtype: number; readonly count: string }
  /** A TensorList made of one tensor: its items are the slices of the first axis. */
  | { readonly kind: 'stack'; readonly tensor: TensorValue }
  /** What a refused node would have given. */
  | { readonly kind: 'refused' };

export const refused: TfValue = { kind: 'refused' };
