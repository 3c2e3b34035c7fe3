import { OnnxError } from '../../onnx-error.ts';
import { Cursor, cText, type Hdf5Layout } from './cursor.ts';

/** The names of an old group's members, by their offset. */
export function readLocalHeap(layout: Hdf5Layout, address: number): (offset: number) => string {
  const cursor = new Cursor(layout, address).expect('HEAP', 'local heap').skip(4);
  const size = cursor.length();
  cursor.length();
  const at = cursor.address();
  if (at === undefined) throw new OnnxError('source_malformed', 'The HDF5 file has a group without names.');
  const segment = new Cursor(layout, at).take(size);
  return offset => cText(segment.subarray(offset, offset + 4096));
}

/** The bytes that a variable-length value points to; nothing is copied. */
export function readGlobalHeapObject(layout: Hdf5Layout, address: number, index: number): Uint8Array {
  const cursor = new Cursor(layout, address).expect('GCOL', 'global heap').skip(4);
  const size = cursor.length();
  const end = Math.min(address + size, layout.bytes.length);
  while (cursor.at + 8 + layout.lengthBytes <= end) {
    const found = cursor.u16();
    cursor.skip(6);
    const bytes = cursor.length();
    if (found === index && found !== 0) return cursor.take(bytes);
    if (found === 0) break;
    cursor.skip(Math.ceil(bytes / 8) * 8);
  }
  throw new OnnxError('source_malformed', 'The HDF5 file refers to a text that is not in it; save the model again.');
}
