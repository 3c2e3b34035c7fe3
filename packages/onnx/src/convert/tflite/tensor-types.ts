import type { BuildType } from '../../model/build.ts';

/** Element types of TFLite tensors by their number in the schema, with the ONNX type that holds them. */
export const tensorTypes = [
  { name: 'FLOAT32', bytes: 4, onnx: 'float' },
  { name: 'FLOAT16', bytes: 2, onnx: 'float16' },
  { name: 'INT32', bytes: 4, onnx: 'int32' },
  { name: 'UINT8', bytes: 1, onnx: 'uint8' },
  { name: 'INT64', bytes: 8, onnx: 'int64' },
  { name: 'STRING', bytes: 0, onnx: undefined },
  { name: 'BOOL', bytes: 1, onnx: 'bool' },
  { name: 'INT16', bytes: 2, onnx: 'int16' },
  { name: 'COMPLEX64', bytes: 8, onnx: undefined },
  { name: 'INT8', bytes: 1, onnx: 'int8' },
  { name: 'FLOAT64', bytes: 8, onnx: 'double' },
  { name: 'COMPLEX128', bytes: 16, onnx: undefined },
  { name: 'UINT64', bytes: 8, onnx: undefined },
  { name: 'RESOURCE', bytes: 0, onnx: undefined },
  { name: 'VARIANT', bytes: 0, onnx: undefined },
  { name: 'UINT32', bytes: 4, onnx: undefined },
  { name: 'UINT16', bytes: 2, onnx: undefined },
  { name: 'INT4', bytes: 0.5, onnx: 'int8' },
] as const satisfies readonly { name: string; bytes: number; onnx: BuildType | undefined }[];

export type TensorType = (typeof tensorTypes)[number]['name'];

const onnxTypes = new Map<TensorType, BuildType | undefined>(tensorTypes.map(type => [type.name, type.onnx]));

/** The ONNX element type that holds a TFLite one, or undefined when none does. */
export function onnxTypeOf(type: TensorType): BuildType | undefined {
  return onnxTypes.get(type);
}
