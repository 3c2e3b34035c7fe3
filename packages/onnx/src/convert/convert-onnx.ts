import { checkModel } from '../check/check-model.ts';
import { checkExternalData } from '../check/external-data.ts';
import { allTensors, inspectModel, type TensorSpec } from '../inspect-model.ts';
import { editTensors } from '../model/edit-tensors.ts';
import { elementTypeOf } from '../model/element-type.ts';
import type { ModelProto, TensorProto } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { elementCount } from '../model/tensor-values.ts';
import { OnnxError } from '../onnx-error.ts';
import { prepareModel } from '../prepare/prepare-model.ts';
import { classesKey } from '../prepare/zip-maps.ts';
import type { SourceFile } from './convert.ts';
import type { ConvertedGraph } from './sklearn/convert-sklearn.ts';

/** The largest ONNX file that protobuf can hold, in bytes. */
const maxModelBytes = 2 ** 31 - 1;

/**
 * An ONNX model as one portable file: prepared for serving, with the tensors kept in files beside it taken in.
 * @throws OnnxError `external_data` for a tensor whose file was not given, lies outside or is too short
 */
export function convertOnnx(bytes: Uint8Array, files: readonly SourceFile[]): ConvertedGraph {
  const { bytes: prepared, changes } = prepareModel(bytes);
  checkModel(prepared, { externalFiles: new Map(files.map(file => [file.name, file.bytes.length])) });
  const inlined = withInlineData(readModel(prepared), files);
  const { producer, metadata, featureNames, signature } = inspectModel(prepared);
  const external = inlined.taken.size === 0 ? [] : [`Tensor data of ${[...inlined.taken].join(', ')} was taken in.`];
  return {
    model: inlined.model,
    framework: producer.name === '' ? 'ONNX' : producer.name,
    frameworkVersion: producer.version === '' ? undefined : producer.version,
    modelClass: 'ONNX graph',
    featureNames,
    classes: classesOf(metadata[classesKey]),
    notes: [...changes, ...external, ...signature.inputs.flatMap(halfNote)],
  };
}

function halfNote({ name, dtype }: TensorSpec): string[] {
  return dtype === 'FP16'
    ? [`The input "${name}" is float16: numbers sent to it keep 11 bits, and those beyond 65504 become infinite.`]
    : [];
}

function withInlineData(
  model: ModelProto,
  files: readonly SourceFile[],
): { readonly model: ModelProto; readonly taken: ReadonlySet<string> } {
  const taken = new Set<string>();
  let total = 0;
  for (const tensor of allTensors(model)) if (!tensor.isExternal) total += tensor.rawData?.length ?? 0;
  const byName = new Map(files.map(file => [file.name, file.bytes]));
  const sizes = new Map(files.map(file => [file.name, file.bytes.length]));
  const inline = (tensor: TensorProto): TensorProto => {
    if (!tensor.isExternal) return tensor;
    checkExternalData(tensor, sizes);
    const entry = (key: string): string | undefined => tensor.externalData.find(item => item.key === key)?.value;
    const location = (entry('location') ?? '').replace(/^\.\//, '');
    const start = Number(entry('offset') ?? 0);
    const length = Math.ceil((Number(elementCount(tensor)) * (elementTypeOf(tensor.dataType)?.bits ?? 8)) / 8);
    total += length;
    if (total > maxModelBytes)
      throw new OnnxError(
        'too_large',
        'The model with its external data is larger than 2 GiB, which one ONNX file cannot hold.',
      );
    taken.add(location);
    const rawData = byName.get(location)!.subarray(start, start + length);
    return { ...tensor, rawData, externalData: [], isExternal: false };
  };
  return { model: editTensors(model, inline), taken };
}

function classesOf(json: string | undefined): (string | number | boolean)[] | undefined {
  if (json === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(json);
    if (!Array.isArray(parsed)) return undefined;
    return parsed.filter(
      (label): label is string | number | boolean =>
        typeof label === 'string' || typeof label === 'number' || typeof label === 'boolean',
    );
  } catch {
    return undefined;
  }
}
