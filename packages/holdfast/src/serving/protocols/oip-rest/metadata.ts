import type { TensorSpec } from '@holdfast/api';
import type { ServedVersion } from '../../traffic/served-version.ts';
import type { ServedModel } from '../../traffic/traffic.ts';
import { dynamicBatchingOf } from './schedule-of.ts';

/** The protocol extensions that are served, by Triton's names. */
const extensions: readonly string[] = [
  'binary_tensor_data',
  'classification',
  'logging',
  'model_configuration',
  'model_repository',
  'parameters',
  'schedule_policy',
  'sequence',
  'statistics',
];

export function serverMetadata(serverVersion: string): object {
  return { name: 'holdfast', version: serverVersion, extensions };
}

function tensorMetadata({ name, datatype, shape }: TensorSpec): object {
  return { name, datatype, shape };
}

export function modelMetadata(model: ServedModel, { signature }: ServedVersion): object {
  return {
    name: model.name,
    versions: [...model.versions.keys()].toSorted((a, b) => a - b).map(String),
    platform: 'onnxruntime_onnx',
    inputs: signature.inputs.map(tensorMetadata),
    outputs: signature.outputs.map(tensorMetadata),
  };
}

function configType(datatype: string): string {
  return datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`;
}

/** The model's configuration in Triton's form; dimensions leave the batch out when there is one. */
export function modelConfig(served: ServedVersion): object {
  const { gate, signature, routed, model } = served;
  const tensor = ({ name, datatype, shape, optional }: TensorSpec): object => ({
    name,
    data_type: configType(datatype),
    dims: gate.isBatchable ? shape.slice(1) : shape,
    ...(optional ? { optional } : {}),
  });
  const { maximumRows } = routed.batching;
  return {
    name: model,
    platform: 'onnxruntime_onnx',
    backend: 'onnxruntime',
    version_policy: { specific: { versions: [served.version] } },
    max_batch_size: gate.isBatchable ? maximumRows : 0,
    input: signature.inputs.map(tensor),
    output: signature.outputs.map(tensor),
    instance_group: [{ name: model, kind: 'KIND_CPU', count: routed.sockets.length }],
    ...(gate.isBatchable && { dynamic_batching: dynamicBatchingOf(routed) }),
  };
}
