import type { TensorSpec } from '@holdfast/api';

/** To a latency process, once. */
export interface ToLatencyProcess {
  readonly modelPath: string;
  readonly inputs: readonly TensorSpec[];
  /** Rows of a request. */
  readonly rows: number;
  /** Measured runs. */
  readonly runs: number;
}

/** From a latency process, once. */
export type FromLatencyProcess =
  | { readonly kind: 'measured'; readonly medianMs: number }
  | { readonly kind: 'rejected'; readonly why: string };
