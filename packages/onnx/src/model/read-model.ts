import { OnnxError } from '../onnx-error.ts';
import { WireReader } from '../wire/wire-reader.ts';
import { BigInt64List, ChunkList, Float32List } from './element-lists.ts';
import type {
  AttributeProto,
  Dimension,
  FunctionProto,
  GraphProto,
  ModelProto,
  NodeProto,
  OpsetImport,
  SparseTensorProto,
  StringEntry,
  TensorProto,
  TypeProto,
  ValueInfoProto,
} from './proto.ts';

const lenTag = (field: number): number => field * 8 + 2;
const intTag = (field: number): number => field * 8;

/**
 * Reads an ONNX model. Tensor payloads stay views of `bytes`, which must not change afterwards.
 * @throws OnnxError `truncated`, `malformed`, `too_deep`, `too_large`, or `not_onnx` when there is no graph.
 */
export function readModel(bytes: Uint8Array): ModelProto {
  const reader = new WireReader(bytes);
  const opsetImport: OpsetImport[] = [];
  const metadataProps: StringEntry[] = [];
  const functions: FunctionProto[] = [];
  const unknown: Uint8Array[] = [];
  let irVersion = 0;
  let producerName = '';
  let producerVersion = '';
  let domain = '';
  let modelVersion = 0n;
  let docString = '';
  let graph: GraphProto | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case intTag(1):
        irVersion = reader.varintInt32();
        break;
      case lenTag(2):
        producerName = reader.string();
        break;
      case lenTag(3):
        producerVersion = reader.string();
        break;
      case lenTag(4):
        domain = reader.string();
        break;
      case intTag(5):
        modelVersion = reader.varintBigInt();
        break;
      case lenTag(6):
        docString = reader.string();
        break;
      case lenTag(7):
        graph = readGraph(reader.message());
        break;
      case lenTag(8):
        opsetImport.push(readOpset(reader.message()));
        break;
      case lenTag(14):
        metadataProps.push(readEntry(reader.message()));
        break;
      case lenTag(25):
        functions.push(readFunction(reader.message()));
        break;
      default:
        unknown.push(reader.unknown(tag));
    }
  }
  if (graph === undefined) {
    throw new OnnxError('not_onnx', 'The file holds no ONNX graph; give the .onnx file that the exporter wrote.');
  }
  return {
    irVersion,
    producerName,
    producerVersion,
    domain,
    modelVersion,
    docString,
    opsetImport,
    graph,
    metadataProps,
    functions,
    unknown,
  };
}

function readOpset(reader: WireReader): OpsetImport {
  let domain = '';
  let version = 0n;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === lenTag(1)) domain = reader.string();
    else if (tag === intTag(2)) version = reader.varintBigInt();
    else reader.skip(tag);
  }
  return { domain, version };
}

function readEntry(reader: WireReader): StringEntry {
  let key = '';
  let value = '';
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === lenTag(1)) key = reader.string();
    else if (tag === lenTag(2)) value = reader.string();
    else reader.skip(tag);
  }
  return { key, value };
}

function readGraph(reader: WireReader): GraphProto {
  const nodes: NodeProto[] = [];
  const initializers: TensorProto[] = [];
  const sparseInitializers: SparseTensorProto[] = [];
  const inputs: ValueInfoProto[] = [];
  const outputs: ValueInfoProto[] = [];
  const valueInfo: ValueInfoProto[] = [];
  const unknown: Uint8Array[] = [];
  let name = '';
  let docString = '';
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case lenTag(1):
        nodes.push(readNode(reader.message()));
        break;
      case lenTag(2):
        name = reader.string();
        break;
      case lenTag(5):
        initializers.push(readTensor(reader.message()));
        break;
      case lenTag(10):
        docString = reader.string();
        break;
      case lenTag(11):
        inputs.push(readValueInfo(reader.message()));
        break;
      case lenTag(12):
        outputs.push(readValueInfo(reader.message()));
        break;
      case lenTag(13):
        valueInfo.push(readValueInfo(reader.message()));
        break;
      case lenTag(15):
        sparseInitializers.push(readSparse(reader.message()));
        break;
      default:
        unknown.push(reader.unknown(tag));
    }
  }
  return { name, docString, nodes, initializers, sparseInitializers, inputs, outputs, valueInfo, unknown };
}

function readNode(reader: WireReader): NodeProto {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: AttributeProto[] = [];
  const unknown: Uint8Array[] = [];
  let name = '';
  let opType = '';
  let domain = '';
  let overload = '';
  let docString = '';
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case lenTag(1):
        reader.spend();
        inputs.push(reader.string());
        break;
      case lenTag(2):
        reader.spend();
        outputs.push(reader.string());
        break;
      case lenTag(3):
        name = reader.string();
        break;
      case lenTag(4):
        opType = reader.string();
        break;
      case lenTag(5):
        attributes.push(readAttribute(reader.message()));
        break;
      case lenTag(6):
        docString = reader.string();
        break;
      case lenTag(7):
        domain = reader.string();
        break;
      case lenTag(8):
        overload = reader.string();
        break;
      default:
        unknown.push(reader.unknown(tag));
    }
  }
  return { name, opType, domain, overload, docString, inputs, outputs, attributes, unknown };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readAttribute(reader: WireReader): AttributeProto {
  const floats = new Float32List();
  const ints = new BigInt64List();
  const strings: Uint8Array[] = [];
  const tensors: TensorProto[] = [];
  const graphs: GraphProto[] = [];
  const unknown: Uint8Array[] = [];
  const read: Mutable<AttributeProto> = { name: '', refAttrName: '', docString: '', type: 0, unknown };
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case lenTag(1):
        read.name = reader.string();
        break;
      case 2 * 8 + 5:
        read.f = reader.float();
        break;
      case intTag(3):
        read.i = reader.varintBigInt();
        break;
      case lenTag(4):
        read.s = reader.payload();
        break;
      case lenTag(5):
        read.t = readTensor(reader.message());
        break;
      case lenTag(6):
        read.g = readGraph(reader.message());
        break;
      case 7 * 8 + 5:
        reader.spend();
        floats.push(reader.float());
        break;
      case lenTag(7):
        floats.pushPacked(reader.message());
        break;
      case intTag(8):
        reader.spend();
        ints.push(reader.varintBigInt());
        break;
      case lenTag(8):
        ints.pushPacked(reader.message());
        break;
      case lenTag(9):
        reader.spend();
        strings.push(reader.payload());
        break;
      case lenTag(10):
        tensors.push(readTensor(reader.message()));
        break;
      case lenTag(11):
        graphs.push(readGraph(reader.message()));
        break;
      case lenTag(13):
        read.docString = reader.string();
        break;
      case intTag(20):
        read.type = reader.varintInt32();
        break;
      case lenTag(21):
        read.refAttrName = reader.string();
        break;
      case lenTag(22):
        read.sparseTensor = readSparse(reader.message());
        break;
      default:
        unknown.push(reader.unknown(tag));
    }
  }
  if (floats.length > 0) read.floats = floats.values();
  if (ints.length > 0) read.ints = ints.values();
  if (strings.length > 0) read.strings = strings;
  if (tensors.length > 0) read.tensors = tensors;
  if (graphs.length > 0) read.graphs = graphs;
  return read;
}

/** Reads one TensorProto. */
function readTensor(reader: WireReader): TensorProto {
  const dims = new BigInt64List();
  const floatData = new ChunkList();
  const int32Data = new ChunkList();
  const int64Data = new ChunkList();
  const doubleData = new ChunkList();
  const uint64Data = new ChunkList();
  const stringData: Uint8Array[] = [];
  const externalData: StringEntry[] = [];
  const unknown: Uint8Array[] = [];
  let name = '';
  let docString = '';
  let elementType = 0;
  let isExternal = false;
  let rawData: Uint8Array | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case intTag(1):
        reader.spend();
        dims.push(reader.varintBigInt());
        break;
      case lenTag(1):
        dims.pushPacked(reader.message());
        break;
      case intTag(2):
        elementType = reader.varintInt32();
        break;
      case lenTag(4):
        floatData.pushPayload(reader);
        break;
      case 4 * 8 + 5:
        floatData.pushSingle(reader, tag);
        break;
      case lenTag(5):
        int32Data.pushPayload(reader);
        break;
      case intTag(5):
        int32Data.pushSingle(reader, tag);
        break;
      case lenTag(6):
        reader.spend();
        stringData.push(reader.payload());
        break;
      case lenTag(7):
        int64Data.pushPayload(reader);
        break;
      case intTag(7):
        int64Data.pushSingle(reader, tag);
        break;
      case lenTag(8):
        name = reader.string();
        break;
      case lenTag(9):
        rawData = reader.payload();
        break;
      case lenTag(10):
        doubleData.pushPayload(reader);
        break;
      case 10 * 8 + 1:
        doubleData.pushSingle(reader, tag);
        break;
      case lenTag(11):
        uint64Data.pushPayload(reader);
        break;
      case intTag(11):
        uint64Data.pushSingle(reader, tag);
        break;
      case lenTag(12):
        docString = reader.string();
        break;
      case lenTag(13):
        externalData.push(readEntry(reader.message()));
        break;
      case intTag(14):
        isExternal = reader.varintInt32() === 1;
        break;
      default:
        unknown.push(reader.unknown(tag));
    }
  }
  return {
    name,
    docString,
    dims: [...dims.values()],
    dataType: elementType,
    ...(rawData === undefined ? {} : { rawData }),
    floatData: floatData.chunks,
    int32Data: int32Data.chunks,
    int64Data: int64Data.chunks,
    doubleData: doubleData.chunks,
    uint64Data: uint64Data.chunks,
    stringData,
    externalData,
    isExternal,
    unknown,
  };
}

function readSparse(reader: WireReader): SparseTensorProto {
  const dims = new BigInt64List();
  const unknown: Uint8Array[] = [];
  let values: TensorProto | undefined;
  let indices: TensorProto | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case lenTag(1):
        values = readTensor(reader.message());
        break;
      case lenTag(2):
        indices = readTensor(reader.message());
        break;
      case intTag(3):
        reader.spend();
        dims.push(reader.varintBigInt());
        break;
      case lenTag(3):
        dims.pushPacked(reader.message());
        break;
      default:
        unknown.push(reader.unknown(tag));
    }
  }
  return {
    ...(values === undefined ? {} : { values }),
    ...(indices === undefined ? {} : { indices }),
    dims: [...dims.values()],
    unknown,
  };
}

function readValueInfo(reader: WireReader): ValueInfoProto {
  const unknown: Uint8Array[] = [];
  let name = '';
  let docString = '';
  let type: TypeProto | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case lenTag(1):
        name = reader.string();
        break;
      case lenTag(2):
        type = readType(reader.message());
        break;
      case lenTag(3):
        docString = reader.string();
        break;
      default:
        unknown.push(reader.unknown(tag));
    }
  }
  return { name, docString, ...(type === undefined ? {} : { type }), unknown };
}

function readType(reader: WireReader): TypeProto {
  const unknown: Uint8Array[] = [];
  let type: TypeProto | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case lenTag(1):
        type = readTensorType(reader.message(), 'tensor', unknown);
        break;
      case lenTag(4):
        type = readWrappedType(reader.message(), 'sequence', unknown);
        break;
      case lenTag(5):
        type = readMapType(reader.message(), unknown);
        break;
      case lenTag(8):
        type = readTensorType(reader.message(), 'sparse_tensor', unknown);
        break;
      case lenTag(9):
        type = readWrappedType(reader.message(), 'optional', unknown);
        break;
      default:
        unknown.push(reader.unknown(tag));
    }
  }
  return type ?? { kind: 'other', unknown };
}

function readTensorType(reader: WireReader, kind: 'tensor' | 'sparse_tensor', unknown: Uint8Array[]): TypeProto {
  let elemType = 0;
  let shape: readonly Dimension[] | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === intTag(1)) elemType = reader.varintInt32();
    else if (tag === lenTag(2)) shape = readShape(reader.message());
    else reader.skip(tag);
  }
  return { kind, elemType, ...(shape === undefined ? {} : { shape }), unknown };
}

function readWrappedType(reader: WireReader, kind: 'sequence' | 'optional', unknown: Uint8Array[]): TypeProto {
  let elem: TypeProto | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === lenTag(1)) elem = readType(reader.message());
    else reader.skip(tag);
  }
  return { kind, ...(elem === undefined ? {} : { elem }), unknown };
}

function readMapType(reader: WireReader, unknown: Uint8Array[]): TypeProto {
  let keyType = 0;
  let value: TypeProto | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === intTag(1)) keyType = reader.varintInt32();
    else if (tag === lenTag(2)) value = readType(reader.message());
    else reader.skip(tag);
  }
  return { kind: 'map', keyType, ...(value === undefined ? {} : { value }), unknown };
}

function readShape(reader: WireReader): Dimension[] {
  const dims: Dimension[] = [];
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === lenTag(1)) dims.push(readDimension(reader.message()));
    else reader.skip(tag);
  }
  return dims;
}

function readDimension(reader: WireReader): Dimension {
  const unknown: Uint8Array[] = [];
  let size: bigint | string | undefined;
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    if (tag === intTag(1)) size = reader.varintBigInt();
    else if (tag === lenTag(2)) size = reader.string();
    else unknown.push(reader.unknown(tag));
  }
  return { size: size === '' ? undefined : size, unknown };
}

function readFunction(reader: WireReader): FunctionProto {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: string[] = [];
  const attributeProtos: AttributeProto[] = [];
  const nodes: NodeProto[] = [];
  const opsetImport: OpsetImport[] = [];
  const unknown: Uint8Array[] = [];
  let name = '';
  let domain = '';
  let overload = '';
  let docString = '';
  for (let tag = reader.tag(); tag !== 0; tag = reader.tag()) {
    switch (tag) {
      case lenTag(1):
        name = reader.string();
        break;
      case lenTag(4):
        reader.spend();
        inputs.push(reader.string());
        break;
      case lenTag(5):
        reader.spend();
        outputs.push(reader.string());
        break;
      case lenTag(6):
        reader.spend();
        attributes.push(reader.string());
        break;
      case lenTag(7):
        nodes.push(readNode(reader.message()));
        break;
      case lenTag(8):
        docString = reader.string();
        break;
      case lenTag(9):
        opsetImport.push(readOpset(reader.message()));
        break;
      case lenTag(10):
        domain = reader.string();
        break;
      case lenTag(11):
        attributeProtos.push(readAttribute(reader.message()));
        break;
      case lenTag(13):
        overload = reader.string();
        break;
      default:
        unknown.push(reader.unknown(tag));
    }
  }
  return {
    name,
    domain,
    overload,
    docString,
    inputs,
    outputs,
    attributes,
    attributeProtos,
    nodes,
    opsetImport,
    unknown,
  };
}
