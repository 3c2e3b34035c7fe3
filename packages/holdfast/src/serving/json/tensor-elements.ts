import { type Datatype, elementCount, type TensorData, typedArrayOf } from '@holdfast/api';
import { type JsonCursor, JsonDepthError, maximumDepth } from './json-cursor.ts';

/** Why a `data` array does not hold the tensor it should. */
export class ElementError extends Error {
  override readonly name = 'ElementError';
  readonly kind: 'type' | 'count' | 'text';
  /** The element whose text cannot be carried. */
  readonly index: number | undefined;

  constructor(kind: 'type' | 'count' | 'text', message: string, index?: number) {
    super(message);
    this.kind = kind;
    this.index = index;
  }
}

const tooFew = "Failed to parse 'data' field: shape does not match true shape";
const tooMany = "Unable to parse 'data': Shape does not match true shape of 'data' field";

type SmallInteger = 'UINT8' | 'UINT16' | 'UINT32' | 'INT8' | 'INT16' | 'INT32';
const ranges: Readonly<Record<SmallInteger, readonly [minimum: number, maximum: number]>> = {
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffff_ffff],
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x8000_0000, 0x7fff_ffff],
};
const minimumInt64 = -(2n ** 63n);
const maximumInt64 = 2n ** 63n - 1n;
const maximumUint64 = 2n ** 64n - 1n;

function notANumber(): never {
  throw new ElementError('type', "Unable to parse 'data': attempt to access JSON non-number as number");
}

function notAnInteger(datatype: string): never {
  const sign = datatype.startsWith('U') ? 'unsigned' : 'signed';
  throw new ElementError(
    'type',
    `Unable to parse 'data': attempt to access JSON non-${sign}-integer as ${sign}-integer`,
  );
}

/** Why a text would not reach the model as it is; undefined when it would. */
export function textFault(text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL character, which a string tensor would cut off';
  return text.isWellFormed() ? undefined : 'is not valid Unicode text';
}

function isNumberStart(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || byte === 0x2d || byte === 0x4e || byte === 0x49;
}

/** Reads one leaf run of elements into the tensor. */
interface Sink {
  /** Stores the element at the cursor, which stands on its first byte, at `index`. */
  read(cursor: JsonCursor, index: number): void;
  /** Stores as many of the elements before `limit` as it can read in one go, and gives the index after the last one. */
  readMany?(cursor: JsonCursor, index: number, limit: number): number;
}

class FloatSink implements Sink {
  readonly data: Float32Array | Float64Array;

  constructor(data: Float32Array | Float64Array) {
    this.data = data;
  }

  read(cursor: JsonCursor, index: number): void {
    if (!isNumberStart(cursor.bytes[cursor.at]!)) notANumber();
    this.data[index] = cursor.number();
  }

  readMany(cursor: JsonCursor, index: number, limit: number): number {
    return cursor.decimals(this.data, index, limit);
  }
}

class IntegerSink implements Sink {
  readonly data: Exclude<TensorData, readonly string[] | BigInt64Array | BigUint64Array>;
  readonly #datatype: SmallInteger;
  readonly #minimum: number;
  readonly #maximum: number;

  constructor(data: IntegerSink['data'], datatype: SmallInteger) {
    this.data = data;
    this.#datatype = datatype;
    [this.#minimum, this.#maximum] = ranges[datatype];
  }

  read(cursor: JsonCursor, index: number): void {
    if (!isNumberStart(cursor.bytes[cursor.at]!)) notAnInteger(this.#datatype);
    const value = cursor.number();
    if (!cursor.isWhole) notAnInteger(this.#datatype);
    if (value < this.#minimum || value > this.#maximum) {
      throw new ElementError('type', `Unable to parse 'data': ${value} is out of the range of ${this.#datatype}`);
    }
    this.data[index] = value;
  }
}

/** 64-bit integers are written as two 32-bit halves, because a `bigint` per element would cost more than its parsing. */
class LongSink implements Sink {
  readonly data: BigInt64Array | BigUint64Array;
  readonly #halves: Int32Array;
  readonly #isSigned: boolean;

  constructor(data: BigInt64Array | BigUint64Array) {
    this.data = data;
    this.#halves = new Int32Array(data.buffer, data.byteOffset, data.length * 2);
    this.#isSigned = data instanceof BigInt64Array;
  }

  read(cursor: JsonCursor, index: number): void {
    const datatype = this.#isSigned ? 'INT64' : 'UINT64';
    if (!isNumberStart(cursor.bytes[cursor.at]!)) notAnInteger(datatype);
    const value = cursor.number();
    if (!cursor.isWhole) notAnInteger(datatype);
    if (!Number.isSafeInteger(value) || (value < 0 && !this.#isSigned)) {
      this.#big(BigInt(cursor.numberText()), index, datatype);
      return;
    }
    const high = Math.floor(value / 4_294_967_296);
    this.#halves[2 * index] = value - high * 4_294_967_296;
    this.#halves[2 * index + 1] = high;
  }

  #big(value: bigint, index: number, datatype: string): void {
    const [minimum, maximum] = this.#isSigned ? [minimumInt64, maximumInt64] : [0n, maximumUint64];
    if (value < minimum || value > maximum) {
      throw new ElementError('type', `Unable to parse 'data': ${value} is out of the range of ${datatype}`);
    }
    this.data[index] = value;
  }
}

class BooleanSink implements Sink {
  readonly data: Uint8Array;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  read(cursor: JsonCursor, index: number): void {
    const byte = cursor.bytes[cursor.at];
    if (byte !== 0x74 && byte !== 0x66) {
      throw new ElementError('type', "Unable to parse 'data': attempt to access JSON non-boolean as boolean");
    }
    this.data[index] = cursor.boolean() ? 1 : 0;
  }
}

class TextSink implements Sink {
  readonly data: string[] = [];

  read(cursor: JsonCursor): void {
    if (cursor.bytes[cursor.at] !== 0x22) {
      throw new ElementError('type', "Unable to parse 'data': attempt to access JSON non-string as string");
    }
    const text = cursor.string();
    if (cursor.hadEscapes) {
      const fault = textFault(text);
      if (fault !== undefined) throw new ElementError('text', fault, this.data.length);
    }
    this.data.push(text);
  }
}

function sinkOf(datatype: Exclude<Datatype, 'FP16'>, count: number): Sink & { readonly data: TensorData } {
  switch (datatype) {
    case 'FP32':
      return new FloatSink(new Float32Array(count));
    case 'FP64':
      return new FloatSink(new Float64Array(count));
    case 'INT64':
      return new LongSink(new BigInt64Array(count));
    case 'UINT64':
      return new LongSink(new BigUint64Array(count));
    case 'BOOL':
      return new BooleanSink(new Uint8Array(count));
    case 'BYTES':
      return new TextSink();
    case 'UINT8':
    case 'UINT16':
    case 'UINT32':
    case 'INT8':
    case 'INT16':
    case 'INT32':
      return new IntegerSink(new typedArrayOf[datatype](count) as IntegerSink['data'], datatype);
    default:
      return datatype satisfies never;
  }
}

/**
 * Fills one tensor from nested lists. A list at depth d stands for the part of shape `shape[d:]`: as `shape[d]` lists,
 * or flat, as all of its elements in row-major order; so flat and nested data are both read, and nothing ragged.
 */
class ElementReader {
  readonly #cursor: JsonCursor;
  readonly #sink: Sink;
  readonly #shape: readonly number[];
  #count = 0;

  constructor(cursor: JsonCursor, sink: Sink, shape: readonly number[]) {
    this.#cursor = cursor;
    this.#sink = sink;
    this.#shape = shape;
  }

  list(depth: number, expected: number): void {
    if (depth >= maximumDepth) throw new JsonDepthError();
    const cursor = this.#cursor;
    cursor.at++;
    const first = cursor.peek();
    if (first === 0x5b) this.#nested(depth, expected);
    else this.#flat(expected);
  }

  #nested(depth: number, expected: number): void {
    const cursor = this.#cursor;
    // Beyond the rank, lists around a single element are tolerated: [[5]] for the shape [1].
    const lists = this.#shape[depth] ?? 1;
    let seen = 0;
    while (cursor.nextElement(seen === 0)) {
      if (seen === lists) throw new ElementError('count', tooMany);
      if (cursor.peek() !== 0x5b) throw new ElementError('count', tooFew);
      this.list(depth + 1, expected / lists);
      seen++;
    }
    if (seen !== lists) throw new ElementError('count', tooFew);
  }

  #flat(expected: number): void {
    const cursor = this.#cursor;
    const sink = this.#sink;
    const limit = this.#count + expected;
    let index = this.#count;
    const start = index;
    while (cursor.nextElement(index === start)) {
      if (index === limit) throw new ElementError('count', tooMany);
      const next = sink.readMany?.(cursor, index, limit) ?? index;
      if (next > index) index = next;
      else sink.read(cursor, index++);
    }
    if (index !== limit) throw new ElementError('count', tooFew);
    this.#count = index;
  }
}

/**
 * Reads the value at the cursor as a tensor of this type and shape, straight into its typed array.
 * @param shape dimensions >= 0 whose product is a safe integer
 * @throws ElementError when the values are of another type or count; JsonSyntaxError
 */
export function readElements(
  cursor: JsonCursor,
  datatype: Exclude<Datatype, 'FP16'>,
  shape: readonly number[],
): TensorData {
  const count = elementCount(shape);
  if (cursor.peek() !== 0x5b) {
    throw new ElementError('type', "Unable to parse 'data': attempt to access JSON non-array as array");
  }
  // Every element takes a byte at least, so a large shape without data allocates nothing.
  if (count > cursor.end - cursor.at) throw new ElementError('count', tooFew);
  const sink = sinkOf(datatype, count);
  new ElementReader(cursor, sink, shape).list(0, count);
  return sink.data;
}
