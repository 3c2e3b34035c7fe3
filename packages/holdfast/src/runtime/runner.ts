import type { Signature, Tensor } from '@holdfast/api';
import type { WarmUpConfig } from '../config/index.ts';

/** What one run of the model took and gave. */
export interface RunAnswer {
  readonly outputs: readonly Tensor[];
  /** Microseconds that the runtime itself needed. */
  readonly inferUs: number;
}

export interface RunOptions {
  /** Aborting gives the caller its promise back at once; a run under way goes on and its answer is dropped. */
  readonly signal?: AbortSignal;
  /** The sequence of a stateful model that the run goes on with. */
  readonly step?: StateStep | undefined;
  /** Nobody waits for the answer after this; on the monotonic clock, ms. Runners of this machine finish all the same. */
  readonly deadlineMs?: number | undefined;
}

/** Which state a run goes on from, and what becomes of it. */
export interface StateStep {
  /** Names the state; chosen by the gateway, 1 to 2^32 - 1. */
  readonly slot: number;
  /** From zeros, whatever was kept. */
  readonly isStart: boolean;
  /** Nothing is kept afterwards. */
  readonly isEnd: boolean;
}

/** What a stateful model keeps between the runs of a sequence. */
export interface SequenceTarget {
  /** The output that is given back as the input, with the shape of its zeros where the model leaves it open. */
  readonly states: readonly {
    readonly output: string;
    readonly input: string;
    readonly shape?: readonly number[] | undefined;
  }[];
  /** A state that was not used for so long is forgotten. */
  readonly idleMs: number;
}

/** One loaded model version, seen from the gateway. Inputs are borrowed for the call; outputs belong to the caller. */
export interface Runner extends AsyncDisposable {
  /** True while a batch is in the runtime. */
  readonly isBusy: boolean;
  /**
   * Runs one batch; the tensors have passed the shape gate.
   * @throws Fault `runner_lost` when the process died or hung, `inference_failed` when the model threw
   */
  run(inputs: readonly Tensor[], options?: RunOptions): Promise<RunAnswer>;
}

/** What a runner process is started with. */
export interface RunnerTarget {
  readonly model: string;
  readonly version: number;
  /** Path of the prepared ONNX file. */
  readonly modelPath: string;
  readonly signature: Signature;
  readonly threads: number;
  /** A run longer than this kills the process. */
  readonly hangTimeoutMs: number;
  /** Limit of the data segment; none when absent. */
  readonly memoryBytes?: number;
  /** Requests that it must answer before it serves. */
  readonly warmUp?: readonly WarmUpConfig[];
  /** In the order of preference; the processor when absent. */
  readonly executionProviders?: readonly string[];
  /** Of a stateful model. */
  readonly sequences?: SequenceTarget;
}
