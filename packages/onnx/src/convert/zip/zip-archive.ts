import { crc32, inflateRawSync } from 'node:zlib';
import { OnnxError } from '../../onnx-error.ts';
import { type ZipRecord, zipDirectory } from './zip-directory.ts';

/**
 * Reads the files of a zip archive from memory: stored and deflated ones, zip64 too. Nothing is written anywhere, a
 * name that leaves the archive is refused, and no file unpacks beyond the bound its reader gives.
 */
export class ZipArchive {
  readonly #bytes: Uint8Array;
  readonly #records: ReadonlyMap<string, ZipRecord>;

  /** @throws OnnxError `truncated`, `source_malformed`, `unsafe_code` */
  constructor(bytes: Uint8Array) {
    const records = zipDirectory(bytes);
    if (records === undefined)
      throw new OnnxError(
        'truncated',
        'The zip archive has no readable directory at its end, so it is cut or damaged; copy or download it again.',
      );
    for (const { name } of records) refuseEscapingName(name);
    this.#bytes = bytes;
    this.#records = new Map(records.map(record => [record.name, record]));
  }

  /** Names in the order of the directory; a folder ends in a slash. */
  get names(): readonly string[] {
    return [...this.#records.keys()];
  }

  has(name: string): boolean {
    return this.#records.has(name);
  }

  /**
   * The content of one file, a view of the archive where it is stored as it is.
   * @param maxBytes largest size that is unpacked
   * @throws OnnxError `missing_file`, `too_large`, `truncated`, `source_malformed`
   */
  read(name: string, maxBytes: number): Uint8Array {
    const record = this.#records.get(name);
    if (record === undefined)
      throw new OnnxError('missing_file', `The archive has no file "${name}"; save the model again.`);
    if (record.isEncrypted)
      throw new OnnxError('unsupported_format', `The file "${name}" of the archive is encrypted; unpack it first.`);
    if (record.unpackedBytes > maxBytes)
      throw new OnnxError(
        'too_large',
        `The file "${name}" of the archive unpacks to ${record.unpackedBytes} bytes, beyond the size limit of ${maxBytes}.`,
      );
    const content = this.#unpack(record, maxBytes);
    if (content.length !== record.unpackedBytes || crc32(content) !== record.crc32)
      throw new OnnxError(
        'source_malformed',
        `The file "${name}" of the archive is damaged (its size or checksum is wrong); copy or download it again.`,
      );
    return content;
  }

  #unpack(record: ZipRecord, maxBytes: number): Uint8Array {
    const bytes = this.#bytes;
    const { headerAt, packedBytes, method, name } = record;
    if (headerAt + 30 > bytes.length) throw truncated(name);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const start = headerAt + 30 + view.getUint16(headerAt + 26, true) + view.getUint16(headerAt + 28, true);
    const packed = bytes.subarray(start, start + packedBytes);
    if (packed.length < packedBytes) throw truncated(name);
    if (method === 0) return packed;
    if (method !== 8)
      throw new OnnxError(
        'unsupported_format',
        `The file "${name}" of the archive is packed with method ${method}; pack the archive again with deflate.`,
      );
    try {
      // One byte beyond the declared size shows a size that lies.
      return inflateRawSync(packed, { maxOutputLength: Math.min(maxBytes, record.unpackedBytes + 1) });
    } catch (cause) {
      throw new OnnxError(
        'source_malformed',
        `The file "${name}" of the archive cannot be unpacked; copy or download it again.`,
        { cause },
      );
    }
  }
}

function truncated(name: string): OnnxError {
  return new OnnxError('truncated', `The file "${name}" of the archive is cut; copy or download it again.`);
}

/** @throws OnnxError `unsafe_code` for a name that would leave the folder it is unpacked into */
function refuseEscapingName(name: string): void {
  const isEscaping = /^([/\\]|[A-Za-z]:)/.test(name) || name.split(/[/\\]/).includes('..') || name.includes('\0');
  if (isEscaping)
    throw new OnnxError(
      'unsafe_code',
      `The archive holds a file named ${JSON.stringify(name.slice(0, 120))}, which would be written outside its folder; do not use it.`,
    );
}
