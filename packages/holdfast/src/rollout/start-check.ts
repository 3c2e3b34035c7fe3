import { fault, type Signature, type TensorSpec } from '@holdfast/api';

function fits(wanted: readonly number[], given: readonly number[]): boolean {
  return wanted.length === given.length && wanted.every((size, axis) => size === -1 || size === given[axis]);
}

function shapeOf({ datatype, shape }: TensorSpec): string {
  return `${datatype} [${shape.join(', ')}]`;
}

/**
 * Whether the new version can answer every request that the champion answers, with outputs of the same names and types:
 * callers do not know who answers them.
 * @throws Fault `rollout_refused` naming the tensor
 */
export function checkInterchangeable(champion: Signature, challenger: Signature): void {
  for (const input of champion.inputs) {
    const own = challenger.inputs.find(({ name }) => name === input.name);
    if (own === undefined) throw fault('rollout_refused', `the new version has no input "${input.name}"`);
    if (own.datatype !== input.datatype || !fits(own.shape, input.shape) || (input.optional && !own.optional)) {
      const why = `its input "${input.name}" is ${shapeOf(own)}, the champion's is ${shapeOf(input)}`;
      throw fault('rollout_refused', why);
    }
  }
  const added = challenger.inputs.find(
    ({ name, optional }) => !optional && !champion.inputs.some(input => input.name === name),
  );
  if (added !== undefined) {
    throw fault('rollout_refused', `it needs an input "${added.name}", which callers of the champion do not send`);
  }
  for (const output of champion.outputs) {
    const own = challenger.outputs.find(({ name }) => name === output.name);
    if (own === undefined || own.datatype !== output.datatype) {
      const is = own === undefined ? 'missing' : own.datatype;
      throw fault('rollout_refused', `its output "${output.name}" is ${is}, the champion's is ${output.datatype}`);
    }
  }
}
