import { OnnxError } from '../onnx-error.ts';
import { WireReader } from '../wire/wire-reader.ts';
import { elementTypeOf } from './element-type.ts';
import { dataType, type TensorProto } from './proto.ts';

/** Number of elements by the declared dims; bigint, because a file may claim anything. */
export function elementCount(tensor: Pick<TensorProto, 'dims'>): bigint {
  return tensor.dims.reduce((product, dim) => product * dim, 1n);
}

/** Bytes of elements that the file itself holds for a tensor, raw or typed. */
function storedBytes(tensor: TensorProto): number {
  const chunks = [
    tensor.floatData,
    tensor.int32Data,
    tensor.int64Data,
    tensor.doubleData,
    tensor.uint64Data,
    tensor.stringData,
  ];
  const typed = chunks.flat().reduce((sum, chunk) => sum + chunk.length, 0);
  return typed + (tensor.rawData?.length ?? 0);
}

/** The elements of a small integer tensor (int32, int64), or undefined for other types, external or bad data. */
export function integerValues(tensor: TensorProto, limit = 4096): bigint[] | undefined {
  const count = elementCount(tensor);
  if (tensor.isExternal || count < 0n || count > BigInt(limit)) return undefined;
  const values = rawIntegers(tensor) ?? typedIntegers(tensor, limit);
  return values?.length === Number(count) ? values : undefined;
}

function rawIntegers(tensor: TensorProto): bigint[] | undefined {
  const raw = tensor.rawData;
  if (raw === undefined) return undefined;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const values: bigint[] = [];
  if (tensor.dataType === dataType.int64)
    for (let at = 0; at + 8 <= raw.length; at += 8) values.push(view.getBigInt64(at, true));
  else if (tensor.dataType === dataType.int32)
    for (let at = 0; at + 4 <= raw.length; at += 4) values.push(BigInt(view.getInt32(at, true)));
  else if (tensor.dataType === dataType.bool) for (const byte of raw) values.push(BigInt(byte));
  else return undefined;
  return values;
}

function typedIntegers(tensor: TensorProto, limit: number): bigint[] | undefined {
  const chunks = tensor.dataType === dataType.int64 ? tensor.int64Data : tensor.int32Data;
  if (tensor.dataType !== dataType.int64 && tensor.dataType !== dataType.int32 && tensor.dataType !== dataType.bool)
    return undefined;
  const values: bigint[] = [];
  for (const chunk of chunks) {
    const reader = new WireReader(chunk);
    while (!reader.atEnd && values.length <= limit) values.push(reader.varintBigInt());
  }
  return values;
}

/**
 * @throws OnnxError `missing_data` when an embedded tensor declares more elements than the file holds, `malformed`
 * for impossible dims, `too_large` above `maxElements`.
 */
export function checkTensorSize(tensor: TensorProto, where: string, maxElements: bigint): void {
  const name = tensor.name === '' ? where : tensor.name;
  for (const dim of tensor.dims) {
    if (dim < 0n)
      throw new OnnxError('malformed', `The tensor "${name}" has a negative dimension; export the model again.`, {
        node: name,
      });
  }
  const count = elementCount(tensor);
  if (count > maxElements) {
    throw new OnnxError(
      'too_large',
      `The tensor "${name}" declares ${count} elements, more than ${maxElements}; the size cannot be real.`,
      { node: name },
    );
  }
  const type = elementTypeOf(tensor.dataType);
  if (type === undefined) {
    throw new OnnxError('unsupported_dtype', `The tensor "${name}" has the unknown element type ${tensor.dataType}.`, {
      node: name,
    });
  }
  if (tensor.isExternal) return;
  // Typed fields hold at least one byte per element (a varint), half of that for packed 4-bit types.
  const least =
    tensor.rawData !== undefined
      ? (count * BigInt(type.bits) + 7n) / 8n
      : type.bits > 0 && type.bits < 8
        ? (count * BigInt(type.bits) + 7n) / 8n
        : count;
  const stored = type.onnx === 'string' ? tensor.stringData.length : storedBytes(tensor);
  if (BigInt(stored) < least) {
    throw new OnnxError(
      'missing_data',
      `The tensor "${name}" declares ${count} elements but the file holds only ${stored} bytes of data for it; export the model again.`,
      { node: name },
    );
  }
}
