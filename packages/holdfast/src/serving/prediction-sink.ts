import type { FaultCode, Signature, Tensor } from '@holdfast/api';

/** A request that was answered: one prediction per row. */
export interface AnsweredRequest {
  readonly model: string;
  readonly version: number;
  readonly signature: Signature;
  /** The request's prediction id; row i of several is `<id>/<i>`, a single row is `<id>`. */
  readonly id: string;
  readonly rows: number;
  /** Wall clock, ms since epoch. */
  readonly receivedMs: number;
  /** The time the rows speak of, when the caller gave one. */
  readonly eventMs: number | undefined;
  /** The caller's key; row i of several is `<key>/<i>`. */
  readonly key: string | undefined;
  /** `name=value` pairs, comma separated, as the caller sent them. */
  readonly tags: string | undefined;
  readonly inputs: readonly Tensor[];
  /** All outputs of the model, whatever part of them the caller asked for. */
  readonly outputs: readonly Tensor[];
  readonly latencyUs: number;
}

/** A request for a known model that was refused or failed. */
export interface FailedRequest {
  readonly model: string;
  readonly version: number;
  readonly receivedMs: number;
  readonly eventMs: number | undefined;
  readonly code: FaultCode;
}

/** Where the prediction path tells what happened, after the answer is on its way. Must not throw, must not wait. */
export interface PredictionSink {
  answered(request: AnsweredRequest): void;
  failed(request: FailedRequest): void;
}

/** Ground truth as it arrives; the promise resolves when the labels are durable. */
export interface LabelSink {
  append(model: string, labels: readonly ReceivedLabel[]): Promise<void>;
}

export interface ReceivedLabel {
  readonly predictionId: string | undefined;
  readonly key: string | undefined;
  /** Class or value as text: `1`, `true`, `churned`, `3.25`. */
  readonly value: string;
  readonly eventMs: number;
}
