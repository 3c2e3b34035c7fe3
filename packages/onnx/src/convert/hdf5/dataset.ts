import { OnnxError } from '../../onnx-error.ts';
import { type Chunk, type Filter, readChunkIndex, readChunkTree, readFilters, unfilter } from './chunks.ts';
import { Cursor, cText, type Hdf5Layout } from './cursor.ts';
import { type Datatype, elementCount, readDataspace, readDatatype } from './datatype.ts';
import { readGlobalHeapObject } from './heaps.ts';
import { type Message, messageType } from './object-header.ts';

/** Largest array that is unpacked from chunks, in bytes. */
const maxChunkedBytes = 2 ** 31 - 1;
/** How far packing may shrink an array; gzip reaches about 1000. */
const maxRatio = 1100;

/** An array with its elements as the file stores them, little-endian; a view of the file where it lies in one piece. */
export interface Hdf5Array {
  readonly shape: readonly number[];
  readonly type: Datatype;
  readonly raw: Uint8Array;
}

export function readDataset(layout: Hdf5Layout, messages: readonly Message[], path: string): Hdf5Array {
  const body = (type: number): Cursor | undefined => {
    const found = messages.find(message => message.type === type);
    if (found?.isShared === true)
      throw new OnnxError('unsupported_source', `The HDF5 array "${path}" has a shared type; save the model again.`);
    return found?.body();
  };
  const space = body(messageType.dataspace);
  const typeBody = body(messageType.datatype);
  const layoutBody = body(messageType.layout);
  if (space === undefined || typeBody === undefined || layoutBody === undefined)
    throw new OnnxError('source_malformed', `The HDF5 file has no array at "${path}"; save the model again.`);
  const shape = readDataspace(space) ?? [0];
  const type = readDatatype(typeBody);
  const bytes = elementCount(shape) * type.bytes;
  const filterBody = body(messageType.filters);
  const filters = filterBody === undefined ? [] : readFilters(filterBody);
  const raw = readStored(layout, layoutBody, { shape, elementBytes: type.bytes, bytes, filters, path });
  return { shape, type, raw: inLittleEndian(raw, type) };
}

interface Wanted {
  readonly shape: readonly number[];
  readonly elementBytes: number;
  readonly bytes: number;
  readonly filters: readonly Filter[];
  readonly path: string;
}

function readStored(layout: Hdf5Layout, cursor: Cursor, wanted: Wanted): Uint8Array {
  const version = cursor.u8();
  if (version !== 3 && version !== 4)
    throw new OnnxError('unsupported_source', `The HDF5 array "${wanted.path}" has the old layout ${version}.`);
  const kind = cursor.u8();
  if (kind === 0) return exactly(cursor.take(cursor.u16()), wanted);
  if (kind === 1) {
    const at = cursor.address();
    const size = cursor.length();
    // An array that was never written has no place in the file and reads as zeros.
    if (at === undefined) return new Uint8Array(zeroBytes(wanted, layout));
    return exactly(new Cursor(layout, at).take(Math.min(size, wanted.bytes)), wanted);
  }
  if (kind !== 2)
    throw new OnnxError('external_data', `The HDF5 array "${wanted.path}" lies in other files; save the model again.`);
  return version === 3 ? readOldChunks(layout, cursor, wanted) : readNewChunks(layout, cursor, wanted);
}

function zeroBytes(wanted: Wanted, layout: Hdf5Layout): number {
  if (wanted.bytes > layout.bytes.length * maxRatio)
    throw new OnnxError(
      'too_large',
      `The HDF5 array "${wanted.path}" claims ${wanted.bytes} bytes that the file cannot hold.`,
    );
  return wanted.bytes;
}

function exactly(bytes: Uint8Array, wanted: Wanted): Uint8Array {
  if (bytes.length < wanted.bytes)
    throw new OnnxError(
      'source_malformed',
      `The HDF5 array "${wanted.path}" of shape [${wanted.shape.join(', ')}] needs ${wanted.bytes} bytes, but the file has ${bytes.length} of it.`,
    );
  return bytes.subarray(0, wanted.bytes);
}

function readOldChunks(layout: Hdf5Layout, cursor: Cursor, wanted: Wanted): Uint8Array {
  const rank = cursor.u8() - 1;
  const root = cursor.address();
  const chunk = Array.from({ length: rank }, () => cursor.u32());
  const chunks = root === undefined ? [] : readChunkTree(layout, root, rank);
  return assemble(layout, chunk, chunks, wanted);
}

function readNewChunks(layout: Hdf5Layout, cursor: Cursor, wanted: Wanted): Uint8Array {
  const flags = cursor.u8();
  const rank = cursor.u8() - 1;
  const sizeBytes = cursor.u8();
  const chunk = Array.from({ length: rank }, () => cursor.uint(sizeBytes));
  cursor.skip(sizeBytes);
  const array = {
    shape: wanted.shape,
    chunk,
    chunkBytes: elementCount(chunk) * wanted.elementBytes,
    isFiltered: wanted.filters.length > 0,
  };
  return assemble(layout, chunk, readChunkIndex(cursor, flags, array), wanted);
}

/** Puts the chunks of an array side by side; one that was never written is zero, one with holes is damaged. */
function assemble(layout: Hdf5Layout, chunk: readonly number[], chunks: readonly Chunk[], wanted: Wanted): Uint8Array {
  const { shape, elementBytes, filters, path } = wanted;
  const chunkBytes = elementCount(chunk) * elementBytes;
  if (chunk.length !== shape.length || chunk.some(size => size < 1))
    throw new OnnxError('source_malformed', `The HDF5 array "${path}" is cut in a damaged way; save the model again.`);
  const limit = Math.min(maxChunkedBytes, layout.bytes.length * (filters.length > 0 ? maxRatio : 2));
  if (wanted.bytes > limit || chunkBytes > maxChunkedBytes)
    throw new OnnxError(
      'too_large',
      `The HDF5 array "${path}" claims ${wanted.bytes} bytes that the file cannot hold.`,
    );
  const inside = chunks.filter(({ offsets }) => offsets.every((offset, d) => offset < shape[d]!));
  const whole = shape.reduce((product, size, d) => product * Math.ceil(size / chunk[d]!), 1);
  const found = new Set(inside.map(({ offsets }) => offsets.join())).size;
  if (found > 0 && found < whole)
    throw new OnnxError(
      'source_malformed',
      `The HDF5 array "${path}" has ${found} of its ${whole} pieces; copy or save the file again.`,
    );
  const out = new Uint8Array(wanted.bytes);
  for (const piece of inside) {
    const packed = new Cursor(layout, piece.at).take(piece.bytes);
    const bytes = unfilter(packed, piece, filters, chunkBytes);
    if (bytes.length < chunkBytes)
      throw new OnnxError('source_malformed', `The HDF5 array "${path}" has a cut piece; copy or save the file again.`);
    place(out, bytes, piece.offsets, chunk, shape, elementBytes);
  }
  return out;
}

/** Copies one chunk row by row; what reaches over the edge of the array is left out. */
function place(
  out: Uint8Array,
  bytes: Uint8Array,
  offsets: readonly number[],
  chunk: readonly number[],
  shape: readonly number[],
  elementBytes: number,
): void {
  const rank = shape.length;
  const last = rank - 1;
  const width = Math.min(chunk[last]!, shape[last]! - offsets[last]!) * elementBytes;
  const copyRows = (dimension: number, from: number, to: number): void => {
    if (dimension === last) {
      out.set(bytes.subarray(from * elementBytes, from * elementBytes + width), (to + offsets[last]!) * elementBytes);
      return;
    }
    const rows = Math.min(chunk[dimension]!, shape[dimension]! - offsets[dimension]!);
    for (let i = 0; i < rows; i++)
      copyRows(
        dimension + 1,
        (from + i) * chunk[dimension + 1]!,
        (to + offsets[dimension]! + i) * shape[dimension + 1]!,
      );
  };
  copyRows(0, 0, 0);
}

function inLittleEndian(raw: Uint8Array, type: Datatype): Uint8Array {
  if ((type.kind !== 'int' && type.kind !== 'float') || !type.isBig || type.bytes === 1) return raw;
  const out = raw.slice();
  for (let at = 0; at + type.bytes <= out.length; at += type.bytes) out.subarray(at, at + type.bytes).reverse();
  return out;
}

/** Texts of an array of fixed or variable length. @throws OnnxError `source_malformed` when it holds no texts */
export function textsOf(layout: Hdf5Layout, { raw, type, shape }: Hdf5Array): string[] {
  const count = elementCount(shape);
  if (type.kind === 'text')
    return Array.from({ length: count }, (_, i) => cText(raw.subarray(i * type.bytes, (i + 1) * type.bytes)));
  if (type.kind !== 'longText') throw new OnnxError('source_malformed', 'The HDF5 file has no text where one is due.');
  const inner: Hdf5Layout = { ...layout, bytes: raw };
  return Array.from({ length: count }, (_, i) => {
    const cursor = new Cursor(inner, i * type.bytes);
    const bytes = cursor.u32();
    const address = cursor.address();
    const index = cursor.u32();
    if (address === undefined || bytes === 0) return '';
    return cText(readGlobalHeapObject(layout, address, index).subarray(0, bytes));
  });
}
