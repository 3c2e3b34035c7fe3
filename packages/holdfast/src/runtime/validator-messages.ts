import type { TensorSpec } from '@holdfast/api';
import type { GoldenReport } from './golden-check.ts';
import type { RuntimeTensor } from './ort-session.ts';

/** To a validator process, once. */
export interface ToValidator {
  readonly kind: 'validate';
  readonly modelPath: string;
  readonly inputs: readonly TensorSpec[];
  /** Time for the golden requests together, in ms. */
  readonly goldenBudgetMs: number;
}

/** From a validator process, in this order; after `rejected` nothing follows. */
export type FromValidator =
  | {
      readonly kind: 'loaded';
      readonly loadMs: number;
      readonly inputs: readonly RuntimeTensor[];
      readonly outputs: readonly RuntimeTensor[];
    }
  | { readonly kind: 'ran'; readonly golden: GoldenReport }
  | { readonly kind: 'rejected'; readonly why: string };
