import { inflateSync } from 'node:zlib';
import { OnnxError } from '../../onnx-error.ts';
import { readBtreeV2 } from './btree-v2.ts';
import { Cursor, type Hdf5Layout } from './cursor.ts';

/** One stored piece of a chunked array. */
export interface Chunk {
  readonly at: number;
  readonly bytes: number;
  /** Filters that were skipped for this chunk, one bit each. */
  readonly filterMask: number;
  /** First element of the chunk in each dimension. */
  readonly offsets: readonly number[];
}

export interface Filter {
  readonly id: number;
  readonly settings: readonly number[];
}

const filterNames: Readonly<Record<number, string>> = { 4: 'szip', 5: 'nbit', 6: 'scale-offset', 32000: 'lzf' };

export function readFilters(cursor: Cursor): Filter[] {
  const version = cursor.u8();
  const count = cursor.u8();
  if (version === 1) cursor.skip(6);
  return Array.from({ length: count }, () => {
    const id = cursor.u16();
    const nameBytes = version === 1 || id >= 256 ? cursor.u16() : 0;
    cursor.skip(2);
    const settingCount = cursor.u16();
    cursor.skip(version === 1 ? Math.ceil(nameBytes / 8) * 8 : nameBytes);
    const settings = Array.from({ length: settingCount }, () => cursor.u32());
    if (version === 1 && settingCount % 2 === 1) cursor.skip(4);
    if (id < 1 || id > 3)
      throw new OnnxError(
        'unsupported_source',
        `The HDF5 file packs its arrays with the filter ${filterNames[id] ?? id}; save the model again with gzip or without packing.`,
      );
    return { id, settings };
  });
}

/** Undoes the filters of one chunk. @param wantedBytes size of the chunk when unpacked */
export function unfilter(
  packed: Uint8Array,
  chunk: Chunk,
  filters: readonly Filter[],
  wantedBytes: number,
): Uint8Array {
  let bytes = packed;
  for (const [i, filter] of [...filters.entries()].reverse()) {
    if ((chunk.filterMask & (1 << i)) !== 0) continue;
    if (filter.id === 1) bytes = inflate(bytes, wantedBytes + 4);
    else if (filter.id === 2) bytes = unshuffle(bytes, filter.settings[0] ?? 1);
    else bytes = bytes.subarray(0, Math.max(0, bytes.length - 4));
  }
  return bytes;
}

function inflate(bytes: Uint8Array, maxOutputLength: number): Uint8Array {
  try {
    return inflateSync(bytes, { maxOutputLength });
  } catch (cause) {
    throw new OnnxError('source_malformed', 'The HDF5 file has a packed array that cannot be unpacked.', { cause });
  }
}

/** The shuffle filter stores all first bytes of the elements, then all second bytes, and so on. */
function unshuffle(bytes: Uint8Array, elementBytes: number): Uint8Array {
  if (elementBytes <= 1) return bytes;
  const count = Math.floor(bytes.length / elementBytes);
  const out = new Uint8Array(bytes.length);
  for (let b = 0; b < elementBytes; b++)
    for (let i = 0; i < count; i++) out[i * elementBytes + b] = bytes[b * count + i]!;
  out.set(bytes.subarray(count * elementBytes), count * elementBytes);
  return out;
}

/** Chunks of a layout of version 3, which a version 1 B-tree lists. */
export function readChunkTree(layout: Hdf5Layout, root: number, rank: number): Chunk[] {
  const chunks: Chunk[] = [];
  const visit = (at: number, depth: number): void => {
    const node = new Cursor(layout, at).expect('TREE', 'chunk tree').skip(1);
    const level = node.u8();
    const entries = node.u16();
    if (depth > 32) throw new OnnxError('source_malformed', 'The HDF5 file has a chunk tree that never ends.');
    node.skip(2 * layout.offsetBytes);
    for (let i = 0; i < entries; i++) {
      const bytes = node.u32();
      const filterMask = node.u32();
      const offsets = Array.from({ length: rank }, () => node.uint(8));
      const child = node.skip(8).address();
      if (child === undefined) continue;
      if (level > 0) visit(child, depth + 1);
      else chunks.push({ at: child, bytes, filterMask, offsets });
    }
  };
  visit(root, 0);
  return chunks;
}

interface ChunkedShape {
  readonly shape: readonly number[];
  readonly chunk: readonly number[];
  readonly chunkBytes: number;
  readonly isFiltered: boolean;
}

/** Chunks of a layout of version 4, by the kind of its index. `cursor` stands at the kind. */
export function readChunkIndex(cursor: Cursor, flags: number, array: ChunkedShape): Chunk[] {
  const { layout } = cursor;
  const kind = cursor.u8();
  if (kind === 1) {
    const isFiltered = (flags & 2) !== 0;
    const bytes = isFiltered ? cursor.length() : array.chunkBytes;
    const filterMask = isFiltered ? cursor.u32() : 0;
    const at = cursor.address();
    return at === undefined ? [] : [{ at, bytes, filterMask, offsets: array.shape.map(() => 0) }];
  }
  if (kind === 2) {
    const at = cursor.address();
    if (at === undefined) return [];
    return chunkOffsets(array).map((offsets, i) => ({
      at: at + i * array.chunkBytes,
      bytes: array.chunkBytes,
      filterMask: 0,
      offsets,
    }));
  }
  if (kind === 3) {
    const at = cursor.skip(1).address();
    return at === undefined ? [] : readFixedArray(layout, at, array);
  }
  if (kind === 5) {
    const at = cursor.skip(6).address();
    return at === undefined ? [] : readBtreeV2(layout, at).flatMap(record => treeChunk(record, array));
  }
  throw new OnnxError(
    'unsupported_source',
    'The HDF5 file holds an array that can grow without limit; save the model again with Keras itself.',
  );
}

function treeChunk(record: Cursor, array: ChunkedShape): Chunk[] {
  const { offsetBytes } = record.layout;
  const rank = array.shape.length;
  const sizeBytes = record.left - offsetBytes - 4 - 8 * rank;
  const at = record.address();
  const bytes = array.isFiltered ? record.uint(sizeBytes) : array.chunkBytes;
  const filterMask = array.isFiltered ? record.u32() : 0;
  const offsets = array.chunk.map(size => record.uint(8) * size);
  return at === undefined ? [] : [{ at, bytes, filterMask, offsets }];
}

/** Starts of all chunks in storage order, the last dimension running fastest. */
function chunkOffsets({ shape, chunk }: ChunkedShape): number[][] {
  const counts = shape.map((size, i) => Math.ceil(size / (chunk[i] ?? 1)));
  const total = counts.reduce((product, count) => product * count, 1);
  if (total > 1_000_000) throw new OnnxError('too_large', `The HDF5 file cuts an array into ${total} pieces.`);
  return Array.from({ length: total }, (_, index) => {
    let rest = index;
    const offsets = new Array<number>(shape.length).fill(0);
    for (let d = shape.length - 1; d >= 0; d--) {
      offsets[d] = (rest % counts[d]!) * chunk[d]!;
      rest = Math.floor(rest / counts[d]!);
    }
    return offsets;
  });
}

function readFixedArray(layout: Hdf5Layout, address: number, array: ChunkedShape): Chunk[] {
  const head = new Cursor(layout, address).expect('FAHD', 'chunk array').skip(1);
  const isFiltered = head.u8() === 1;
  const entryBytes = head.u8();
  const pageEntries = 2 ** head.u8();
  const entries = head.length();
  const dataAt = head.address();
  if (dataAt === undefined) return [];
  const data = new Cursor(layout, dataAt).expect('FADB', 'chunk array block').skip(2 + layout.offsetBytes);
  const isPaged = entries > pageEntries;
  // A bitmap of pages in use and a checksum come before the pages; each page ends in a checksum.
  if (isPaged) data.skip(Math.ceil(Math.ceil(entries / pageEntries) / 8) + 4);
  return chunkOffsets(array).flatMap((offsets, i) => {
    if (i >= entries) return [];
    if (isPaged && i > 0 && i % pageEntries === 0) data.skip(4);
    const at = data.address();
    const bytes = isFiltered ? data.uint(entryBytes - layout.offsetBytes - 4) : array.chunkBytes;
    const filterMask = isFiltered ? data.u32() : 0;
    return at === undefined ? [] : [{ at, bytes, filterMask, offsets }];
  });
}
