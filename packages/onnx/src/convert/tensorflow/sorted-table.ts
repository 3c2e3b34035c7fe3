import { OnnxError } from '../../onnx-error.ts';
import { decodeText, WireReader } from '../../wire/wire-reader.ts';
import { uncompressSnappy } from './snappy.ts';

/** One key of a LevelDB table. */
interface TableEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

/** Entries one table may hold; a bound on memory, far above the variables of a real model. */
const maxEntries = 1_000_000;
const footerBytes = 48;
/** Type byte and checksum behind every block. */
const trailerBytes = 5;

/**
 * All entries of a LevelDB sorted table, in order. The footer points to the index block, the index block to the data
 * blocks; keys share prefixes with the key before.
 * @throws OnnxError `truncated`, `source_malformed`
 */
export function readSortedTable(bytes: Uint8Array): TableEntry[] {
  if (bytes.length < footerBytes)
    throw new OnnxError('truncated', 'The variables index is shorter than its footer; copy it again.');
  const footer = new WireReader(bytes.subarray(bytes.length - footerBytes));
  footer.varintNumber();
  footer.varintNumber();
  const index = readBlock(bytes, footer.varintNumber(), footer.varintNumber());
  const entries: TableEntry[] = [];
  for (const pointer of index) {
    const handle = new WireReader(pointer.value);
    entries.push(...readBlock(bytes, handle.varintNumber(), handle.varintNumber()));
    if (entries.length > maxEntries)
      throw new OnnxError('too_large', `The variables index holds more than ${maxEntries} entries.`);
  }
  return entries;
}

function readBlock(bytes: Uint8Array, offset: number, size: number): TableEntry[] {
  if (offset + size + trailerBytes > bytes.length)
    throw new OnnxError('truncated', 'A block of the variables index runs past the end of the file; copy it again.');
  const kind = bytes[offset + size];
  const stored = bytes.subarray(offset, offset + size);
  if (kind !== 0 && kind !== 1)
    throw new OnnxError('source_malformed', `A block of the variables index has the unknown compression ${kind}.`);
  return entriesOf(kind === 1 ? uncompressSnappy(stored) : stored);
}

function entriesOf(block: Uint8Array): TableEntry[] {
  if (block.length < 4) throw new OnnxError('truncated', 'A block of the variables index is empty; copy it again.');
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const restarts = view.getUint32(block.length - 4, true);
  const end = block.length - 4 - restarts * 4;
  if (end < 0) throw new OnnxError('source_malformed', 'A block of the variables index is damaged; copy it again.');
  const reader = new WireReader(block, 0, end);
  const entries: TableEntry[] = [];
  let key = new Uint8Array(0);
  while (!reader.atEnd) {
    reader.spend();
    const shared = reader.varintNumber();
    const own = reader.varintNumber();
    const valueBytes = reader.varintNumber();
    const at = reader.position;
    if (shared > key.length || own > end - at || valueBytes > end - at - own)
      throw new OnnxError('source_malformed', 'A key of the variables index is damaged; copy the folder again.');
    const next = new Uint8Array(shared + own);
    next.set(key.subarray(0, shared));
    next.set(block.subarray(at, at + own), shared);
    key = next;
    entries.push({ key: decodeText(key), value: block.subarray(at + own, at + own + valueBytes) });
    reader.position = at + own + valueBytes;
  }
  return entries;
}
