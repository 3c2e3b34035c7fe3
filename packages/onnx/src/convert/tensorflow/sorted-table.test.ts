import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OnnxError } from '../../onnx-error.ts';
import { uncompressSnappy } from './snappy.ts';
import { readSortedTable } from './sorted-table.ts';

const text = (value: string): number[] => [...new TextEncoder().encode(value)];

/** One entry of a block: shared prefix, rest of the key, value. */
function entry(shared: number, rest: string, value: readonly number[]): number[] {
  return [shared, rest.length, value.length, ...text(rest), ...value];
}

/** A block with one restart point at its start. */
const block = (...entries: readonly number[][]): number[] => [...entries.flat(), 0, 0, 0, 0, 1, 0, 0, 0];

/** Blocks behind each other with type byte and checksum, then the index and the footer. */
function table(blocks: readonly (readonly [kind: number, bytes: readonly number[]])[]): Uint8Array {
  const bytes: number[] = [];
  const place = (kind: number, content: readonly number[]): number[] => {
    const handle = [bytes.length, content.length];
    bytes.push(...content, kind, 0, 0, 0, 0);
    return handle;
  };
  const handles = blocks.map(([kind, content]) => place(kind, content));
  const index = place(0, block(...handles.map((handle, i) => entry(0, String.fromCharCode(97 + i), handle))));
  const footer = [0, 0, ...index];
  bytes.push(
    ...footer,
    ...new Array<number>(40 - footer.length).fill(0),
    0x57,
    0xfb,
    0x80,
    0x8b,
    0x24,
    0x75,
    0x47,
    0xdb,
  );
  return Uint8Array.from(bytes);
}

const plain = block(entry(0, '', [9]), entry(0, 'layer/bias', [1]), entry(6, 'kernel', [2, 3]));

/** Snappy that stores everything as one literal. */
const literal = (content: readonly number[]): number[] => [content.length, (content.length - 1) << 2, ...content];

test('keys share prefixes, and a block may be compressed', () => {
  const entries = readSortedTable(
    table([
      [0, plain],
      [1, literal(block(entry(0, 'z', [7])))],
    ]),
  );
  expect(entries.map(({ key, value }) => [key, ...value])).toEqual([
    ['', 9],
    ['layer/bias', 1],
    ['layer/kernel', 2, 3],
    ['z', 7],
  ]);
});

test('Snappy copies what it has written, also over itself', () => {
  // "ab", then 6 bytes from 2 back: a copy that reads what it writes.
  expect([...uncompressSnappy(Uint8Array.from([8, 1 << 2, 97, 98, ((6 - 4) << 2) | 1, 2]))]).toEqual(text('abababab'));
  expect([...uncompressSnappy(Uint8Array.from([5, 1 << 2, 97, 98, ((3 - 1) << 2) | 2, 2, 0]))]).toEqual(text('ababa'));
});

test.each([
  ['a size that cannot be real', [0xff, 0xff, 0xff, 0xff, 0x0f, 0]],
  ['a copy from before the start', [4, ((4 - 4) << 2) | 1, 9]],
  ['a literal that runs past the end', [9, 8 << 2, 1]],
  ['fewer bytes than it claims', [9, 0, 1]],
])('Snappy refuses %s', (_, bytes) => {
  expect(() => uncompressSnappy(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ name: 'OnnxError' }));
});

test('blocks and keys that leave the file are refused', () => {
  const good = table([[0, plain]]);
  expect(() => readSortedTable(good.subarray(0, 20))).toThrow(expect.objectContaining({ code: 'truncated' }));
  expect(() => readSortedTable(table([[0, block(entry(3, 'x', [1]))]]))).toThrow(/key/);
  expect(() => readSortedTable(table([[5, plain]]))).toThrow(/compression 5/);
});

/** Runs a reader on damaged bytes: it may answer or refuse. */
function readOrRefuse(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof OnnxError)) throw error;
  }
}

test('a changed or cut table is read or refused, never another exception', () => {
  const original = table([
    [0, plain],
    [1, literal(block(entry(0, 'z', [7])))],
  ]);
  const edit = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 4 }), fc.nat(original.length), (edits, length) => {
      const bytes = original.slice(0, edits.length === 0 ? length : original.length);
      for (const [at, byte] of edits) bytes[at] = byte;
      readOrRefuse(() => readSortedTable(bytes));
    }),
    { seed: 11, numRuns: 500 },
  );
});

test('any bytes are unpacked by Snappy or refused', () => {
  fc.assert(
    fc.property(fc.nat(64), fc.uint8Array({ maxLength: 80 }), (size, rest) => {
      readOrRefuse(() => uncompressSnappy(Uint8Array.from([size, ...rest])));
    }),
    { seed: 13, numRuns: 500 },
  );
});
