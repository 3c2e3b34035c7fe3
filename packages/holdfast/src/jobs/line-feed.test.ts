import { expect, test } from 'vitest';
import { LineSplitter } from './line-feed.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** All lines of a text that arrives in pieces of so many bytes. */
function linesOf(text: string, pieceBytes: number): string[] {
  const splitter = new LineSplitter();
  const all = bytes(text);
  const lines: string[] = [];
  for (let at = 0; at < all.length; at += pieceBytes) lines.push(...splitter.push(all.subarray(at, at + pieceBytes)));
  return [...lines, ...splitter.end()];
}

test.each([1, 2, 3, 100])('lines are the same in pieces of %d bytes, whatever ends them', pieceBytes => {
  expect(linesOf('one\r\ntwö\n\nthree\r', pieceBytes)).toEqual(['one', 'twö', '', 'three\r']);
});

test('of a line beyond a million characters the beginning is kept, and the next line is whole', () => {
  const [long, next] = linesOf(`${'x'.repeat(3_000_000)}\nnext\n`, 65_536);
  expect([long?.length, next]).toEqual([1_048_576, 'next']);
});
