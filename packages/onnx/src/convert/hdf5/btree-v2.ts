import { OnnxError } from '../../onnx-error.ts';
import { bytesToHold, Cursor, type Hdf5Layout } from './cursor.ts';

/** Levels of a B-tree; each multiplies the records by dozens. */
const maxDepth = 16;

/** Signature, version, type and checksum of a node. */
const overheadBytes = 10;

/** All records of a version 2 B-tree in key order, each as a cursor over its bytes. */
export function readBtreeV2(layout: Hdf5Layout, address: number): Cursor[] {
  const cursor = new Cursor(layout, address).expect('BTHD', 'B-tree').skip(2);
  const nodeBytes = cursor.u32();
  const recordBytes = cursor.u16();
  const depth = cursor.u16();
  const root = cursor.skip(2).address();
  const rootRecords = cursor.u16();
  if (root === undefined) return [];
  if (depth > maxDepth || recordBytes === 0 || nodeBytes <= overheadBytes)
    throw new OnnxError('source_malformed', 'The HDF5 file has a damaged B-tree; save the model again.');
  const leafRecords = Math.floor((nodeBytes - overheadBytes) / recordBytes);
  const countBytes = bytesToHold(leafRecords);
  // Bytes of the "records below" field of a pointer into a node of each level; a leaf's is left out.
  const totalBytes = [0];
  let below = leafRecords;
  for (let level = 1; level <= depth; level++) {
    const pointer = layout.offsetBytes + countBytes + totalBytes[level - 1]!;
    const records = Math.floor((nodeBytes - overheadBytes - pointer) / (recordBytes + pointer));
    below = (records + 1) * below + records;
    totalBytes.push(bytesToHold(below));
  }
  const found: Cursor[] = [];
  const visit = (at: number, records: number, level: number): void => {
    const node = new Cursor(layout, at).expect(level === 0 ? 'BTLF' : 'BTIN', 'B-tree node').skip(2);
    const own = Array.from({ length: records }, () => node.part(recordBytes));
    if (level === 0) {
      found.push(...own);
      return;
    }
    for (let i = 0; i <= records; i++) {
      const child = node.address();
      const childRecords = node.uint(countBytes);
      node.skip(totalBytes[level - 1]!);
      if (child === undefined) throw new OnnxError('source_malformed', 'The HDF5 file has a B-tree with a hole.');
      visit(child, childRecords, level - 1);
      if (i < records) found.push(own[i]!);
    }
  };
  visit(root, rootRecords, depth);
  return found;
}
