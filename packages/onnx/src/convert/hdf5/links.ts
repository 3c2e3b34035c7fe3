import { OnnxError } from '../../onnx-error.ts';
import { decodeText } from '../../wire/wire-reader.ts';
import { readBtreeV2 } from './btree-v2.ts';
import { Cursor, type Hdf5Layout } from './cursor.ts';
import { FractalHeap } from './fractal-heap.ts';
import { readLocalHeap } from './heaps.ts';
import { type Message, messageType } from './object-header.ts';

/** Levels of an old group's tree. */
const maxDepth = 32;

/**
 * Members of a group and the addresses of their headers, of old and new groups alike. Links that lead elsewhere (soft,
 * external) are left out: no path is followed.
 */
export function readLinks(layout: Hdf5Layout, messages: readonly Message[]): ReadonlyMap<string, number> {
  const links = new Map<string, number>();
  const add = (link: { readonly name: string; readonly address: number } | undefined): void => {
    if (link !== undefined) links.set(link.name, link.address);
  };
  for (const { type, body } of messages) {
    if (type === messageType.link) add(readLink(body()));
    else if (type === messageType.symbolTable) readOldGroup(layout, body(), links);
    else if (type === messageType.linkInfo) {
      const cursor = body().skip(1);
      if ((cursor.u8() & 1) !== 0) cursor.skip(8);
      for (const object of denseObjects(layout, cursor, record => record.skip(4))) add(readLink(object));
    }
  }
  return links;
}

/** Objects that a heap keeps and a name index lists; `toId` moves a record to its heap id. */
export function denseObjects(layout: Hdf5Layout, info: Cursor, toId: (record: Cursor) => Cursor): Cursor[] {
  const heapAt = info.address();
  const treeAt = info.address();
  if (heapAt === undefined || treeAt === undefined) return [];
  const heap = new FractalHeap(layout, heapAt);
  return readBtreeV2(layout, treeAt).map(record => heap.object(toId(record)));
}

function readLink(cursor: Cursor): { readonly name: string; readonly address: number } | undefined {
  cursor.skip(1);
  const flags = cursor.u8();
  const kind = (flags & 8) !== 0 ? cursor.u8() : 0;
  if ((flags & 4) !== 0) cursor.skip(8);
  if ((flags & 16) !== 0) cursor.skip(1);
  const name = decodeText(cursor.take(cursor.uint(1 << (flags & 3))));
  const address = kind === 0 ? cursor.address() : undefined;
  return address === undefined ? undefined : { name, address };
}

function readOldGroup(layout: Hdf5Layout, cursor: Cursor, links: Map<string, number>): void {
  const root = cursor.address();
  const heap = cursor.address();
  if (root === undefined || heap === undefined) return;
  const nameAt = readLocalHeap(layout, heap);
  const visit = (at: number, depth: number): void => {
    const node = new Cursor(layout, at).expect('TREE', 'group tree').skip(1);
    const level = node.u8();
    const entries = node.u16();
    if (depth > maxDepth) throw new OnnxError('source_malformed', 'The HDF5 file has a group tree that never ends.');
    node.skip(2 * layout.offsetBytes);
    for (let i = 0; i < entries; i++) {
      const child = node.skip(layout.lengthBytes).address();
      if (child === undefined) continue;
      if (level > 0) visit(child, depth + 1);
      else readSymbols(layout, child, nameAt, links);
    }
  };
  visit(root, 0);
}

function readSymbols(
  layout: Hdf5Layout,
  at: number,
  nameAt: (offset: number) => string,
  links: Map<string, number>,
): void {
  const node = new Cursor(layout, at).expect('SNOD', 'symbol table').skip(2);
  const count = node.u16();
  for (let i = 0; i < count; i++) {
    const name = nameAt(node.uint(layout.offsetBytes));
    const address = node.address();
    const cacheKind = node.u32();
    node.skip(20);
    // Kind 2 is a symbolic link.
    if (address !== undefined && cacheKind !== 2) links.set(name, address);
  }
}
