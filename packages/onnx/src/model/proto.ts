/**
 * The ONNX messages as plain values. Field names follow onnx.proto; lists that real files fill with millions of
 * entries are typed arrays, tensor payloads are views of the file. `unknown` keeps fields of newer or rarer
 * kinds verbatim, so that reading and writing loses nothing.
 */
export interface ModelProto {
  readonly irVersion: number;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: bigint;
  readonly docString: string;
  readonly opsetImport: readonly OpsetImport[];
  readonly graph: GraphProto;
  readonly metadataProps: readonly StringEntry[];
  readonly functions: readonly FunctionProto[];
  readonly unknown: readonly Uint8Array[];
}

export interface OpsetImport {
  readonly domain: string;
  readonly version: bigint;
}

export interface StringEntry {
  readonly key: string;
  readonly value: string;
}

export interface GraphProto {
  readonly name: string;
  readonly docString: string;
  readonly nodes: readonly NodeProto[];
  readonly initializers: readonly TensorProto[];
  readonly sparseInitializers: readonly SparseTensorProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  readonly valueInfo: readonly ValueInfoProto[];
  readonly unknown: readonly Uint8Array[];
}

export interface NodeProto {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly overload: string;
  readonly docString: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly AttributeProto[];
  readonly unknown: readonly Uint8Array[];
}

/** AttributeProto.AttributeType of onnx.proto. */
export const attributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  sparseTensors: 12,
  typeProto: 13,
  typeProtos: 14,
} as const;

export interface AttributeProto {
  readonly name: string;
  readonly refAttrName: string;
  readonly docString: string;
  /** One of `attributeType`, 0 when the file leaves it out (IR < 2). */
  readonly type: number;
  readonly f?: number;
  readonly i?: bigint;
  readonly s?: Uint8Array;
  readonly t?: TensorProto;
  readonly g?: GraphProto;
  readonly sparseTensor?: SparseTensorProto;
  readonly floats?: Float32Array;
  readonly ints?: BigInt64Array;
  readonly strings?: readonly Uint8Array[];
  readonly tensors?: readonly TensorProto[];
  readonly graphs?: readonly GraphProto[];
  readonly unknown: readonly Uint8Array[];
}

/** TensorProto.DataType of onnx.proto. */
export const dataType = {
  undefined: 0,
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  complex64: 14,
  complex128: 15,
  bfloat16: 16,
} as const;

export interface TensorProto {
  readonly name: string;
  readonly docString: string;
  readonly dims: readonly bigint[];
  readonly dataType: number;
  /** Little-endian elements; absent when a typed field or a file holds them. */
  readonly rawData?: Uint8Array;
  /** The typed fields in packed wire form: chunks that concatenate to the element list. */
  readonly floatData: readonly Uint8Array[];
  readonly int32Data: readonly Uint8Array[];
  readonly int64Data: readonly Uint8Array[];
  readonly doubleData: readonly Uint8Array[];
  readonly uint64Data: readonly Uint8Array[];
  readonly stringData: readonly Uint8Array[];
  readonly externalData: readonly StringEntry[];
  /** True when the elements live outside the file (data_location EXTERNAL). */
  readonly isExternal: boolean;
  readonly unknown: readonly Uint8Array[];
}

export interface SparseTensorProto {
  readonly values?: TensorProto;
  readonly indices?: TensorProto;
  readonly dims: readonly bigint[];
  readonly unknown: readonly Uint8Array[];
}

export interface ValueInfoProto {
  readonly name: string;
  readonly docString: string;
  readonly type?: TypeProto;
  readonly unknown: readonly Uint8Array[];
}

/** What a value may be; `other` is a kind this package does not know and keeps verbatim. */
export type TypeProto =
  | {
      readonly kind: 'tensor' | 'sparse_tensor';
      readonly elemType: number;
      readonly shape?: readonly Dimension[];
      readonly unknown: readonly Uint8Array[];
    }
  | { readonly kind: 'sequence' | 'optional'; readonly elem?: TypeProto; readonly unknown: readonly Uint8Array[] }
  | {
      readonly kind: 'map';
      readonly keyType: number;
      readonly value?: TypeProto;
      readonly unknown: readonly Uint8Array[];
    }
  | { readonly kind: 'other'; readonly unknown: readonly Uint8Array[] };

export interface Dimension {
  /** A fixed size, a symbol, or undefined when the file says nothing. */
  readonly size: bigint | string | undefined;
  readonly unknown: readonly Uint8Array[];
}

export interface FunctionProto {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly docString: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly string[];
  readonly attributeProtos: readonly AttributeProto[];
  readonly nodes: readonly NodeProto[];
  readonly opsetImport: readonly OpsetImport[];
  readonly unknown: readonly Uint8Array[];
}
