import type { Tensor, TensorSpec } from '@holdfast/api';
import { RemoteFailure, type RemoteTensors } from './remote-client.ts';

function isShaped(shape: readonly number[], spec: TensorSpec): boolean {
  return shape.length === spec.shape.length && spec.shape.every((dim, axis) => dim < 0 || dim === shape[axis]);
}

/**
 * What a server answered as the version's signature has it: every output, in its order, and nothing else.
 * @throws RemoteFailure `failed` when the answer is of another model
 */
export function fitAnswer(answered: readonly Tensor[], outputs: readonly TensorSpec[]): readonly Tensor[] {
  return outputs.map(spec => {
    const tensor = answered.find(({ name }) => name === spec.name);
    if (tensor === undefined) throw new RemoteFailure('failed', `gave an answer without the output "${spec.name}"`);
    const { datatype, shape } = tensor;
    if (datatype !== spec.datatype || !isShaped(shape, spec)) {
      throw new RemoteFailure(
        'failed',
        `gave "${spec.name}" as ${datatype} [${shape.join(',')}], registered is ${spec.datatype} [${spec.shape.join(',')}]`,
      );
    }
    return tensor;
  });
}

function firstDifference(
  side: string,
  now: readonly TensorSpec[],
  registered: readonly TensorSpec[],
): string | undefined {
  const gone = registered.find(({ name }) => !now.some(spec => spec.name === name));
  if (gone !== undefined) return `the ${side} "${gone.name}" is gone`;
  for (const { name, datatype, shape } of now) {
    const before = registered.find(spec => spec.name === name);
    if (before === undefined) return `the ${side} "${name}" is new`;
    const [is, was] = [`${datatype} [${shape.join(',')}]`, `${before.datatype} [${before.shape.join(',')}]`];
    if (is !== was) return `the ${side} "${name}" is ${is} and was ${was}`;
  }
  return undefined;
}

/** How what a server describes differs from what was registered; undefined when it does not. */
export function differenceOf(now: RemoteTensors, registered: RemoteTensors): string | undefined {
  return (
    firstDifference('input', now.inputs, registered.inputs) ??
    firstDifference('output', now.outputs, registered.outputs)
  );
}
