import { gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { OnnxError } from '../../onnx-error.ts';

/** Unpacked bytes one file may give; a bomb is stopped while it unpacks. */
const maxUnpackedBytes = 1 << 30;
/** Ratio that no model file reaches; arrays of zeros compress well, so small results are free of it. */
const maxRatio = 200;

/**
 * Unpacks a joblib or pickle file written with compression: zlib, gzip, zstd.
 * @throws OnnxError `unsupported_format` for bz2, xz, lzma and lz4, `too_large` for bombs, `truncated` for damage
 */
export function decompress(bytes: Uint8Array): Uint8Array {
  const options = { maxOutputLength: Math.min(maxUnpackedBytes, Math.max(64 << 20, bytes.length * maxRatio)) };
  try {
    if (bytes[0] === 0x1f && bytes[1] === 0x8b) return gunzipSync(bytes, options);
    if (bytes[0] === 0x78) return inflateSync(bytes, options);
    if (bytes[0] === 0x28 && bytes[1] === 0xb5) return zstdDecompressSync(bytes, options);
  } catch (cause) {
    const isBomb = cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE';
    if (isBomb)
      throw new OnnxError(
        'too_large',
        `The compressed file unpacks to more than ${options.maxOutputLength} bytes, beyond the size limit; save the model without compression.`,
        { cause },
      );
    throw new OnnxError('truncated', 'The compressed file is truncated or damaged; copy or download it again.', {
      cause,
    });
  }
  const name =
    bytes[0] === 0x42
      ? 'bzip2'
      : bytes[0] === 0xfd
        ? 'xz'
        : bytes[0] === 0x5d
          ? 'lzma'
          : bytes[0] === 0x04
            ? 'lz4'
            : 'an unknown method';
  throw new OnnxError(
    'unsupported_format',
    `The file is compressed with ${name}, which is not supported; save it with joblib.dump(model, path) or compress="zlib".`,
  );
}
