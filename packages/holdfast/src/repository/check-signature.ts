import type { Signature, TensorSpec } from '@holdfast/api';
import type { ConfiguredTensor, TritonConfig } from './triton-config.ts';

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(',')}]`;
}

function mismatchOf(
  what: 'input' | 'output',
  { name, datatype, dims }: ConfiguredTensor,
  specs: readonly TensorSpec[],
  hasBatch: boolean,
): string | undefined {
  const spec = specs.find(candidate => candidate.name === name);
  if (spec === undefined)
    return `the configuration has the ${what} "${name}", the model has ${specs.map(one => `"${one.name}"`).join(', ')}`;
  if (datatype !== undefined && datatype !== spec.datatype)
    return `${what} "${name}" is ${datatype} in the configuration and ${spec.datatype} in the model`;
  if (dims.length === 0) return undefined;
  const wanted = hasBatch ? [-1, ...dims] : dims;
  const fits = wanted.length === spec.shape.length && spec.shape.every((dim, i) => dim === -1 || dim === wanted[i]);
  if (fits) return undefined;
  const batch = hasBatch ? ' with the batch dimension' : '';
  return `${what} "${name}" has the shape ${shapeText(wanted)}${batch} in the configuration and ${shapeText(spec.shape)} in the model`;
}

/** Why a model is not what its configuration says, or undefined. */
export function mismatch(
  { inputs, outputs, maximumBatch = 0 }: TritonConfig,
  signature: Signature,
): string | undefined {
  const hasBatch = maximumBatch > 0;
  if (hasBatch && signature.inputs.some(({ shape }) => shape[0] !== -1))
    return 'max_batch_size asks for batches, but the first dimension of the model is fixed';
  for (const tensor of inputs) {
    const why = mismatchOf('input', tensor, signature.inputs, hasBatch);
    if (why !== undefined) return why;
  }
  for (const tensor of outputs) {
    const why = mismatchOf('output', tensor, signature.outputs, hasBatch);
    if (why !== undefined) return why;
  }
  return undefined;
}
