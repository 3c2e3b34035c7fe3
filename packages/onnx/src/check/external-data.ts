import { elementTypeOf } from '../model/element-type.ts';
import type { TensorProto } from '../model/proto.ts';
import { elementCount } from '../model/tensor-values.ts';
import { OnnxError } from '../onnx-error.ts';

/**
 * Checks that a tensor kept outside the file lies wholly inside one of the files that came with the model.
 * @param files name of each accompanying file and its size in bytes
 * @throws OnnxError `external_data`
 */
export function checkExternalData(tensor: TensorProto, files: ReadonlyMap<string, number>): void {
  const entries = new Map(tensor.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get('location') ?? '';
  const refuse = (why: string): OnnxError =>
    new OnnxError(
      'external_data',
      `The tensor "${tensor.name}" keeps its data in the external file "${location}", ${why}.`,
      { node: tensor.name },
    );
  if (location === '' || /^[\\/]|^[A-Za-z]:|(^|[\\/])\.\.([\\/]|$)|\0/.test(location)) {
    throw refuse('which is not a plain path inside the model folder; save the model with its data beside it');
  }
  const size = files.get(location.replace(/^\.\//, ''));
  if (size === undefined) throw refuse('which was not given; add that file or save the model as one file');
  const offset = wholeNumber(entries.get('offset') ?? '0');
  const needed = (elementCount(tensor) * BigInt(elementTypeOf(tensor.dataType)?.bits ?? 8) + 7n) / 8n;
  const length = entries.has('length') ? wholeNumber(entries.get('length')!) : needed;
  if (offset === undefined || length === undefined) throw refuse('with an offset or length that is not a number');
  if (length < needed) throw refuse(`with ${length} bytes where its shape needs ${needed}`);
  if (offset + length > BigInt(size))
    throw refuse(`which is too short: ${size} bytes, but ${offset + length} are needed`);
}

function wholeNumber(text: string): bigint | undefined {
  return /^\d{1,18}$/.test(text) ? BigInt(text) : undefined;
}
