import type { Datatype, TensorData } from '@holdfast/api';

type FixedArray = Exclude<TensorData, readonly string[]>;

interface FixedArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): FixedArray;
}

/** How one dtype travels in a frame and what ONNX Runtime calls it. */
export interface ElementKind {
  readonly datatype: Datatype;
  /** Number on the wire; 0 is never sent. */
  readonly code: number;
  /** ONNX Runtime's name of the dtype. */
  readonly ortType: OrtType;
  /** Absent for BYTES. */
  readonly array?: FixedArrayConstructor;
}

export type OrtType =
  | 'bool'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float16'
  | 'float32'
  | 'float64'
  | 'string';

// The runner process starts faster without the API package's values (they pull in the schema library), so the table of
// dtypes that it needs stands here; a test keeps it equal to the API's.
const kinds: readonly ElementKind[] = [
  { datatype: 'BOOL', code: 1, ortType: 'bool', array: Uint8Array },
  { datatype: 'UINT8', code: 2, ortType: 'uint8', array: Uint8Array },
  { datatype: 'UINT16', code: 3, ortType: 'uint16', array: Uint16Array },
  { datatype: 'UINT32', code: 4, ortType: 'uint32', array: Uint32Array },
  { datatype: 'UINT64', code: 5, ortType: 'uint64', array: BigUint64Array },
  { datatype: 'INT8', code: 6, ortType: 'int8', array: Int8Array },
  { datatype: 'INT16', code: 7, ortType: 'int16', array: Int16Array },
  { datatype: 'INT32', code: 8, ortType: 'int32', array: Int32Array },
  { datatype: 'INT64', code: 9, ortType: 'int64', array: BigInt64Array },
  { datatype: 'FP16', code: 10, ortType: 'float16', array: Uint16Array },
  { datatype: 'FP32', code: 11, ortType: 'float32', array: Float32Array },
  { datatype: 'FP64', code: 12, ortType: 'float64', array: Float64Array },
  { datatype: 'BYTES', code: 13, ortType: 'string' },
];

const byCode: readonly (ElementKind | undefined)[] = [undefined, ...kinds];
const byDatatype = new Map(kinds.map(kind => [kind.datatype, kind]));
const byOrtType = new Map<string, ElementKind>(kinds.map(kind => [kind.ortType, kind]));

export function elementKindOf(datatype: Datatype): ElementKind {
  return byDatatype.get(datatype)!;
}

/** Undefined for a code that no dtype has. */
export function elementKindOfCode(code: number): ElementKind | undefined {
  return byCode[code];
}

/** Undefined for an ONNX Runtime dtype that is not served (4-bit integers). */
export function elementKindOfOrtType(type: string): ElementKind | undefined {
  return byOrtType.get(type);
}
