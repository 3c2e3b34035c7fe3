import { isUtf8 } from 'node:buffer';
import { type Datatype, elementBytes, type Tensor, type TensorData, typedArrayOf } from '@holdfast/api';
import { badRequest } from '../../refusal.ts';

/** Names the tensor in errors. */
export interface TensorPlace {
  readonly input: string;
  readonly model: string;
}

function mismatch({ input, model }: TensorPlace, expected: number, got: number): Error {
  return badRequest(
    `input byte size mismatch for input '${input}' for model '${model}'. Expected ${expected}, got ${got}`,
  );
}

/** One element of a text tensor. @throws Refusal `bad_request` when a string tensor could not carry it */
export function readText(bytes: Buffer, index: number, { input, model }: TensorPlace): string {
  if (bytes.includes(0)) {
    throw badRequest(
      `element ${index} of input '${input}' for model '${model}' holds a NUL character, which a string tensor would cut off`,
    );
  }
  if (!isUtf8(bytes)) throw badRequest(`element ${index} of input '${input}' for model '${model}' is not valid UTF-8`);
  return bytes.toString('utf8');
}

function readTexts(bytes: Buffer, count: number, { input, model }: TensorPlace): string[] {
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const indicator = `incomplete string length indicator for inference input '${input}' for model '${model}'`;
    if (at + 4 > bytes.length) {
      throw badRequest(`${indicator}, expecting 4 bytes but only ${bytes.length - at} bytes available`);
    }
    const length = bytes.readUInt32LE(at);
    at += 4;
    if (at + length > bytes.length) {
      throw badRequest(
        `incomplete string data for inference input '${input}' for model '${model}', expecting string of length ${length} but only ${bytes.length - at} bytes available`,
      );
    }
    const slice = bytes.subarray(at, at + length);
    texts.push(readText(slice, texts.length, { input, model }));
    at += length;
    if (texts.length > count) break;
  }
  if (texts.length !== count) {
    const got = texts.length > count ? `more than ${count}` : `${texts.length}`;
    throw badRequest(
      `expected ${count} string elements for inference input '${input}' for model '${model}', got ${got}`,
    );
  }
  return texts;
}

/**
 * The elements of a tensor from its little-endian bytes: a view where the bytes are aligned, else a copy.
 * @throws Refusal `bad_request` when size or contents do not fit `count` elements
 */
export function readBinary(bytes: Buffer, datatype: Datatype, count: number, place: TensorPlace): TensorData {
  if (datatype === 'BYTES') return readTexts(bytes, count, place);
  const size = elementBytes[datatype];
  if (bytes.length !== count * size) throw mismatch(place, count * size, bytes.length);
  if (datatype === 'BOOL') {
    for (const byte of bytes) {
      if (byte > 1)
        throw badRequest(`input '${place.input}' for model '${place.model}' holds a BOOL that is neither 0 nor 1`);
    }
  }
  const array = typedArrayOf[datatype];
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && bytes.byteOffset % size === 0) return new array(buffer, bytes.byteOffset, count);
  return new array(Uint8Array.from(bytes).buffer, 0, count);
}

/** The bytes of a tensor as the binary extension carries them. */
export function writeBinary({ data }: Tensor): Buffer {
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const texts = data.map(text => Buffer.from(text, 'utf8'));
  const bytes = Buffer.allocUnsafe(texts.reduce((sum, text) => sum + 4 + text.length, 0));
  let at = 0;
  for (const text of texts) {
    at = bytes.writeUInt32LE(text.length, at);
    at += text.copy(bytes, at);
  }
  return bytes;
}
