import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { OnnxError } from '../../onnx-error.ts';
import { unpackBzip2 } from './bzip2.ts';
import { unpackLzma } from './lzma.ts';
import { damaged, tooLarge, Unpacked } from './unpacked.ts';
import { unpackXz } from './xz.ts';

/** Unpacked bytes one file may give; a bomb is stopped while it unpacks. */
const maxUnpackedBytes = 1 << 30;
/** The same where this package unpacks itself, some tens of times slower, so that a bomb ends within seconds. */
const maxSlowBytes = 1 << 27;
/** Ratio that no model file reaches; arrays of zeros compress well, so small results are free of it. */
const maxRatio = 200;

/**
 * Unpacks a joblib or pickle file written with compression: zlib, gzip, zstd, bzip2, xz or lzma.
 * @throws OnnxError `unsupported_format` for lz4 and others, `too_large` for bombs, `truncated` for damage
 */
export function decompress(bytes: Uint8Array): Uint8Array {
  const limit = Math.min(maxUnpackedBytes, Math.max(64 << 20, bytes.length * maxRatio));
  const unpacked = decompressByZlib(bytes, limit);
  if (unpacked !== undefined) return unpacked;
  const out = new Unpacked(Math.min(limit, maxSlowBytes));
  if (bytes[0] === 0x42) unpackBzip2(bytes, out);
  else if (bytes[0] === 0xfd) unpackXz(bytes, out);
  else if (bytes[0] === 0x5d) unpackLzma(bytes, out);
  else
    throw new OnnxError(
      'unsupported_format',
      `The file is compressed with ${bytes[0] === 0x04 ? 'lz4' : 'an unknown method'}, which is not supported; save it with joblib.dump(model, path) or compress="zlib".`,
    );
  return out.from(0);
}

function decompressByZlib(bytes: Uint8Array, limit: number): Uint8Array | undefined {
  const options = { maxOutputLength: limit };
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes, options);
    if (bytes[0] === 0x78) return inflateSync(bytes, options);
    if (bytes[0] === 0x28 && bytes[1] === 0xb5) return zstdDecompressSync(bytes, options);
    return undefined;
  } catch (cause) {
    const isBomb = cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE';
    throw isBomb ? tooLarge(limit, cause) : damaged(cause);
  }
}
