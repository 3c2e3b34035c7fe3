import { expect, test } from 'vitest';
import { type NamedTensor, plainElements } from '../convert/verify/tensor.ts';
import { buildModel, buildNode, buildTensor, buildValueInfo } from '../model/build.ts';
import { dataType } from '../model/proto.ts';
import { readModel } from '../model/read-model.ts';
import { writeModel } from '../model/write-model.ts';
import { testRuntime } from '../testing/run-model.ts';
import { halfBits } from './half-bits.ts';
import {
  calibrate,
  floatWeightsLeft,
  quantizeDynamic,
  quantizeStatic,
  quantizeWeights,
  toFloat16,
  toFloat32,
} from './index.ts';
import { roundedDown } from './single-precision.ts';

/** Values in [-1, 1] that repeat nothing, the same in every run. */
const wave = (count: number, step: number): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin((i + 1) * step));

/** A transposed Gemm with bias, a ReLU and a MatMul: 16 -> 32 -> 4. */
const network = (type: 'float' | 'double'): Uint8Array =>
  writeModel(
    buildModel({
      nodes: [
        buildNode('Gemm', ['x', 'w1', 'b1'], ['h'], { attributes: { transB: 1n } }),
        buildNode('Relu', ['h'], ['r']),
        buildNode('MatMul', ['r', 'w2'], ['y']),
      ],
      initializers: [
        buildTensor('w1', type, [32, 16], wave(512, 0.7)),
        buildTensor('b1', type, [32], wave(32, 1.3)),
        buildTensor('w2', type, [32, 4], wave(128, 0.9)),
      ],
      inputs: [buildValueInfo('x', type, ['batch', 16])],
      outputs: [buildValueInfo('y', type, ['batch', 4])],
    }),
  );

const convolution = writeModel(
  buildModel({
    nodes: [buildNode('Conv', ['x', 'w'], ['y'], { attributes: { pads: [1n, 1n, 1n, 1n] } })],
    initializers: [buildTensor('w', 'float', [8, 3, 3, 3], wave(216, 0.3))],
    inputs: [buildValueInfo('x', 'float', ['batch', 3, 6, 6])],
    outputs: [buildValueInfo('y', 'float', ['batch', 8, 6, 6])],
  }),
);

/** A convolution with groups, stride, uneven padding and a bias, all of whose inputs are above 0.5. */
const shiftedConvolution = writeModel(
  buildModel({
    nodes: [
      buildNode('Exp', ['x'], ['e']),
      buildNode('Conv', ['e', 'w', 'b'], ['y'], {
        attributes: { pads: [0n, 1n, 2n, 1n], strides: [2n, 1n], group: 2n },
      }),
    ],
    initializers: [
      buildTensor('w', 'float', [8, 2, 3, 3], wave(144, 0.3)),
      buildTensor('b', 'float', [8], wave(8, 1.3)),
    ],
    inputs: [buildValueInfo('x', 'float', ['batch', 4, 6, 6])],
    outputs: [buildValueInfo('y', 'float', ['batch', 8, 3, 6])],
  }),
);

/** A bidirectional LSTM over 3 numbers with 16 units. */
const recurrent = writeModel(
  buildModel({
    nodes: [
      buildNode('LSTM', ['x', 'w', 'r', 'b'], ['y'], {
        attributes: { hidden_size: 16n, direction: 'bidirectional' },
      }),
    ],
    initializers: [
      buildTensor('w', 'float', [2, 64, 3], wave(384, 0.3)),
      buildTensor('r', 'float', [2, 64, 16], wave(2048, 0.7)),
      buildTensor('b', 'float', [2, 128], wave(256, 1.3)),
    ],
    inputs: [buildValueInfo('x', 'float', [4, 'batch', 3])],
    outputs: [buildValueInfo('y', 'float', [4, 2, 'batch', 16])],
  }),
);

const floats = (shape: readonly number[]): NamedTensor => ({
  name: 'x',
  datatype: 'FP32',
  shape,
  data: Float32Array.from(
    wave(
      shape.reduce((product, size) => product * size, 1),
      0.11,
    ),
  ),
});

/** Largest difference from the original, relative to the largest output. */
async function change(original: Uint8Array, edited: Uint8Array, input: NamedTensor): Promise<number> {
  const run = await testRuntime();
  const answer = async (model: Uint8Array): Promise<number[]> =>
    plainElements((await run(model, [input]))[0]!).map(Number);
  const [before, after] = [await answer(original), await answer(edited)];
  const largest = Math.max(...before.map(Math.abs));
  return Math.max(...before.map((value, i) => Math.abs(value - after[i]!))) / largest;
}

test.each([
  ['a network', network('float'), floats([5, 16])],
  ['a convolution', convolution, floats([2, 3, 6, 6])],
  ['an LSTM', recurrent, floats([4, 2, 3])],
])('int8 weights of %s change answers by less than 1 % and take a quarter of the space', async (_, model, input) => {
  const edited = quantizeWeights(model);
  expect(await change(model, edited, input)).toBeLessThan(0.01);
  const stored = (bytes: Uint8Array): number =>
    readModel(bytes).graph.initializers.reduce((sum, tensor) => sum + (tensor.rawData?.length ?? 0), 0);
  expect(stored(edited) / stored(model)).toBeLessThan(0.4);
});

test('dynamic int8 multiplies in integers and changes answers by less than 2 %', async () => {
  const model = network('float');
  const edited = quantizeDynamic(model);
  expect(readModel(edited).graph.nodes.filter(node => node.opType === 'MatMulInteger')).toHaveLength(2);
  expect(await change(model, edited, floats([5, 16]))).toBeLessThan(0.02);
});

test.each([
  ['a convolution', convolution, floats([2, 3, 6, 6])],
  ['a convolution with groups, strides, padding and a bias', shiftedConvolution, floats([2, 4, 6, 6])],
])('dynamic int8 of %s convolves in integers and changes answers by less than 2 %', async (_, model, input) => {
  const edited = quantizeDynamic(model);
  const operators = readModel(edited).graph.nodes.map(node => node.opType);
  expect(operators).toContain('ConvInteger');
  expect(operators).not.toContain('Conv');
  expect(await change(model, edited, input)).toBeLessThan(0.02);
});

test('what a mode leaves in float32 is named with its number', () => {
  expect(floatWeightsLeft(network('float'))).toEqual(['Gemm (1)', 'MatMul (1)']);
  expect(floatWeightsLeft(recurrent)).toEqual(['LSTM (1)']);
  expect(floatWeightsLeft(quantizeDynamic(network('float')))).toEqual([]);
});

test.each([
  ['a network', network('float'), floats([5, 16])],
  ['a convolution', convolution, floats([2, 3, 6, 6])],
])('static int8 of %s calibrated on its inputs changes answers by less than 2 %', async (_, model, input) => {
  const ranges = await calibrate(model, [[input]], await testRuntime());
  expect(await change(model, quantizeStatic(model, ranges), input)).toBeLessThan(0.02);
});

test('a float64 graph has nothing to quantize until it is made float32', async () => {
  const model = network('double');
  expect(() => quantizeWeights(model)).toThrow(/--float32/);
  const single = toFloat32(model);
  expect(await change(network('float'), single, floats([5, 16]))).toBeLessThan(1e-6);
  expect(quantizeWeights(single).length).toBeLessThan(single.length);
  expect(() => toFloat32(single)).toThrow(/already/);
});

test.each([0.1, -0.1, 1, 3.0000000001, -3.0000000001, 1e-50, -1e-50, 0])(
  'a float32 number is below or at %d exactly when it is below or at the rounded threshold',
  threshold => {
    const rounded = roundedDown(threshold);
    expect(Math.fround(rounded)).toBe(rounded);
    expect(rounded).toBeLessThanOrEqual(threshold);
    for (const x of [Math.fround(threshold), rounded, rounded + Math.abs(rounded) * 2 ** -23, 0].map(Math.fround))
      expect(x <= threshold).toBe(x <= rounded);
  },
);

test.each([
  ['a network', network('float'), floats([5, 16])],
  ['a convolution', convolution, floats([2, 3, 6, 6])],
])(
  'float16 of %s halves the weights, keeps float32 at the door and changes answers by less than 0.5 %',
  async (_, model, input) => {
    const edited = toFloat16(model);
    expect(await change(model, edited, input)).toBeLessThan(0.005);
    const { graph } = readModel(edited);
    expect(graph.initializers.every(tensor => tensor.dataType === dataType.float16)).toBe(true);
    expect([...graph.inputs, ...graph.outputs].map(({ type }) => type?.kind === 'tensor' && type.elemType)).toEqual([
      dataType.float,
      dataType.float,
    ]);
  },
);

test('float16 stores the weights of an LSTM in half the space and computes it in float32', async () => {
  const edited = toFloat16(recurrent);
  expect(await change(recurrent, edited, floats([4, 2, 3]))).toBeLessThan(0.005);
  const { initializers } = readModel(edited).graph;
  const half = initializers.filter(tensor => tensor.dataType === dataType.float16);
  expect(half.map(tensor => tensor.dims.map(Number))).toEqual([
    [2, 64, 3],
    [2, 64, 16],
  ]);
  expect(initializers).toHaveLength(3);
});

test('float16 leaves softmax and weights beyond its range in float32', async () => {
  const model = writeModel(
    buildModel({
      nodes: [
        buildNode('MatMul', ['x', 'w'], ['h']),
        buildNode('Softmax', ['h'], ['p']),
        buildNode('Mul', ['p', 'large'], ['y']),
      ],
      initializers: [buildTensor('w', 'float', [16, 8], wave(128, 0.7)), buildTensor('large', 'float', [1], [100_000])],
      inputs: [buildValueInfo('x', 'float', ['batch', 16])],
      outputs: [buildValueInfo('y', 'float', ['batch', 8])],
    }),
  );
  const edited = toFloat16(model);
  expect(await change(model, edited, floats([5, 16]))).toBeLessThan(0.005);
  const { nodes } = readModel(edited).graph;
  expect(nodes.find(node => node.opType === 'Softmax')?.inputs).toEqual(['h']);
  expect(nodes.find(node => node.opType === 'Mul')?.inputs).toEqual(['p', 'large']);
});

test('float16 is refused for a model without weights', () => {
  const model = writeModel(
    buildModel({
      nodes: [buildNode('Relu', ['x'], ['y'])],
      inputs: [buildValueInfo('x', 'float', ['batch', 2])],
      outputs: [buildValueInfo('y', 'float', ['batch', 2])],
    }),
  );
  expect(() => toFloat16(model)).toThrow(/no float32 weights/);
});

test.each([
  [1, 0x3c00],
  [-2, 0xc000],
  [65504, 0x7bff],
  [65520, 0x7c00],
  [2 ** -24, 0x0001],
  [2 ** -25, 0x0000],
  [1 + 2 ** -11, 0x3c00],
  [1 + 3 * 2 ** -11, 0x3c02],
  [2 ** -14 - 2 ** -25, 0x0400],
  [Number.NEGATIVE_INFINITY, 0xfc00],
])('%f has the float16 bits %i', (value, bits) => {
  expect(halfBits(value)).toBe(bits);
});
