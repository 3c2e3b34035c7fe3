import { type Datatype, datatypes, elementBytes, type Tensor, type TensorData, typedArrayOf } from '@holdfast/api';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { elementKindOf, elementKindOfCode } from './element-kinds.ts';
import { decodeFrame, type Frame, FrameEncoder, FrameError, FrameReader } from './frames.ts';

function bytesOf(frame: Frame): Buffer {
  return Buffer.from(new FrameEncoder().encode(frame));
}

function roundTrip(tensors: readonly Tensor[]): readonly Tensor[] {
  const frame = decodeFrame(bytesOf({ kind: 'run', id: 1, tensors }));
  return frame.kind === 'run' ? frame.tensors : [];
}

test('the dtypes of the wire are those of the API, with the same widths and arrays', () => {
  const codes = datatypes.map(datatype => elementKindOf(datatype));
  expect(new Set(codes.map(kind => kind.code)).size).toBe(datatypes.length);
  for (const kind of codes) {
    expect(elementKindOfCode(kind.code)).toBe(kind);
    expect(kind.array?.BYTES_PER_ELEMENT ?? 0).toBe(elementBytes[kind.datatype]);
    if (kind.datatype !== 'BYTES') expect(kind.array).toBe(typedArrayOf[kind.datatype]);
  }
});

test('int64 beyond 2^53, NaN, infinities, half bits and text survive exactly', () => {
  const tensors: Tensor[] = [
    { name: 'i', datatype: 'INT64', shape: [2], data: new BigInt64Array([-(2n ** 63n), 2n ** 53n + 1n]) },
    { name: 'u', datatype: 'UINT64', shape: [1], data: new BigUint64Array([2n ** 64n - 1n]) },
    { name: 'f', datatype: 'FP32', shape: [2, 2], data: new Float32Array([Number.NaN, Infinity, -Infinity, -0]) },
    { name: 'h', datatype: 'FP16', shape: [2], data: new Uint16Array([0x7e00, 0xfc00]) },
    { name: 't', datatype: 'BYTES', shape: [4], data: ['', 'plain', 'Zürich', '深圳🛩'] },
    { name: 'scalar', datatype: 'FP64', shape: [], data: new Float64Array([0.1]) },
  ];
  expect(roundTrip(tensors)).toEqual(tensors);
});

test('halves of surrogate pairs become replacement characters and never join their neighbour', () => {
  const [tensor] = roundTrip([{ name: 't', datatype: 'BYTES', shape: [3], data: ['\ud83d', '\udee9', 'x'] }]);
  expect(tensor?.data).toEqual(['\ufffd', '\ufffd', 'x']);
});

test('received arrays are views of the received bytes', () => {
  const bytes = bytesOf({
    kind: 'run',
    id: 7,
    tensors: [{ name: 'odd', datatype: 'FP64', shape: [3], data: new Float64Array([1, 2, 3]) }],
  });
  const alone = Buffer.from(new Uint8Array(bytes).buffer);
  const frame = decodeFrame(alone);
  const data = frame.kind === 'run' ? frame.tensors[0]?.data : undefined;
  expect(ArrayBuffer.isView(data) && data.buffer === alone.buffer).toBe(true);
});

test('a string with a NUL is refused before it can reach the runtime', () => {
  const tensor: Tensor = { name: 'city', datatype: 'BYTES', shape: [1], data: ['a\0b'] };
  expect(() => new FrameEncoder().encode({ kind: 'run', id: 1, tensors: [tensor] })).toThrow(/"city".*NUL/);
});

test('frames larger than the limit are neither sent nor accepted', () => {
  const frame: Frame = {
    kind: 'run',
    id: 1,
    tensors: [{ name: 'x', datatype: 'UINT8', shape: [2000], data: new Uint8Array(2000) }],
  };
  expect(() => new FrameEncoder(1024).encode(frame)).toThrow(FrameError);
  expect(() => new FrameReader(() => {}, 1024).push(bytesOf(frame))).toThrow(/larger than the limit/);
});

test('the encoder may use its bytes again unless they are kept', () => {
  const encoder = new FrameEncoder();
  const first = encoder.encode({ kind: 'failure', id: 1, code: 'inference_failed', message: 'one' });
  encoder.keep();
  encoder.encode({ kind: 'failure', id: 2, code: 'bad_request', message: 'two' });
  expect(decodeFrame(first)).toEqual({ kind: 'failure', id: 1, code: 'inference_failed', message: 'one' });
});

test.each<[string, (bytes: Buffer) => void]>([
  ['an unknown kind', bytes => bytes.writeUInt8(9, 4)],
  ['an unknown dtype', bytes => bytes.writeUInt8(77, 16)],
  ['a rank that leaves the frame', bytes => bytes.writeUInt8(32, 17)],
  ['data that leave the frame', bytes => bytes.writeUInt32LE(0xfffffff0, 20)],
  ['a shape that is not the data', bytes => bytes.writeUInt32LE(5, 24)],
  ['more tensors than are there', bytes => bytes.writeUInt16LE(2, 6)],
])('%s is refused', (_what, spoil) => {
  const bytes = bytesOf({
    kind: 'run',
    id: 1,
    tensors: [{ name: 'x', datatype: 'FP32', shape: [2], data: new Float32Array(2) }],
  });
  spoil(bytes);
  expect(() => decodeFrame(bytes)).toThrow(FrameError);
});

test('a BOOL that is neither 0 nor 1 is refused', () => {
  const bytes = bytesOf({
    kind: 'run',
    id: 1,
    tensors: [{ name: 'b', datatype: 'BOOL', shape: [1], data: new Uint8Array([2]) }],
  });
  expect(() => decodeFrame(bytes)).toThrow(/BOOL element is 2/);
});

const anyData: Record<Datatype, (count: number) => fc.Arbitrary<TensorData>> = {
  BOOL: n => fc.array(fc.integer({ min: 0, max: 1 }), exactly(n)).map(v => Uint8Array.from(v)),
  UINT8: n => fc.uint8Array(exactly(n)),
  UINT16: n => fc.uint16Array(exactly(n)),
  UINT32: n => fc.uint32Array(exactly(n)),
  UINT64: n => fc.bigUint64Array(exactly(n)),
  INT8: n => fc.int8Array(exactly(n)),
  INT16: n => fc.int16Array(exactly(n)),
  INT32: n => fc.int32Array(exactly(n)),
  INT64: n => fc.bigInt64Array(exactly(n)),
  FP16: n => fc.uint16Array(exactly(n)),
  FP32: n => fc.float32Array(exactly(n)),
  FP64: n => fc.float64Array(exactly(n)),
  BYTES: n =>
    fc.array(
      fc.string({ unit: 'grapheme' }).map(text => text.replaceAll('\0', ' ')),
      exactly(n),
    ),
};

function exactly(n: number): { minLength: number; maxLength: number } {
  return { minLength: n, maxLength: n };
}

const anyTensor: fc.Arbitrary<Tensor> = fc
  .tuple(fc.constantFrom(...datatypes), fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }), fc.string())
  .chain(([datatype, shape, name]) =>
    anyData[datatype](shape.reduce((product, dim) => product * dim, 1)).map(data => ({ name, datatype, shape, data })),
  );

const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ kind: fc.constant('run' as const), id: fc.nat(), tensors: fc.array(anyTensor, { maxLength: 4 }) }),
  fc.record({
    kind: fc.constant('answer' as const),
    id: fc.nat(),
    tensors: fc.array(anyTensor, { maxLength: 4 }),
    inferUs: fc.nat(),
  }),
  fc.record({
    kind: fc.constant('failure' as const),
    id: fc.nat(),
    code: fc.constantFrom('inference_failed' as const, 'bad_request' as const),
    message: fc.string({ unit: 'grapheme', maxLength: 100 }),
  }),
  fc.record({ kind: fc.constant('hello' as const), id: fc.nat() }),
);

function inPieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map(cut => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

test('any frames come out as they went in, wherever the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 6 }), (frames, cuts) => {
      const received: Frame[] = [];
      const reader = new FrameReader(frame => received.push(frame));
      for (const piece of inPieces(Buffer.concat(frames.map(bytesOf)), cuts)) reader.push(Buffer.from(piece));
      expect(received).toEqual(frames);
    }),
    { numRuns: 300 },
  );
});

function neverThrowsOtherThanFrameError(bytes: Buffer, cuts: readonly number[]): void {
  const reader = new FrameReader(() => {}, 1 << 20);
  try {
    for (const piece of inPieces(bytes, cuts)) reader.push(piece);
  } catch (error) {
    expect(error).toBeInstanceOf(FrameError);
  }
}

test('garbage is refused as a FrameError and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(), { maxLength: 3 }), (garbage, cuts) => {
      neverThrowsOtherThanFrameError(Buffer.from(garbage), cuts);
    }),
    { numRuns: 500 },
  );
});

test('a good frame with bytes overwritten gives a frame or a FrameError and nothing else', () => {
  const spots = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(anyFrame, spots, (frame, changes) => {
      const bytes = bytesOf(frame);
      for (const [at, value] of changes) bytes[4 + (at % (bytes.length - 4))] = value;
      neverThrowsOtherThanFrameError(bytes, []);
    }),
    { numRuns: 1000 },
  );
});
