import {
  type AttributeProto,
  attributeType,
  dataType,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type StringEntry,
  type TensorProto,
  type ValueInfoProto,
} from './proto.ts';

const encoder = new TextEncoder();

/** What an attribute of a built node may hold; a whole number as bigint is an INT, a number is a FLOAT. */
export type AttributeValue =
  | bigint
  | number
  | string
  | TensorProto
  | GraphProto
  | readonly bigint[]
  | Float32Array
  | BigInt64Array
  | readonly string[];

/** Element kinds that built tensors use. */
export type BuildType =
  | 'float'
  | 'float16'
  | 'double'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'string'
  | 'bool'
  | 'uint8'
  | 'int8';

/** Values of a built tensor: numbers for numeric kinds (float16 by its bits), bigint allowed for int64, text for strings. */
export type BuildValues =
  | readonly number[]
  | readonly bigint[]
  | readonly string[]
  | readonly boolean[]
  | Float64Array
  | Float32Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Int8Array;

/** A tensor with its elements in raw little-endian form (strings in string_data). */
export function buildTensor(name: string, type: BuildType, dims: readonly number[], values: BuildValues): TensorProto {
  checkCount(name, dims, values.length);
  const shape = dims.map(BigInt);
  if (type === 'string')
    return {
      ...emptyTensor,
      name,
      dims: shape,
      dataType: dataType.string,
      stringData: Array.from<bigint | boolean | number | string, string>(values, String).map(text =>
        encoder.encode(text),
      ),
    };
  return {
    ...emptyTensor,
    name,
    dims: shape,
    dataType: dataType[type],
    rawData: rawElements(type, values),
    stringData: [],
  };
}

/** A tensor whose little-endian elements the source file already holds; the bytes are kept, not copied. */
export function buildRawTensor(
  name: string,
  type: Exclude<BuildType, 'string'>,
  dims: readonly number[],
  rawData: Uint8Array,
): TensorProto {
  checkCount(name, dims, rawData.length / elementBytes[type]);
  return { ...emptyTensor, name, dims: dims.map(BigInt), dataType: dataType[type], rawData, stringData: [] };
}

const emptyTensor = {
  docString: '',
  floatData: [],
  int32Data: [],
  int64Data: [],
  doubleData: [],
  uint64Data: [],
  externalData: [],
  isExternal: false,
  unknown: [],
};

function checkCount(name: string, dims: readonly number[], given: number): void {
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (count !== given) throw new RangeError(`tensor ${name}: ${given} values for shape [${dims.join(', ')}]`);
}

const elementBytes = {
  float: 4,
  float16: 2,
  double: 8,
  int64: 8,
  int32: 4,
  int16: 2,
  bool: 1,
  uint8: 1,
  int8: 1,
} as const;

function rawElements(type: Exclude<BuildType, 'string'>, values: BuildValues): Uint8Array {
  if (isStoredAs(type, values)) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
  const size = elementBytes[type];
  const raw = new Uint8Array(values.length * size);
  const view = new DataView(raw.buffer);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (type === 'int64') view.setBigInt64(i * 8, BigInt(value), true);
    else if (type === 'float') view.setFloat32(i * 4, Number(value), true);
    else if (type === 'double') view.setFloat64(i * 8, Number(value), true);
    else if (type === 'int32') view.setInt32(i * 4, Number(value), true);
    else if (type === 'int16') view.setInt16(i * 2, Number(value), true);
    else if (type === 'float16') view.setUint16(i * 2, Number(value), true);
    else raw[i] = Number(value);
  }
  return raw;
}

/** Whether an array has its elements in memory as the file will have them. */
function isStoredAs(type: BuildType, values: BuildValues): values is Extract<BuildValues, ArrayBufferView> {
  return (
    (type === 'double' && values instanceof Float64Array) ||
    (type === 'float' && values instanceof Float32Array) ||
    (type === 'int64' && values instanceof BigInt64Array) ||
    (type === 'int32' && values instanceof Int32Array)
  );
}

/** An attribute whose ONNX type follows from the JavaScript value. */
function buildAttribute(name: string, value: AttributeValue): AttributeProto {
  const base = { name, refAttrName: '', docString: '', unknown: [] };
  if (typeof value === 'bigint') return { ...base, type: attributeType.int, i: value };
  if (typeof value === 'number') return { ...base, type: attributeType.float, f: value };
  if (typeof value === 'string') return { ...base, type: attributeType.string, s: encoder.encode(value) };
  if (value instanceof Float32Array) return { ...base, type: attributeType.floats, floats: value };
  if (value instanceof BigInt64Array) return { ...base, type: attributeType.ints, ints: value };
  if ('initializers' in value && 'sparseInitializers' in value) return { ...base, type: attributeType.graph, g: value };
  if ('dataType' in value) return { ...base, type: attributeType.tensor, t: value };
  const items: readonly (bigint | string)[] = value;
  const texts = items.filter(item => typeof item === 'string');
  if (texts.length > 0)
    return { ...base, type: attributeType.strings, strings: texts.map(text => encoder.encode(text)) };
  return {
    ...base,
    type: attributeType.ints,
    ints: BigInt64Array.from(items.filter(item => typeof item === 'bigint')),
  };
}

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, AttributeValue | undefined>>;
  readonly domain?: string;
  readonly name?: string;
}

export function buildNode(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  options: NodeOptions = {},
): NodeProto {
  const attributes = Object.entries(options.attributes ?? {}).flatMap(([name, value]) =>
    value === undefined ? [] : [buildAttribute(name, value)],
  );
  return {
    name: options.name ?? '',
    opType,
    domain: options.domain ?? '',
    overload: '',
    docString: '',
    inputs,
    outputs,
    attributes,
    unknown: [],
  };
}

/** A graph input or output; a dimension is a size, a symbol, or null for unnamed dynamic. */
export function buildValueInfo(
  name: string,
  type: BuildType,
  shape: readonly (number | string | null)[],
): ValueInfoProto {
  const dims = shape.map(size => ({
    size: size === null ? undefined : typeof size === 'number' ? BigInt(size) : size,
    unknown: [],
  }));
  return {
    name,
    docString: '',
    type: { kind: 'tensor', elemType: dataType[type], shape: dims, unknown: [] },
    unknown: [],
  };
}

export interface ModelParts {
  readonly name?: string;
  readonly nodes: readonly NodeProto[];
  readonly initializers?: readonly TensorProto[];
  readonly inputs: readonly ValueInfoProto[];
  readonly outputs: readonly ValueInfoProto[];
  readonly metadata?: readonly StringEntry[];
  readonly producerVersion?: string;
}

/** A model at the versions this package writes: IR 10, ai.onnx 21, ai.onnx.ml 5. */
export function buildModel(parts: ModelParts): ModelProto {
  return {
    irVersion: 10,
    producerName: 'holdfast',
    producerVersion: parts.producerVersion ?? '',
    domain: '',
    modelVersion: 0n,
    docString: '',
    opsetImport: [
      { domain: '', version: 21n },
      { domain: 'ai.onnx.ml', version: 5n },
    ],
    graph: {
      name: parts.name ?? 'model',
      docString: '',
      nodes: parts.nodes,
      initializers: parts.initializers ?? [],
      sparseInitializers: [],
      inputs: parts.inputs,
      outputs: parts.outputs,
      valueInfo: [],
      unknown: [],
    },
    metadataProps: parts.metadata ?? [],
    functions: [],
    unknown: [],
  };
}
