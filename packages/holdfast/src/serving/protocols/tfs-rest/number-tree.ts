import type { JsonCursor } from '../../json/json-cursor.ts';

/** Nested lists of numbers, all of one shape. */
export interface NumberTree {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

const mostLevels = 32;

class TreeReader {
  readonly #cursor: JsonCursor;
  readonly values: number[] = [];
  /** Length of the lists at each level; -1 until the first one of it ended. */
  readonly shape: number[] = [];

  constructor(cursor: JsonCursor) {
    this.#cursor = cursor;
  }

  /** False when there is anything but numbers in lists of one shape. */
  list(depth: number): boolean {
    const cursor = this.#cursor;
    if (depth >= mostLevels) return false;
    if (this.shape.length === depth) this.shape.push(-1);
    cursor.at++;
    let length = 0;
    while (cursor.nextElement(length === 0)) {
      const byte = cursor.peek();
      if (byte === 0x5b) {
        // Numbers before lists at this level would have made it the deepest one.
        if (length > 0 && this.shape.length === depth + 1) return false;
        if (!this.list(depth + 1)) return false;
      } else {
        if (this.shape.length > depth + 1 || !((byte >= 0x30 && byte <= 0x39) || byte === 0x2d)) return false;
        this.values.push(cursor.number());
      }
      length++;
    }
    if (this.shape[depth] === -1) this.shape[depth] = length;
    return this.shape[depth] === length && length > 0;
  }
}

/** The fast way for plain numbers: reads the list at the cursor, or leaves the cursor where it was. */
export function readNumberTree(cursor: JsonCursor): NumberTree | undefined {
  if (cursor.peek() !== 0x5b) return undefined;
  const start = cursor.at;
  const reader = new TreeReader(cursor);
  if (reader.list(0)) return { shape: reader.shape, values: reader.values };
  cursor.at = start;
  return undefined;
}
