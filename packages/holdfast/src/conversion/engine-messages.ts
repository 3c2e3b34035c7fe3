import type { ConvertOptions, NamedTensor } from '@holdfast/onnx/convert';
import type { SourcePath } from './conversion-messages.ts';

/** To an engine process, once: a source to run by the engine of its own framework. */
export interface ToEngine {
  readonly kind: 'run';
  /** Format of the source, as `sniffFile` names it. */
  readonly format: string;
  readonly files: readonly SourcePath[];
  readonly choice: Pick<ConvertOptions, 'inputs' | 'outputs' | 'signature'>;
  /** File with the batches of inputs. */
  readonly inputsPath: string;
  /** Where the answer is to be written. */
  readonly answerPath: string;
}

/** From an engine process, when the answer is written. */
export interface FromEngine {
  readonly kind: 'answered';
}

export type Batches = readonly (readonly NamedTensor[])[];
