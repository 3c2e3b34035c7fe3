import { decodeText } from '../wire/wire-reader.ts';

/**
 * The entry names of a zip archive, read from its central directory without unpacking anything.
 * Undefined when the directory is missing or damaged; at most `limit` names.
 */
export function zipNames(bytes: Uint8Array, limit = 2000): string[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findZipEnd(view);
  if (end < 0) return undefined;
  const names: string[] = [];
  let at = view.getUint32(end + 16, true);
  while (at + 46 <= bytes.length && view.getUint32(at, true) === 0x02014b50 && names.length < limit) {
    const nameLength = view.getUint16(at + 28, true);
    names.push(decodeText(bytes.subarray(at + 46, at + 46 + nameLength)));
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return names;
}

/** Offset of the end-of-central-directory record, or -1; its comment is at most 65,535 bytes. */
export function findZipEnd(view: DataView): number {
  const lowest = Math.max(0, view.byteLength - 22 - 65535);
  for (let at = view.byteLength - 22; at >= lowest; at--) {
    if (view.getUint32(at, true) === 0x06054b50) return at;
  }
  return -1;
}
