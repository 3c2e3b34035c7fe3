import { OnnxError } from '../../onnx-error.ts';
import type { Cursor } from './cursor.ts';

/** An element type, as far as model files use them. */
export type Datatype =
  | { readonly kind: 'int'; readonly bytes: number; readonly isSigned: boolean; readonly isBig: boolean }
  | { readonly kind: 'float'; readonly bytes: number; readonly isBig: boolean }
  | { readonly kind: 'text'; readonly bytes: number }
  | { readonly kind: 'longText'; readonly bytes: number }
  | { readonly kind: 'other'; readonly bytes: number; readonly name: string };

const classNames = ['integer', 'float', 'time', 'text', 'bit field', 'opaque', 'compound', 'reference', 'enum', 'list'];

export function readDatatype(cursor: Cursor): Datatype {
  const head = cursor.u8();
  const bits = cursor.uint(3);
  const bytes = cursor.u32();
  switch (head & 15) {
    case 0:
      return { kind: 'int', bytes, isSigned: (bits & 8) !== 0, isBig: (bits & 1) !== 0 };
    case 1:
      return { kind: 'float', bytes, isBig: (bits & 1) !== 0 };
    case 3:
      return { kind: 'text', bytes };
    case 8:
      // An enumeration is stored as its base type; h5py writes booleans so.
      return readDatatype(cursor);
    case 9:
      return (bits & 15) === 1 ? { kind: 'longText', bytes } : { kind: 'other', bytes, name: 'list' };
    default:
      return { kind: 'other', bytes, name: classNames[head & 15] ?? `class ${head & 15}` };
  }
}

/** Sizes of a dataspace; [] is a single value, undefined holds nothing. */
export function readDataspace(cursor: Cursor): readonly number[] | undefined {
  const version = cursor.u8();
  const rank = cursor.u8();
  cursor.skip(1);
  if (version === 1) cursor.skip(5);
  else if (version !== 2)
    throw new OnnxError('source_malformed', 'The HDF5 file has a dataspace of unknown version; save the model again.');
  else if (cursor.u8() === 2) return undefined;
  if (rank > 32) throw new OnnxError('source_malformed', `The HDF5 file has an array of ${rank} dimensions.`);
  return Array.from({ length: rank }, () => cursor.length());
}

/** How many elements a shape has; not a number to allocate before it was compared with the file. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
