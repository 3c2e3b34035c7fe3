import type { SourceChoice } from '@holdfast/api';
import { type Parsed, text, wholeNumber } from './command.ts';

/** Options that say what to convert of a source that leaves a choice. */
export const sourceOptions = {
  inputs: { type: 'string' },
  outputs: { type: 'string' },
  signature: { type: 'string' },
  rounds: { type: 'string' },
} as const;

export const sourceHelp = [
  ['--inputs A,B', 'tensors to take as inputs, for a frozen TensorFlow graph'],
  ['--outputs A,B', 'outputs to keep, in this order (default: all)'],
  ['--signature NAME', 'signature of a SavedModel (default serving_default, or the only one)'],
  ['--rounds N', 'boosting rounds to use, from the first (default: what the saved model uses)'],
] as const;

export function sourceChoiceOf(parsed: Parsed): SourceChoice {
  const names = (option: string): string[] | undefined =>
    text(parsed, option)
      ?.split(',')
      .map(name => name.trim());
  const inputs = names('inputs');
  const outputs = names('outputs');
  const signature = text(parsed, 'signature');
  const rounds = wholeNumber(parsed, 'rounds', 1, 1_000_000);
  return {
    ...(inputs && { inputs }),
    ...(outputs && { outputs }),
    ...(signature !== undefined && { signature }),
    ...(rounds !== undefined && { rounds }),
  };
}
