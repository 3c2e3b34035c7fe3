import { inflateRawSync } from 'node:zlib';
import { OnnxError } from '../onnx-error.ts';
import { findZipEnd } from '../sniff/zip-names.ts';
import { decodeText } from '../wire/wire-reader.ts';

/** Largest entry that is unpacked, in bytes; pickles inside archives are small. */
const maxEntryBytes = 64 << 20;

/**
 * The bytes of the first zip entry whose name passes `wanted`, or undefined. Nothing is written anywhere.
 * @throws OnnxError `too_large`, `truncated`
 */
export function zipEntry(bytes: Uint8Array, wanted: (name: string) => boolean): Uint8Array | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findZipEnd(view);
  if (end < 0) return undefined;
  let at = view.getUint32(end + 16, true);
  while (at + 46 <= bytes.length && view.getUint32(at, true) === 0x02014b50) {
    const nameLength = view.getUint16(at + 28, true);
    if (wanted(decodeText(bytes.subarray(at + 46, at + 46 + nameLength)))) return unpack(bytes, view, at);
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return undefined;
}

function unpack(bytes: Uint8Array, view: DataView, directory: number): Uint8Array {
  const method = view.getUint16(directory + 10, true);
  const packed = view.getUint32(directory + 20, true);
  const unpacked = view.getUint32(directory + 24, true);
  const local = view.getUint32(directory + 42, true);
  if (unpacked > maxEntryBytes)
    throw new OnnxError(
      'too_large',
      `An entry of the archive unpacks to ${unpacked} bytes, beyond the size limit of ${maxEntryBytes}.`,
    );
  if (local + 30 > bytes.length)
    throw new OnnxError('truncated', 'The archive is truncated; copy or download it again.');
  const start = local + 30 + view.getUint16(local + 26, true) + view.getUint16(local + 28, true);
  const content = bytes.subarray(start, start + packed);
  if (content.length < packed) throw new OnnxError('truncated', 'The archive is truncated; copy or download it again.');
  if (method === 0) return content;
  try {
    return inflateRawSync(content, { maxOutputLength: maxEntryBytes });
  } catch (cause) {
    throw new OnnxError('source_malformed', 'An entry of the archive cannot be unpacked; copy or download it again.', {
      cause,
    });
  }
}
