import type { ModelSpec } from './architecture.ts';
import type { LayerWeights } from './weights.ts';

/** A model as read from any of its files. */
export interface SavedModel {
  readonly architecture: ModelSpec;
  readonly weights: LayerWeights;
  /** Version of Keras that saved it, as far as the file says. */
  readonly version: string | undefined;
}
