import { OnnxError } from '../../onnx-error.ts';
import { Cursor, type Hdf5Layout } from './cursor.ts';

/** Structures of one file that may be read; the largest Keras models need some tens of thousands. */
const maxStructures = 3_000_000;

/** Reads a superblock of version 0 to 3. @throws OnnxError `source_malformed`, `truncated` */
export function readSuperblock(bytes: Uint8Array): { readonly layout: Hdf5Layout; readonly rootAt: number } {
  const budget = { left: maxStructures };
  const version = bytes[8] ?? 255;
  const sizesAt = version < 2 ? 13 : 9;
  const offsetBytes = bytes[sizesAt] ?? 0;
  const lengthBytes = bytes[sizesAt + 1] ?? 0;
  const isSane = [offsetBytes, lengthBytes].every(size => size === 2 || size === 4 || size === 8);
  if (version > 3 || !isSane)
    throw new OnnxError(
      'source_malformed',
      `The HDF5 file has a superblock that is damaged or of an unknown version (${version}); save the model again.`,
    );
  const bare: Hdf5Layout = { bytes, offsetBytes, lengthBytes, base: 0, budget };
  const cursor = new Cursor(bare, sizesAt + 2);
  if (version < 2) cursor.skip(version === 1 ? 13 : 9);
  else cursor.skip(1);
  const base = cursor.address() ?? 0;
  cursor.skip(offsetBytes * (version < 2 ? 3 : 2));
  // The root group of old files is a symbol table entry: its name offset comes before its address.
  if (version < 2) cursor.skip(offsetBytes);
  const root = cursor.address();
  if (root === undefined || base + root >= bytes.length)
    throw new OnnxError(
      'source_malformed',
      'The HDF5 superblock names a root group outside the file; copy or save the file again.',
    );
  return { layout: { ...bare, base }, rootAt: root + base };
}
