import type { Signature } from '@holdfast/api';

/** What clients of a stateful model see: the runner keeps its states to itself. */
export function withoutStates(
  signature: Signature,
  states: readonly { readonly input: string; readonly output: string }[],
): Signature {
  const isState = (tensor: string): boolean =>
    states.some(({ input, output }) => tensor === input || tensor === output);
  return {
    ...signature,
    inputs: signature.inputs.filter(({ name }) => !isState(name)),
    outputs: signature.outputs.filter(({ name }) => !isState(name)),
    columns: signature.columns.filter(({ tensor }) => !isState(tensor)),
  };
}
