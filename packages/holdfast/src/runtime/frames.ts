import type { Tensor, TensorData } from '@holdfast/api';
import { type ElementKind, elementKindOf, elementKindOfCode } from './element-kinds.ts';
import type { StateStep } from './runner.ts';

/**
 * The wire between gateway and runner: length-prefixed little-endian frames over a Unix socket.
 *
 * ```
 * frame   u32 length (whole frame, multiple of 8) | u8 kind | u8 code | u16 tensors | u32 id | u32 microseconds | body
 * tensor  u8 dtype | u8 rank | u16 name bytes | u32 data bytes | rank x u32 dims | name | pad to 8 | data | pad to 8
 * BYTES   (elements + 1) x u32 offsets | UTF-8 of all elements
 * ```
 *
 * Everything starts at a multiple of 8, so the typed arrays of a received frame are views of the received bytes.
 */
export type Frame = HelloFrame | RunFrame | AnswerFrame | FailureFrame;

/** First frame on every connection, runner to gateway: a process that is stuck never says it. */
export interface HelloFrame {
  readonly kind: 'hello';
  readonly id: number;
}

export interface RunFrame {
  readonly kind: 'run';
  /** Chosen by the gateway, 0 to 2^32 - 1; the answer repeats it. */
  readonly id: number;
  readonly tensors: readonly Tensor[];
  /** The sequence that it goes on with: in the frame, flags as the code and the slot as the microseconds. */
  readonly step?: StateStep | undefined;
}

export interface AnswerFrame {
  readonly kind: 'answer';
  readonly id: number;
  readonly tensors: readonly Tensor[];
  /** Microseconds in the runtime. */
  readonly inferUs: number;
}

export interface FailureFrame {
  readonly kind: 'failure';
  readonly id: number;
  readonly code: FailureCode;
  readonly message: string;
}

/** What a runner can say of one request: the model threw, or the request cannot be given to the runtime. */
export type FailureCode = 'inference_failed' | 'bad_request';

/** The bytes are not a frame; the connection they came from is of no more use. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Largest frame unless told otherwise; larger than any body that a gateway accepts. */
export const defaultMaxFrameBytes = 256 * 1024 * 1024;

const headerBytes = 16;
const tensorHeaderBytes = 8;
const maxRank = 32;
const maxMessageBytes = 4096;
/** Frames up to this size are written into one buffer that is used again and again. */
const scratchBytes = 256 * 1024;
const protocolVersion = 1;

const kindCode = { hello: 1, run: 2, answer: 3, failure: 4 } as const;
const stepFlag = { present: 1, start: 2, end: 4 } as const;
const failureCode = { inference_failed: 1, bad_request: 2 } as const;

/** Turns frames into bytes. The bytes stay valid until the next `encode`, or for good after `keep`. */
export class FrameEncoder {
  readonly #maxBytes: number;
  #scratch = Buffer.allocUnsafeSlow(4096);

  constructor(maxBytes = defaultMaxFrameBytes) {
    this.#maxBytes = maxBytes;
  }

  /** @throws FrameError when the frame is larger than the limit, or a string to run on has a NUL character */
  encode(frame: Frame): Buffer {
    switch (frame.kind) {
      case 'hello':
        return this.#small(kindCode.hello, protocolVersion, frame.id, '');
      case 'failure':
        return this.#small(kindCode.failure, failureCode[frame.code], frame.id, frame.message);
      case 'run':
        refuseNul(frame.tensors);
        return this.#tensors(kindCode.run, flagsOf(frame.step), frame.id, frame.step?.slot ?? 0, frame.tensors);
      case 'answer':
        return this.#tensors(kindCode.answer, 0, frame.id, frame.inferUs, frame.tensors);
      default:
        throw new TypeError(`unknown kind ${JSON.stringify(frame satisfies never)}`);
    }
  }

  /** Leaves the bytes of the last frame to whoever still sends them. */
  keep(): void {
    this.#scratch = Buffer.allocUnsafeSlow(4096);
  }

  #small(kind: number, code: number, id: number, text: string): Buffer {
    const message = Buffer.from(text).subarray(0, maxMessageBytes);
    const length = aligned(headerBytes + 4 + message.length);
    const out = this.#take(length);
    writeHeader(out, length, kind, code, 0, id, 0);
    out.writeUInt32LE(message.length, headerBytes);
    out.set(message, headerBytes + 4);
    return out.fill(0, headerBytes + 4 + message.length);
  }

  #tensors(kind: number, code: number, id: number, microseconds: number, tensors: readonly Tensor[]): Buffer {
    let length = headerBytes;
    const bodies: Body[] = [];
    for (const tensor of tensors) {
      const body = bodyOf(tensor);
      bodies.push(body);
      length += aligned(body.headBytes) + aligned(body.dataBytes);
    }
    const out = this.#take(length);
    writeHeader(out, length, kind, code, tensors.length, id, microseconds);
    let at = headerBytes;
    for (let i = 0; i < bodies.length; i++) at = writeTensor(out, at, tensors[i]!, bodies[i]!);
    return out;
  }

  #take(length: number): Buffer {
    if (length > this.#maxBytes) {
      throw new FrameError(`a frame of ${length} bytes is larger than the limit of ${this.#maxBytes}`);
    }
    if (length > scratchBytes) return Buffer.allocUnsafeSlow(length);
    if (this.#scratch.length < length) this.#scratch = Buffer.allocUnsafeSlow(Math.min(scratchBytes, 2 * length));
    return this.#scratch.subarray(0, length);
  }
}

function flagsOf(step: StateStep | undefined): number {
  if (step === undefined) return 0;
  return stepFlag.present | (step.isStart ? stepFlag.start : 0) | (step.isEnd ? stepFlag.end : 0);
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}

function writeHeader(
  out: Buffer,
  length: number,
  kind: number,
  code: number,
  tensors: number,
  id: number,
  microseconds: number,
): void {
  out.writeUInt32LE(length, 0);
  out[4] = kind;
  out[5] = code;
  out.writeUInt16LE(tensors, 6);
  out.writeUInt32LE(id, 8);
  out.writeUInt32LE(Math.min(Math.max(0, Math.round(microseconds)), 0xffffffff), 12);
}

/** What must be known of a tensor before its frame can be allocated. */
interface Body {
  readonly kind: ElementKind;
  readonly name: Uint8Array;
  readonly headBytes: number;
  readonly dataBytes: number;
  /** The strings, alone and all in one, for BYTES. */
  readonly texts: readonly string[];
  readonly text: string;
}

function bodyOf(tensor: Tensor): Body {
  const { data, shape } = tensor;
  const kind = elementKindOf(tensor.datatype);
  const name = encodedName(tensor.name);
  const headBytes = tensorHeaderBytes + 4 * shape.length + name.length;
  if (isTexts(data)) {
    let texts = data;
    let text = joined(texts);
    let textBytes = Buffer.byteLength(text);
    // Half a surrogate pair has no UTF-8; two halves of neighbouring strings must not become one character.
    if (textBytes !== text.length && !texts.every(value => value.isWellFormed())) {
      texts = texts.map(value => value.toWellFormed());
      text = joined(texts);
      textBytes = Buffer.byteLength(text);
    }
    return { kind, name, headBytes, dataBytes: 4 * (texts.length + 1) + textBytes, texts, text };
  }
  return { kind, name, headBytes, dataBytes: data.byteLength, texts: [], text: '' };
}

function joined(texts: readonly string[]): string {
  return texts.length === 1 ? texts[0]! : texts.join('');
}

/** ONNX Runtime takes C strings, so a NUL would cut the value short without a word. */
function refuseNul(tensors: readonly Tensor[]): void {
  for (const { name, data } of tensors) {
    if (isTexts(data) && data.some(text => text.includes('\0'))) {
      throw new FrameError(`A string of the tensor "${name}" contains a NUL character, which a model cannot take.`);
    }
  }
}

function isTexts(data: TensorData): data is readonly string[] {
  return Array.isArray(data);
}

// A process sees the few tensor names of its models again and again.
const nameCache = new Map<string, Uint8Array>();

function encodedName(name: string): Uint8Array {
  let bytes = nameCache.get(name);
  if (bytes === undefined) {
    bytes = Buffer.from(name);
    if (bytes.length > 0xffff) throw new FrameError('a tensor name is longer than 65535 bytes');
    if (nameCache.size >= 10_000) nameCache.clear();
    nameCache.set(name, bytes);
  }
  return bytes;
}

function writeTensor(out: Buffer, start: number, tensor: Tensor, body: Body): number {
  const { shape, data } = tensor;
  if (shape.length > maxRank)
    throw new FrameError(`a tensor has ${shape.length} dimensions; at most ${maxRank} travel`);
  out[start] = body.kind.code;
  out[start + 1] = shape.length;
  out.writeUInt16LE(body.name.length, start + 2);
  out.writeUInt32LE(body.dataBytes, start + 4);
  let at = start + tensorHeaderBytes;
  for (const dim of shape) at = out.writeUInt32LE(dim, at);
  out.set(body.name, at);
  at = pad(out, at + body.name.length);
  if (isTexts(data)) writeTexts(out, at, body.texts, body.text);
  else out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
  return pad(out, at + body.dataBytes);
}

function pad(out: Buffer, from: number): number {
  const to = aligned(from);
  for (let at = from; at < to; at++) out[at] = 0;
  return to;
}

function writeTexts(out: Buffer, start: number, texts: readonly string[], all: string): void {
  const textStart = start + 4 * (texts.length + 1);
  const written = out.write(all, textStart, 'utf8');
  const isAscii = written === all.length;
  let at = out.writeUInt32LE(0, start);
  let offset = 0;
  for (const text of texts) {
    offset += isAscii ? text.length : Buffer.byteLength(text);
    at = out.writeUInt32LE(offset, at);
  }
}

/** Cuts a byte stream into frames, whatever the chunks; one per connection. */
export class FrameReader {
  readonly #maxBytes: number;
  readonly #onFrame: (frame: Frame) => void;
  /** Bytes of a length prefix that arrived in pieces. */
  #prefix = Buffer.alloc(0);
  /** A frame of which a part has arrived. */
  #partial: Buffer | undefined;
  #filled = 0;

  constructor(onFrame: (frame: Frame) => void, maxBytes = defaultMaxFrameBytes) {
    this.#onFrame = onFrame;
    this.#maxBytes = maxBytes;
  }

  /**
   * Takes the next bytes; frames keep views of `chunk`, so it must not be written to again.
   * @throws FrameError when the bytes are not frames
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial !== undefined) at = this.#fill(this.#partial, chunk, at);
      else if (this.#prefix.length > 0 || chunk.length - at < 4) at = this.#startFromPieces(chunk, at);
      else at = this.#start(chunk, at);
    }
  }

  #start(chunk: Buffer, at: number): number {
    const length = this.#checkedLength(chunk.readUInt32LE(at));
    if (chunk.length - at < length) {
      this.#begin(length);
      return at;
    }
    this.#onFrame(decodeFrame(chunk.subarray(at, at + length)));
    return at + length;
  }

  #startFromPieces(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + 4 - this.#prefix.length);
    this.#prefix = Buffer.concat([this.#prefix, chunk.subarray(at, end)]);
    if (this.#prefix.length === 4) {
      const prefix = this.#prefix;
      this.#prefix = Buffer.alloc(0);
      const frame = this.#begin(this.#checkedLength(prefix.readUInt32LE(0)));
      frame.set(prefix);
      this.#filled = 4;
    }
    return end;
  }

  #begin(length: number): Buffer {
    this.#partial = Buffer.allocUnsafeSlow(length);
    this.#filled = 0;
    return this.#partial;
  }

  #fill(frame: Buffer, chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + frame.length - this.#filled);
    frame.set(chunk.subarray(at, end), this.#filled);
    this.#filled += end - at;
    if (this.#filled === frame.length) {
      this.#partial = undefined;
      this.#onFrame(decodeFrame(frame));
    }
    return end;
  }

  #checkedLength(length: number): number {
    if (length < headerBytes || length % 8 !== 0) throw new FrameError(`a frame cannot have ${length} bytes`);
    if (length > this.#maxBytes) {
      throw new FrameError(`a frame of ${length} bytes is larger than the limit of ${this.#maxBytes}`);
    }
    return length;
  }
}

/**
 * One frame from exactly its bytes.
 * @throws FrameError
 */
export function decodeFrame(bytes: Buffer): Frame {
  const id = bytes.readUInt32LE(8);
  switch (bytes[4]) {
    case kindCode.hello:
      if (bytes[5] !== protocolVersion) throw new FrameError(`the other side speaks version ${bytes[5]}`);
      return { kind: 'hello', id };
    case kindCode.run:
      return { kind: 'run', id, tensors: decodeTensors(bytes), ...(bytes[5] !== 0 && { step: decodeStep(bytes) }) };
    case kindCode.answer:
      return { kind: 'answer', id, tensors: decodeTensors(bytes), inferUs: bytes.readUInt32LE(12) };
    case kindCode.failure:
      return { kind: 'failure', id, code: decodeFailureCode(bytes[5]!), message: decodeMessage(bytes) };
    default:
      throw new FrameError(`no frame has kind ${bytes[4]}`);
  }
}

function decodeStep(bytes: Buffer): StateStep {
  const flags = bytes[5]!;
  return {
    slot: bytes.readUInt32LE(12),
    isStart: (flags & stepFlag.start) !== 0,
    isEnd: (flags & stepFlag.end) !== 0,
  };
}

function decodeFailureCode(code: number): FailureCode {
  if (code === failureCode.inference_failed) return 'inference_failed';
  if (code === failureCode.bad_request) return 'bad_request';
  throw new FrameError(`no failure has code ${code}`);
}

function decodeMessage(bytes: Buffer): string {
  need(bytes, headerBytes + 4);
  const length = bytes.readUInt32LE(headerBytes);
  need(bytes, headerBytes + 4 + length);
  return bytes.toString('utf8', headerBytes + 4, headerBytes + 4 + length);
}

function need(bytes: Buffer, end: number): void {
  if (end > bytes.length) throw new FrameError('a frame ends before its contents');
}

function decodeTensors(bytes: Buffer): Tensor[] {
  const count = bytes.readUInt16LE(6);
  const tensors: Tensor[] = [];
  let at = headerBytes;
  for (let i = 0; i < count; i++) {
    need(bytes, at + tensorHeaderBytes);
    const kind = elementKindOfCode(bytes[at]!);
    if (kind === undefined) throw new FrameError(`no dtype has code ${bytes[at]}`);
    const rank = bytes[at + 1]!;
    if (rank > maxRank) throw new FrameError(`a tensor has ${rank} dimensions; at most ${maxRank} travel`);
    const nameBytes = bytes.readUInt16LE(at + 2);
    const dataBytes = bytes.readUInt32LE(at + 4);
    at += tensorHeaderBytes;
    const dataStart = aligned(at + 4 * rank + nameBytes);
    const end = dataStart + dataBytes;
    need(bytes, end);
    const shape: number[] = [];
    for (let d = 0; d < rank; d++, at += 4) shape.push(bytes.readUInt32LE(at));
    const name = bytes.toString('utf8', at, at + nameBytes);
    tensors.push({
      name,
      datatype: kind.datatype,
      shape,
      data: decodeElements(bytes, kind, countOf(shape), dataStart, dataBytes),
    });
    at = aligned(end);
  }
  return tensors;
}

function countOf(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

function decodeElements(bytes: Buffer, kind: ElementKind, count: number, start: number, length: number): TensorData {
  if (kind.array === undefined) return decodeTexts(bytes, count, start, length);
  const width = kind.array.BYTES_PER_ELEMENT;
  if (count * width !== length) throw new FrameError(`${length} bytes are not ${count} elements of ${kind.datatype}`);
  const from = bytes.byteOffset + start;
  const data =
    from % width === 0
      ? new kind.array(bytes.buffer, from, count)
      : new kind.array(new Uint8Array(bytes.subarray(start, start + length)).buffer, 0, count);
  if (kind.datatype === 'BOOL' && data instanceof Uint8Array) requireBooleans(data);
  return data;
}

function requireBooleans(data: Uint8Array): void {
  for (const value of data) if (value > 1) throw new FrameError(`a BOOL element is ${value}`);
}

function decodeTexts(bytes: Buffer, count: number, start: number, length: number): string[] {
  const tableBytes = 4 * (count + 1);
  if (tableBytes > length) throw new FrameError(`${length} bytes are too few for ${count} strings`);
  const textStart = start + tableBytes;
  const textBytes = length - tableBytes;
  const all = bytes.toString('utf8', textStart, textStart + textBytes);
  const isAscii = all.length === textBytes;
  const texts: string[] = [];
  let from = bytes.readUInt32LE(start);
  if (from !== 0) throw new FrameError('the first string does not start at 0');
  for (let i = 1; i <= count; i++) {
    const to = bytes.readUInt32LE(start + 4 * i);
    if (to < from || to > textBytes) throw new FrameError('the offsets of the strings are out of order');
    texts.push(isAscii ? all.slice(from, to) : bytes.toString('utf8', textStart + from, textStart + to));
    from = to;
  }
  if (from !== textBytes) throw new FrameError('bytes follow the last string');
  return texts;
}
