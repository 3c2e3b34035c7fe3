import { OnnxError } from '../../onnx-error.ts';
import { readBtreeV2 } from './btree-v2.ts';
import { bytesToHold, Cursor, type Hdf5Layout } from './cursor.ts';

interface Block {
  readonly fileAt: number;
  /** Place of the block in the heap's own address space. */
  readonly heapAt: number;
  readonly bytes: number;
}

/** Reads the objects of a fractal heap, where new groups keep many links or attributes. */
export class FractalHeap {
  readonly #layout: Hdf5Layout;
  readonly #blocks: readonly Block[];
  readonly #hugeTree: number | undefined;
  readonly #offsetBytes: number;
  readonly #sizeBytes: number;

  constructor(layout: Hdf5Layout, address: number) {
    const cursor = new Cursor(layout, address).expect('FRHP', 'fractal heap').skip(1);
    cursor.skip(2);
    const filterBytes = cursor.u16();
    cursor.skip(1);
    const maxObject = cursor.u32();
    cursor.length();
    this.#hugeTree = cursor.address();
    cursor.skip(layout.lengthBytes + layout.offsetBytes + 8 * layout.lengthBytes);
    const width = cursor.u16();
    const startBytes = cursor.length();
    const maxDirect = cursor.length();
    const heapBits = cursor.u16();
    cursor.skip(2);
    const root = cursor.address();
    const rows = cursor.u16();
    if (filterBytes !== 0)
      throw new OnnxError('unsupported_source', 'The HDF5 file packs its attributes or links; save the model again.');
    if (!(heapBits > 0 && heapBits <= 64) || !(startBytes > 0) || maxDirect < startBytes)
      throw new OnnxError('source_malformed', 'The HDF5 file has a damaged heap; save the model again.');
    this.#layout = layout;
    this.#offsetBytes = Math.ceil(heapBits / 8);
    this.#sizeBytes = Math.min(bytesToHold(maxDirect), bytesToHold(maxObject));
    const directRows = Math.log2(maxDirect) - Math.log2(startBytes) + 2;
    const rowBytes = (row: number): number => startBytes * 2 ** Math.max(0, row - 1);
    const blocks: Block[] = [];
    const visit = (at: number, heapAt: number, ownRows: number): void => {
      const block = new Cursor(layout, at)
        .expect('FHIB', 'heap block')
        .skip(1 + layout.offsetBytes + this.#offsetBytes);
      let childHeapAt = heapAt;
      for (let row = 0; row < ownRows; row++) {
        for (let column = 0; column < width; column++) {
          const child = block.address();
          if (child !== undefined) {
            if (row < directRows) blocks.push({ fileAt: child, heapAt: childHeapAt, bytes: rowBytes(row) });
            else visit(child, childHeapAt, Math.log2(rowBytes(row)) - Math.log2(startBytes * width) + 1);
          }
          childHeapAt += rowBytes(row);
        }
      }
    };
    if (root !== undefined) {
      if (rows === 0) blocks.push({ fileAt: root, heapAt: 0, bytes: startBytes });
      else visit(root, 0, rows);
    }
    this.#blocks = blocks;
  }

  /** The object that an id names, as a cursor over its bytes. */
  object(id: Cursor): Cursor {
    const kind = (id.u8() >> 4) & 3;
    if (kind === 0) return this.#managed(id.uint(this.#offsetBytes), id.uint(this.#sizeBytes));
    if (kind === 1) return this.#huge(id.uint(Math.min(id.left, this.#layout.lengthBytes)));
    throw new OnnxError('unsupported_source', 'The HDF5 file keeps objects inside their ids; save the model again.');
  }

  #managed(heapAt: number, bytes: number): Cursor {
    const block = this.#blocks.find(item => heapAt >= item.heapAt && heapAt < item.heapAt + item.bytes);
    if (block === undefined)
      throw new OnnxError('source_malformed', 'The HDF5 file refers to an object outside its heap.');
    const at = block.fileAt + heapAt - block.heapAt;
    return new Cursor(this.#layout, at, at + bytes);
  }

  #huge(key: number): Cursor {
    for (const record of this.#hugeTree === undefined ? [] : readBtreeV2(this.#layout, this.#hugeTree)) {
      const at = record.address();
      const bytes = record.length();
      if (record.length() === key && at !== undefined) return new Cursor(this.#layout, at, at + bytes);
    }
    throw new OnnxError('source_malformed', 'The HDF5 file refers to a large object that is not in it.');
  }
}
