import { type Datatype, datatypes, elementCount, type Tensor, type TensorData, typedArrayOf } from '@holdfast/api';
import { type WireReader, wireTypes } from '../../grpc/wire-reader.ts';
import type { WireWriter } from '../../grpc/wire-writer.ts';
import { badRequest } from '../../refusal.ts';
import { checkSize } from '../oip/datatypes.ts';
import { readBinary, readText } from '../oip-rest/binary-tensors.ts';

/** TensorFlow's numbers of the datatypes. */
const dtypeNumbers: Readonly<Record<Datatype, number>> = {
  FP32: 1,
  FP64: 2,
  INT32: 3,
  UINT8: 4,
  INT16: 5,
  INT8: 6,
  BYTES: 7,
  INT64: 9,
  BOOL: 10,
  UINT16: 17,
  FP16: 19,
  UINT32: 22,
  UINT64: 23,
};
/** The datatype behind each of TensorFlow's numbers. */
export const datatypeOf: ReadonlyMap<number, Datatype> = new Map(
  datatypes.map(datatype => [dtypeNumbers[datatype], datatype]),
);

/** The field of a `TensorProto` that holds the values of each datatype, one by one. */
const valueFields: Readonly<Record<Datatype, number>> = {
  FP32: 5,
  FP64: 6,
  INT32: 7,
  INT16: 7,
  INT8: 7,
  UINT8: 7,
  UINT16: 7,
  BYTES: 8,
  INT64: 10,
  BOOL: 11,
  FP16: 13,
  UINT32: 16,
  UINT64: 17,
};

/** A few values may stand for a whole tensor; one that is larger than this must be sent whole. */
const mostFilledElements = 1_048_576;

function readShape(reader: WireReader, name: string): number[] {
  const shape: number[] = [];
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 2) {
      let size = 0;
      const dim = reader.nested();
      for (let inner = dim.nextField(); inner !== 0; inner = dim.nextField()) {
        if (inner === 1) size = dim.int64();
        else dim.skip();
      }
      if (size < 0 || shape.length >= 64) throw badRequest(`Tensor proto of input ${name} has an invalid shape`);
      shape.push(size);
    } else if (field === 3 && reader.boolean()) {
      throw badRequest(`Tensor proto of input ${name} has unknown rank`);
    } else if (field !== 3) reader.skip();
  }
  return shape;
}

type Value = number | bigint | string;

function addNumbers(reader: WireReader, field: number, values: Value[]): void {
  const isPacked = reader.wireType === wireTypes.bytes;
  const part = isPacked ? reader.nested() : reader;
  do {
    if (isPacked && part.at >= part.end) return;
    if (field === 5) {
      values.push(isPacked ? part.bytes.readFloatLE(advance(part, 4)) : part.float());
      continue;
    }
    if (field === 6) {
      values.push(isPacked ? part.bytes.readDoubleLE(advance(part, 8)) : part.double());
      continue;
    }
    if (isPacked) part.packedVarint();
    else part.varint();
    const { low, high } = part;
    if (field === 10) values.push(BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low)));
    else if (field === 17) values.push((BigInt(high) << 32n) | BigInt(low));
    else values.push(field === 7 ? low | 0 : field === 11 ? Number((low | high) !== 0) : low);
  } while (isPacked);
}

function advance(part: WireReader, bytes: number): number {
  const from = part.at;
  if (from + bytes > part.end) throw badRequest('failed to parse the request message: a number is cut off');
  part.at += bytes;
  return from;
}

/** `count` elements: missing ones repeat the last value, and without any they are 0 or empty. */
function filled(values: readonly Value[], count: number, datatype: Datatype, name: string): TensorData {
  const at = (i: number): Value | undefined => values[Math.min(i, values.length - 1)];
  switch (datatype) {
    case 'BYTES':
      return Array.from({ length: count }, (_, i) => String(at(i) ?? ''));
    case 'INT64':
      return BigInt64Array.from({ length: count }, (_, i) => BigInt(at(i) ?? 0));
    case 'UINT64':
      return BigUint64Array.from({ length: count }, (_, i) => BigInt(at(i) ?? 0));
    default: {
      const data = new typedArrayOf[datatype](count);
      const isFloat = datatype === 'FP32' || datatype === 'FP64';
      for (let i = 0; i < count; i++) {
        const value = Number(at(i) ?? 0);
        data[i] = value;
        if (!isFloat && Number(data[i]) !== value) {
          throw badRequest(`element ${i} of input '${name}' does not fit into ${datatype}`);
        }
      }
      return data;
    }
  }
}

/** Reads a `tensorflow.TensorProto` in any of its forms. @throws Refusal `bad_request` */
export function readTensorProto(reader: WireReader, name: string, model: string): Tensor {
  let dtype = 0;
  let shape: number[] = [];
  let content: Buffer | undefined;
  const values: Value[] = [];
  let used = 0;
  for (let field = reader.nextField(); field !== 0; field = reader.nextField()) {
    if (field === 1) {
      reader.varint();
      dtype = reader.low;
    } else if (field === 2) shape = readShape(reader.nested(), name);
    else if (field === 4) content = reader.view();
    else if (field === 8) {
      used = field;
      values.push(readText(reader.view(), values.length, { input: name, model }));
    } else if (
      field === 5 ||
      field === 6 ||
      field === 7 ||
      field === 10 ||
      field === 11 ||
      field === 13 ||
      field > 15
    ) {
      if (field > 17) reader.skip();
      else {
        used = field;
        addNumbers(reader, field, values);
      }
    } else reader.skip();
  }
  const datatype = datatypeOf.get(dtype);
  if (datatype === undefined) throw badRequest(`input ${name} has the data type ${dtype}, which is not served`);
  checkSize(name, datatype, shape);
  const count = elementCount(shape);
  if (content !== undefined && content.length > 0) {
    if (datatype === 'BYTES')
      throw badRequest(`Text of input ${name} must be sent in string_val, not in tensor_content`);
    return { name, datatype, shape, data: readBinary(content, datatype, count, { input: name, model }) };
  }
  if (used !== 0 && used !== valueFields[datatype]) {
    throw badRequest(`the values of input ${name} stand in another field than that of its data type`);
  }
  if (values.length > count) {
    throw badRequest(`Invalid tensor: input ${name} has ${values.length} values, but its shape holds ${count}`);
  }
  if (values.length < count && count > mostFilledElements) {
    throw badRequest(`Invalid tensor: input ${name} has ${values.length} values for ${count} elements`);
  }
  return { name, datatype, shape, data: filled(values, count, datatype, name) };
}

/** Writes a tensor with its values one by one, which every client can read. */
export function writeTensorProto(writer: WireWriter, { datatype, shape, data }: Tensor): void {
  writer.unsigned(1, dtypeNumbers[datatype]);
  writer.nested(2, () => {
    for (const size of shape) writer.nested(2, () => writer.unsigned(1, size));
  });
  const field = valueFields[datatype];
  if (!ArrayBuffer.isView(data)) for (const text of data) writer.text(field, text);
  else if (datatype === 'FP32' || datatype === 'FP64') {
    writer.bytes(field, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  } else {
    writer.nested(field, () => {
      for (const value of data) writer.packedSigned(value);
    });
  }
}
