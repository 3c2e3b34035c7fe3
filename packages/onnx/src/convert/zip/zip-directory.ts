import { decodeText } from '../../wire/wire-reader.ts';

/** One file of an archive, as the central directory describes it; nothing of it is believed before it is checked. */
export interface ZipRecord {
  readonly name: string;
  /** 0 stored, 8 deflated. */
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly crc32: number;
  readonly packedBytes: number;
  readonly unpackedBytes: number;
  /** Where its local header starts. */
  readonly headerAt: number;
}

const endSignature = 0x06054b50;
const end64Signature = 0x06064b50;
const locator64Signature = 0x07064b50;
const recordSignature = 0x02014b50;

/** Files one archive may list; model archives have at most some thousands. */
const maxRecords = 100_000;

/**
 * The central directory of a zip archive, also of a zip64 one, without unpacking anything.
 * Undefined when it is missing or damaged; at most `limit` records.
 */
export function zipDirectory(bytes: Uint8Array, limit = maxRecords): ZipRecord[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = directoryStart(view);
  if (start === undefined) return undefined;
  const records: ZipRecord[] = [];
  let at = start;
  while (at + 46 <= bytes.length && view.getUint32(at, true) === recordSignature && records.length < limit) {
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const next = at + 46 + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (next > bytes.length) return undefined;
    records.push(readRecord(bytes, view, at, nameBytes, extraBytes));
    at = next;
  }
  return records;
}

/** The names of an archive's files; undefined when the directory is missing or damaged. */
export function zipNames(bytes: Uint8Array, limit = 2000): string[] | undefined {
  return zipDirectory(bytes, limit)?.map(record => record.name);
}

/** Offset of the first central record; the comment behind the end record has at most 65,535 bytes. */
function directoryStart(view: DataView): number | undefined {
  const lowest = Math.max(0, view.byteLength - 22 - 65535);
  for (let at = view.byteLength - 22; at >= lowest; at--) {
    if (view.getUint32(at, true) !== endSignature) continue;
    const start = view.getUint32(at + 16, true);
    return start === 0xffffffff ? directoryStart64(view, at - 20) : start;
  }
  return undefined;
}

function directoryStart64(view: DataView, locatorAt: number): number | undefined {
  if (locatorAt < 0 || view.getUint32(locatorAt, true) !== locator64Signature) return undefined;
  const endAt = Number(view.getBigUint64(locatorAt + 8, true));
  if (endAt + 56 > view.byteLength || view.getUint32(endAt, true) !== end64Signature) return undefined;
  const start = Number(view.getBigUint64(endAt + 48, true));
  return start <= view.byteLength ? start : undefined;
}

function readRecord(bytes: Uint8Array, view: DataView, at: number, nameBytes: number, extraBytes: number): ZipRecord {
  const sizes = {
    unpackedBytes: view.getUint32(at + 24, true),
    packedBytes: view.getUint32(at + 20, true),
    headerAt: view.getUint32(at + 42, true),
  };
  return {
    name: decodeText(bytes.subarray(at + 46, at + 46 + nameBytes)),
    method: view.getUint16(at + 10, true),
    isEncrypted: (view.getUint16(at + 8, true) & 1) === 1,
    crc32: view.getUint32(at + 16, true),
    ...widened(view, at + 46 + nameBytes, extraBytes, sizes),
  };
}

/** Replaces sizes that did not fit 32 bits by those of the zip64 extra field (id 1), which holds just them, in order. */
function widened<T extends Record<'unpackedBytes' | 'packedBytes' | 'headerAt', number>>(
  view: DataView,
  extraAt: number,
  extraBytes: number,
  sizes: T,
): T {
  const end = extraAt + extraBytes;
  for (let at = extraAt; at + 4 <= end; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    let field = at + 4;
    const wide = { ...sizes };
    for (const key of ['unpackedBytes', 'packedBytes', 'headerAt'] as const) {
      if (sizes[key] !== 0xffffffff || field + 8 > end) continue;
      wide[key] = Number(view.getBigUint64(field, true));
      field += 8;
    }
    return wide;
  }
  return sizes;
}
