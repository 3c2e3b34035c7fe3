import { WireWriter } from '../wire/wire-writer.ts';
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

/** Writes a model; equal values give equal bytes, and fields kept as `unknown` follow the known ones. */
export function writeModel(model: ModelProto): Uint8Array {
  const payload = model.graph.initializers.reduce((sum, tensor) => sum + (tensor.rawData?.length ?? 0), 0);
  // One buffer of the right size from the start: growing would hold a large model twice over.
  const out = new WireWriter(payload + (1 << 16));
  out.varintField(1, Math.max(0, model.irVersion));
  out.optionalString(2, model.producerName);
  out.optionalString(3, model.producerVersion);
  out.optionalString(4, model.domain);
  if (model.modelVersion !== 0n) out.int64Field(5, model.modelVersion);
  out.optionalString(6, model.docString);
  out.messageField(7, () => writeGraph(out, model.graph));
  for (const opset of model.opsetImport) writeOpset(out, 8, opset);
  for (const entry of model.metadataProps) writeEntry(out, 14, entry);
  for (const fn of model.functions) out.messageField(25, () => writeFunction(out, fn));
  for (const kept of model.unknown) out.raw(kept);
  const bytes = out.finish();
  return bytes.length < payload * 2 && bytes.length > bytes.buffer.byteLength / 2 ? bytes : bytes.slice();
}

function writeOpset(out: WireWriter, field: number, opset: OpsetImport): void {
  out.messageField(field, () => {
    out.stringField(1, opset.domain);
    out.int64Field(2, opset.version);
  });
}

function writeEntry(out: WireWriter, field: number, entry: StringEntry): void {
  out.messageField(field, () => {
    out.stringField(1, entry.key);
    out.stringField(2, entry.value);
  });
}

function writeGraph(out: WireWriter, graph: GraphProto): void {
  for (const node of graph.nodes) out.messageField(1, () => writeNode(out, node));
  out.stringField(2, graph.name);
  for (const tensor of graph.initializers) out.messageField(5, () => writeTensor(out, tensor));
  out.optionalString(10, graph.docString);
  for (const value of graph.inputs) out.messageField(11, () => writeValueInfo(out, value));
  for (const value of graph.outputs) out.messageField(12, () => writeValueInfo(out, value));
  for (const value of graph.valueInfo) out.messageField(13, () => writeValueInfo(out, value));
  for (const sparse of graph.sparseInitializers) out.messageField(15, () => writeSparse(out, sparse));
  for (const kept of graph.unknown) out.raw(kept);
}

function writeNode(out: WireWriter, node: NodeProto): void {
  for (const name of node.inputs) out.stringField(1, name);
  for (const name of node.outputs) out.stringField(2, name);
  out.optionalString(3, node.name);
  out.stringField(4, node.opType);
  for (const attribute of node.attributes) out.messageField(5, () => writeAttribute(out, attribute));
  out.optionalString(6, node.docString);
  out.optionalString(7, node.domain);
  out.optionalString(8, node.overload);
  for (const kept of node.unknown) out.raw(kept);
}

function writeAttribute(out: WireWriter, attribute: AttributeProto): void {
  const { t, g, sparseTensor } = attribute;
  out.stringField(1, attribute.name);
  if (attribute.f !== undefined) out.floatField(2, attribute.f);
  if (attribute.i !== undefined) out.int64Field(3, attribute.i);
  if (attribute.s !== undefined) out.bytesField(4, attribute.s);
  if (t !== undefined) out.messageField(5, () => writeTensor(out, t));
  if (g !== undefined) out.messageField(6, () => writeGraph(out, g));
  if (attribute.floats !== undefined) out.packedFloatField(7, attribute.floats);
  if (attribute.ints !== undefined) out.packedInt64Field(8, attribute.ints);
  for (const text of attribute.strings ?? []) out.bytesField(9, text);
  for (const tensor of attribute.tensors ?? []) out.messageField(10, () => writeTensor(out, tensor));
  for (const graph of attribute.graphs ?? []) out.messageField(11, () => writeGraph(out, graph));
  out.optionalString(13, attribute.docString);
  if (attribute.type !== 0) out.varintField(20, Math.max(0, attribute.type));
  out.optionalString(21, attribute.refAttrName);
  if (sparseTensor !== undefined) out.messageField(22, () => writeSparse(out, sparseTensor));
  for (const kept of attribute.unknown) out.raw(kept);
}

function writeTensor(out: WireWriter, tensor: TensorProto): void {
  if (tensor.dims.length > 0) out.packedInt64Field(1, tensor.dims);
  out.varintField(2, Math.max(0, tensor.dataType));
  for (const chunk of tensor.floatData) out.bytesField(4, chunk);
  for (const chunk of tensor.int32Data) out.bytesField(5, chunk);
  for (const text of tensor.stringData) out.bytesField(6, text);
  for (const chunk of tensor.int64Data) out.bytesField(7, chunk);
  out.optionalString(8, tensor.name);
  if (tensor.rawData !== undefined) out.bytesField(9, tensor.rawData);
  for (const chunk of tensor.doubleData) out.bytesField(10, chunk);
  for (const chunk of tensor.uint64Data) out.bytesField(11, chunk);
  out.optionalString(12, tensor.docString);
  for (const entry of tensor.externalData) writeEntry(out, 13, entry);
  if (tensor.isExternal) out.varintField(14, 1);
  for (const kept of tensor.unknown) out.raw(kept);
}

function writeSparse(out: WireWriter, sparse: SparseTensorProto): void {
  const { values, indices } = sparse;
  if (values !== undefined) out.messageField(1, () => writeTensor(out, values));
  if (indices !== undefined) out.messageField(2, () => writeTensor(out, indices));
  if (sparse.dims.length > 0) out.packedInt64Field(3, sparse.dims);
  for (const kept of sparse.unknown) out.raw(kept);
}

function writeValueInfo(out: WireWriter, value: ValueInfoProto): void {
  const { type } = value;
  out.stringField(1, value.name);
  if (type !== undefined) out.messageField(2, () => writeType(out, type));
  out.optionalString(3, value.docString);
  for (const kept of value.unknown) out.raw(kept);
}

function writeType(out: WireWriter, type: TypeProto): void {
  switch (type.kind) {
    case 'tensor':
    case 'sparse_tensor':
      out.messageField(type.kind === 'tensor' ? 1 : 8, () => {
        out.varintField(1, Math.max(0, type.elemType));
        const { shape } = type;
        if (shape !== undefined) out.messageField(2, () => writeShape(out, shape));
      });
      break;
    case 'sequence':
    case 'optional':
      out.messageField(type.kind === 'sequence' ? 4 : 9, () => {
        const { elem } = type;
        if (elem !== undefined) out.messageField(1, () => writeType(out, elem));
      });
      break;
    case 'map':
      out.messageField(5, () => {
        out.varintField(1, Math.max(0, type.keyType));
        const { value } = type;
        if (value !== undefined) out.messageField(2, () => writeType(out, value));
      });
      break;
    case 'other':
      break;
    default:
      throw new TypeError(`unknown kind ${JSON.stringify(type satisfies never)}`);
  }
  for (const kept of type.unknown) out.raw(kept);
}

function writeShape(out: WireWriter, shape: readonly Dimension[]): void {
  for (const dimension of shape) {
    out.messageField(1, () => {
      if (typeof dimension.size === 'bigint') out.int64Field(1, dimension.size);
      else if (dimension.size !== undefined) out.stringField(2, dimension.size);
      for (const kept of dimension.unknown) out.raw(kept);
    });
  }
}

function writeFunction(out: WireWriter, fn: FunctionProto): void {
  out.stringField(1, fn.name);
  for (const name of fn.inputs) out.stringField(4, name);
  for (const name of fn.outputs) out.stringField(5, name);
  for (const name of fn.attributes) out.stringField(6, name);
  for (const node of fn.nodes) out.messageField(7, () => writeNode(out, node));
  out.optionalString(8, fn.docString);
  for (const opset of fn.opsetImport) writeOpset(out, 9, opset);
  out.optionalString(10, fn.domain);
  for (const attribute of fn.attributeProtos) out.messageField(11, () => writeAttribute(out, attribute));
  out.optionalString(13, fn.overload);
  for (const kept of fn.unknown) out.raw(kept);
}
