import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { OnnxError } from '../../onnx-error.ts';
import { LzmaDecoder } from './lzma.ts';
import { damaged, type Unpacked } from './unpacked.ts';

/** Bytes of the check sum after a block, by the number of its kind. */
const checkBytes = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const lzma2 = 0x21;

/**
 * Unpacks an .xz file (The .xz File Format 1.2): one stream of blocks of LZMA2, each with its check sum.
 * @throws OnnxError `truncated` for damage, `unsupported_format` for filters other than LZMA2
 */
export function unpackXz(bytes: Uint8Array, out: Unpacked): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 24 || view.getUint32(8, true) !== crc32(bytes.subarray(6, 8))) throw damaged();
  const check = bytes[7]! & 15;
  let at = 12;
  // A zero in place of a block's size begins the index.
  while (bytes[at] !== 0) {
    const headerEnd = at + ((bytes[at] ?? 0) + 1) * 4;
    if (headerEnd > bytes.length) throw damaged();
    if (view.getUint32(headerEnd - 4, true) !== crc32(bytes.subarray(at, headerEnd - 4))) throw damaged();
    const start = out.length;
    const dataEnd = unpackLzma2(bytes, headerEnd, new LzmaDecoder(out, dictionaryOf(bytes, at + 1)), out);
    const checkAt = dataEnd + ((at - dataEnd) & 3);
    at = checkAt + checkBytes[check]!;
    if (at > bytes.length) throw damaged();
    verify(check, out.from(start), bytes.subarray(checkAt, at));
  }
}

/** Size of the dictionary from the header of a block, whose only filter is LZMA2. */
function dictionaryOf(bytes: Uint8Array, flagsAt: number): number {
  const flags = bytes[flagsAt]!;
  let at = flagsAt + 1;
  const skipSize = (): void => {
    while ((bytes[at] ?? 0) >= 0x80) at++;
    at++;
  };
  if ((flags & 0x40) !== 0) skipSize();
  if ((flags & 0x80) !== 0) skipSize();
  if ((flags & 3) !== 0 || bytes[at] !== lzma2 || bytes[at + 1] !== 1)
    throw new OnnxError(
      'unsupported_format',
      'The file is compressed by xz with a filter before LZMA2; save it with joblib.dump(model, path) or compress="zlib".',
    );
  const bits = bytes[at + 2]! & 63;
  if (bits > 40) throw damaged();
  return bits === 40 ? 0xffffffff : (2 + (bits & 1)) * 2 ** ((bits >> 1) + 11);
}

/** Chunks of LZMA, or of plain bytes where those are shorter. @returns where the data ends */
function unpackLzma2(bytes: Uint8Array, from: number, decoder: LzmaDecoder, out: Unpacked): number {
  let at = from;
  let hasDictionary = false;
  let hasProperties = false;
  for (;;) {
    const control = bytes[at];
    if (control === 0) return at + 1;
    if (control === undefined || at + 6 > bytes.length) throw damaged();
    const low = bytes[at + 1]! * 256 + bytes[at + 2]! + 1;
    if (control === 1 || control >= 0xe0) {
      decoder.forgetDictionary();
      hasDictionary = true;
    }
    if (!hasDictionary) throw damaged();
    if (control < 0x80) {
      if (control > 2 || at + 3 + low > bytes.length) throw damaged();
      out.append(bytes.subarray(at + 3, at + 3 + low));
      at += 3 + low;
      continue;
    }
    const size = (control & 31) * 2 ** 16 + low;
    const packed = bytes[at + 3]! * 256 + bytes[at + 4]! + 1;
    at += 5;
    if (control >= 0xc0) {
      decoder.setProperties(bytes[at++]!, 4);
      hasProperties = true;
    } else if (control >= 0xa0) decoder.resetState();
    if (!hasProperties || at + packed > bytes.length) throw damaged();
    if (decoder.decode(bytes.subarray(at, at + packed), 0, out.length + size)) throw damaged();
    at += packed;
  }
}

function verify(check: number, data: Uint8Array, sum: Uint8Array): void {
  const view = new DataView(sum.buffer, sum.byteOffset, sum.byteLength);
  const isRight =
    check === 1
      ? view.getUint32(0, true) === crc32(data)
      : check === 4
        ? crc64(data).every((half, i) => view.getUint32(4 * i, true) === half)
        : check !== 10 || createHash('sha256').update(data).digest().equals(sum);
  if (!isRight) throw damaged();
}

/** Low and high halves per byte value, of the reflected polynomial of ECMA-182. */
const [lowTable, highTable] = crc64Tables();

function crc64Tables(): [Uint32Array, Uint32Array] {
  const tables: [Uint32Array, Uint32Array] = [new Uint32Array(256), new Uint32Array(256)];
  for (let byte = 0; byte < 256; byte++) {
    let value = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) value = (value >> 1n) ^ ((value & 1n) === 1n ? 0xc96c5795d7870f42n : 0n);
    tables[0][byte] = Number(value & 0xffffffffn);
    tables[1][byte] = Number(value >> 32n);
  }
  return tables;
}

function crc64(data: Uint8Array): [number, number] {
  let low = 0xffffffff;
  let high = 0xffffffff;
  for (const byte of data) {
    const at = (low ^ byte) & 255;
    low = ((low >>> 8) | (high << 24)) ^ lowTable[at]!;
    high = (high >>> 8) ^ highTable[at]!;
  }
  return [~low >>> 0, ~high >>> 0];
}
