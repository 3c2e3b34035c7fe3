/** Element types as the Open Inference Protocol spells them; BF16 is its extension for bfloat16. */
export type OipDatatype =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'BF16'
  | 'FP32'
  | 'FP64'
  | 'BYTES';

interface ElementType {
  readonly oip?: OipDatatype;
  /** The name in onnx.proto, lower case. */
  readonly onnx: string;
  /** Bits per element in raw data; 0 for strings, whose size varies. */
  readonly bits: number;
}

const elementTypes: ReadonlyMap<number, ElementType> = new Map([
  [1, { oip: 'FP32', onnx: 'float', bits: 32 }],
  [2, { oip: 'UINT8', onnx: 'uint8', bits: 8 }],
  [3, { oip: 'INT8', onnx: 'int8', bits: 8 }],
  [4, { oip: 'UINT16', onnx: 'uint16', bits: 16 }],
  [5, { oip: 'INT16', onnx: 'int16', bits: 16 }],
  [6, { oip: 'INT32', onnx: 'int32', bits: 32 }],
  [7, { oip: 'INT64', onnx: 'int64', bits: 64 }],
  [8, { oip: 'BYTES', onnx: 'string', bits: 0 }],
  [9, { oip: 'BOOL', onnx: 'bool', bits: 8 }],
  [10, { oip: 'FP16', onnx: 'float16', bits: 16 }],
  [11, { oip: 'FP64', onnx: 'double', bits: 64 }],
  [12, { oip: 'UINT32', onnx: 'uint32', bits: 32 }],
  [13, { oip: 'UINT64', onnx: 'uint64', bits: 64 }],
  [14, { onnx: 'complex64', bits: 64 }],
  [15, { onnx: 'complex128', bits: 128 }],
  [16, { oip: 'BF16', onnx: 'bfloat16', bits: 16 }],
  [17, { onnx: 'float8e4m3fn', bits: 8 }],
  [18, { onnx: 'float8e4m3fnuz', bits: 8 }],
  [19, { onnx: 'float8e5m2', bits: 8 }],
  [20, { onnx: 'float8e5m2fnuz', bits: 8 }],
  [21, { onnx: 'uint4', bits: 4 }],
  [22, { onnx: 'int4', bits: 4 }],
  [23, { onnx: 'float4e2m1', bits: 4 }],
  [24, { onnx: 'float8e8m0', bits: 8 }],
  [25, { onnx: 'uint2', bits: 2 }],
  [26, { onnx: 'int2', bits: 2 }],
] satisfies [number, ElementType][]);

/** The element type of a TensorProto.DataType number, or undefined when onnx.proto has none. */
export function elementTypeOf(dataType: number): ElementType | undefined {
  return elementTypes.get(dataType);
}
