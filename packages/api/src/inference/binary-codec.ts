import { type Datatype, elementBytes, typedArrayOf } from '../datatype.ts';
import { InferenceError } from './inference-error.ts';
import { type DataByDatatype, isDataOf, type TypedTensor } from './tensor.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text elements as the binary tensor extension carries them: a length of 4 bytes, little-endian, then UTF-8. */
function bytesOfTexts(texts: readonly string[]): Uint8Array {
  const parts = texts.map(text => encoder.encode(text));
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + 4 + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

/** The little-endian bytes of a tensor; a view of its storage where it has fixed-size elements. */
export function bytesOfTensor({ data }: Pick<TypedTensor, 'data'>): Uint8Array {
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : bytesOfTexts(data);
}

function badAnswer(name: string, why: string, cause?: unknown): InferenceError {
  return new InferenceError('bad_answer', `Output "${name}": ${why}.`, { cause });
}

function textsOfBytes(bytes: Uint8Array, count: number, name: string): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = at + 4 <= bytes.length ? view.getUint32(at, true) : Number.POSITIVE_INFINITY;
    if (at + 4 + length > bytes.length) throw badAnswer(name, `text element ${texts.length} is cut off`);
    try {
      texts.push(decoder.decode(bytes.subarray(at + 4, at + 4 + length)));
    } catch (error) {
      throw badAnswer(name, `text element ${texts.length} is not UTF-8`, error);
    }
    at += 4 + length;
  }
  if (texts.length !== count) throw badAnswer(name, `${texts.length} text elements came instead of ${count}`);
  return texts;
}

/**
 * The elements of a tensor from its bytes: a view where they are aligned, a copy else.
 * @throws InferenceError `bad_answer` when the bytes do not hold `count` elements
 */
export function dataOfBytes<D extends Datatype>(
  bytes: Uint8Array<ArrayBuffer>,
  datatype: D,
  count: number,
  name: string,
): DataByDatatype[D] {
  const known: Datatype = datatype;
  if (known === 'BYTES') return checked(datatype, textsOfBytes(bytes, count, name), name);
  const size = elementBytes[known];
  if (bytes.length !== count * size) throw badAnswer(name, `${bytes.length} bytes came instead of ${count * size}`);
  const isAligned = bytes.byteOffset % size === 0;
  const { buffer, byteOffset } = isAligned ? bytes : Uint8Array.from(bytes);
  return checked(datatype, new typedArrayOf[known](buffer, byteOffset, count), name);
}

/** Narrows elements to the storage of the datatype. @throws InferenceError `bad_answer` */
export function checked<D extends Datatype>(
  datatype: D,
  data: Parameters<typeof isDataOf>[1],
  name: string,
): DataByDatatype[D] {
  if (isDataOf(datatype, data)) return data;
  throw badAnswer(name, `its elements are not ${datatype}`);
}
