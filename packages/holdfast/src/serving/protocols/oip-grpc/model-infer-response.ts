import type { Datatype, Tensor } from '@holdfast/api';
import { WireWriter } from '../../grpc/wire-writer.ts';
import { writeBinary } from '../oip-rest/binary-tensors.ts';
import { outputOf, type ResponsePlan } from '../oip-rest/infer-response.ts';
import type { Answer } from '../protocol.ts';

/** Writes the contents of a tensor in typed form, into the field of its datatype. */
function writeContents(writer: WireWriter, { datatype, data }: Tensor): void {
  if (data.length === 0) return;
  if (!ArrayBuffer.isView(data)) {
    for (const text of data) writer.text(8, text);
    return;
  }
  const signed = (field: number): void =>
    writer.nested(field, () => {
      for (const value of data) writer.packedSigned(value);
    });
  const unsigned = (field: number): void =>
    writer.nested(field, () => {
      for (const value of data) writer.packedUnsigned(value);
    });
  const asBytes = (field: number): void =>
    writer.bytes(field, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const writers: Readonly<Record<Exclude<Datatype, 'BYTES' | 'FP16'>, () => void>> = {
    BOOL: () => unsigned(1),
    INT8: () => signed(2),
    INT16: () => signed(2),
    INT32: () => signed(2),
    INT64: () => signed(3),
    UINT8: () => unsigned(4),
    UINT16: () => unsigned(4),
    UINT32: () => unsigned(4),
    UINT64: () => unsigned(5),
    FP32: () => asBytes(6),
    FP64: () => asBytes(7),
  };
  if (datatype !== 'BYTES' && datatype !== 'FP16') writers[datatype]();
}

function writeOutput(writer: WireWriter, tensor: Tensor, isRaw: boolean): void {
  writer.text(1, tensor.name);
  writer.text(2, tensor.datatype);
  writer.nested(3, () => {
    for (const dim of tensor.shape) writer.packedUnsigned(dim);
  });
  if (!isRaw) writer.nested(5, () => writeContents(writer, tensor));
}

/** A `ModelInferResponse`: raw when the request was, else typed. */
export function writeModelInferResponse(answer: Answer, plan: ResponsePlan): Buffer {
  const outputs = plan.outputs.map(output => ({ tensor: outputOf(answer, output), isRaw: output.isBinary }));
  const raw = outputs.filter(({ isRaw }) => isRaw).map(({ tensor }) => writeBinary(tensor));
  const writer = new WireWriter(raw.reduce((sum, { length }) => sum + length + 16, 256));
  writer.text(1, answer.served.model);
  writer.text(2, String(answer.served.version));
  if (plan.id !== undefined) writer.text(3, plan.id);
  writer.nested(4, () => {
    writer.text(1, 'prediction_id');
    writer.nested(2, () => writer.text(3, answer.predictionId));
  });
  for (const { tensor, isRaw } of outputs) writer.nested(5, () => writeOutput(writer, tensor, isRaw));
  for (const bytes of raw) writer.bytes(6, bytes);
  return writer.finish();
}
