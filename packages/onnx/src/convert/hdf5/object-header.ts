import { OnnxError } from '../../onnx-error.ts';
import { Cursor, type Hdf5Layout } from './cursor.ts';

/** Kinds of header messages that a reader needs. */
export const messageType = {
  dataspace: 1,
  linkInfo: 2,
  datatype: 3,
  link: 6,
  layout: 8,
  filters: 11,
  attribute: 12,
  continuation: 16,
  symbolTable: 17,
  attributeInfo: 21,
} as const;

export interface Message {
  readonly type: number;
  /** Whether the body only points to a message elsewhere. */
  readonly isShared: boolean;
  /** A fresh cursor over the body. */
  readonly body: () => Cursor;
}

/** Parts one object header may be split into. */
const maxBlocks = 10_000;

/** All messages of the object at an address; continuation blocks are followed. */
export function readMessages(layout: Hdf5Layout, address: number): Message[] {
  const start = new Cursor(layout, address);
  return layout.bytes[address] === 0x4f ? readNewHeader(start) : readOldHeader(start);
}

function message(layout: Hdf5Layout, type: number, flags: number, at: number, size: number): Message {
  return { type, isShared: (flags & 2) !== 0, body: () => new Cursor(layout, at, at + size) };
}

function readOldHeader(cursor: Cursor): Message[] {
  const { layout } = cursor;
  const version = cursor.u8();
  if (version !== 1)
    throw new OnnxError(
      'source_malformed',
      `The HDF5 file has an object header of unknown version ${version}; save the model again.`,
    );
  const total = cursor.skip(1).u16();
  const size = cursor.skip(4).u32();
  const blocks = [cursor.skip(4).part(size)];
  const messages: Message[] = [];
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i]!;
    while (block.left >= 8 && messages.length < total) {
      const type = block.u16();
      const bodyBytes = block.u16();
      const flags = block.u8();
      const at = block.skip(3).at;
      block.skip(bodyBytes);
      messages.push(message(layout, type, flags, at, bodyBytes));
      if (type === messageType.continuation) blocks.push(continued(messages.at(-1)!, blocks.length));
    }
  }
  return messages;
}

function continued({ body }: Message, blocks: number): Cursor {
  const cursor = body();
  const at = cursor.address();
  const size = cursor.length();
  if (at === undefined || blocks > maxBlocks)
    throw new OnnxError('source_malformed', 'The HDF5 file has a damaged object header; save the model again.');
  return new Cursor(cursor.layout, at, at + size);
}

function readNewHeader(cursor: Cursor): Message[] {
  const { layout } = cursor;
  cursor.expect('OHDR', 'object header').skip(1);
  const flags = cursor.u8();
  if ((flags & 0x20) !== 0) cursor.skip(16);
  if ((flags & 0x10) !== 0) cursor.skip(4);
  const size = cursor.uint(1 << (flags & 3));
  const blocks = [cursor.part(size)];
  const messages: Message[] = [];
  const headBytes = (flags & 4) !== 0 ? 6 : 4;
  for (let i = 0; i < blocks.length; i++) {
    const block = blocks[i]!;
    while (block.left >= headBytes) {
      const type = block.u8();
      const bodyBytes = block.u16();
      const messageFlags = block.u8();
      const at = block.skip(headBytes - 4).at;
      block.skip(bodyBytes);
      messages.push(message(layout, type, messageFlags, at, bodyBytes));
      if (type !== messageType.continuation) continue;
      const next = continued(messages.at(-1)!, blocks.length);
      next.expect('OCHK', 'continuation of an object header');
      blocks.push(next.part(next.left - 4));
    }
  }
  return messages;
}
