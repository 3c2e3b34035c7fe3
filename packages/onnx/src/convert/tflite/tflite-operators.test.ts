import { expect, test } from 'vitest';
import { checkModel } from '../../check/check-model.ts';
import { runTflite } from '../../engines/tflite-interpreter.ts';
import { buildTflite, type TestTensor } from '../../testing/build-tflite.ts';
import { type FlatFields, float32, int8, int32, ints, tables } from '../../testing/flat-writer.ts';
import { runOnnx } from '../../testing/run-onnx.ts';
import { convert } from '../convert.ts';

/** One operator with its tensors; those without values are inputs of the model, filled from a seed. */
interface Case {
  readonly name: string;
  readonly inputs: readonly (TestTensor | undefined)[];
  readonly outputs: readonly TestTensor[];
  readonly options?: readonly [number, FlatFields];
  readonly label?: string;
  /** Lowest and highest input. */
  readonly range?: readonly [number, number];
}

const real = (...shape: number[]): TestTensor => ({ type: 'FLOAT32', shape });
const byte = (scale: number, zero: number, ...shape: number[]): TestTensor => ({ type: 'INT8', shape, scale, zero });
const ubyte = (scale: number, zero: number, ...shape: number[]): TestTensor => ({ type: 'UINT8', shape, scale, zero });
const short = (scale: number, ...shape: number[]): TestTensor => ({ type: 'INT16', shape, scale, zero: 0 });
const whole = (...values: number[]): TestTensor => ({ type: 'INT32', shape: [values.length], values });
const scalar = (value: number, type: TestTensor['type'] = 'INT32'): TestTensor => ({
  type,
  shape: [],
  values: [value],
});

/** Numbers in [0, 1), the same in every run. */
function stream(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

function drawn(tensor: TestTensor, draw: () => number, [low, high]: readonly [number, number]): number[] {
  return Array.from({ length: count(tensor.shape) }, () => {
    const u = draw();
    if (tensor.type === 'FLOAT32') return Math.fround(low + u * (high - low));
    if (tensor.type === 'INT8') return Math.floor(u * 256) - 128;
    if (tensor.type === 'UINT8') return Math.floor(u * 256);
    if (tensor.type === 'INT16') return Math.floor(u * 40000) - 20000;
    return tensor.type === 'BOOL' ? Math.floor(u * 2) : Math.floor(low + u * (high - low));
  });
}

const random = (tensor: TestTensor, seed = 3, range: readonly [number, number] = [-1, 1]): TestTensor => ({
  ...tensor,
  values: drawn(tensor, stream(seed), range),
});

const unary = (name: string, options: number, range: readonly [number, number] = [-4, 4]): Case => ({
  name,
  inputs: [real(2, 5, 7)],
  outputs: [real(2, 5, 7)],
  options: [options, {}],
  range,
});

const binary = (name: string, options: readonly [number, FlatFields], extra: Partial<Case> = {}): Case => ({
  name,
  inputs: [real(2, 3, 4), real(3, 1)],
  outputs: [real(2, 3, 4)],
  options,
  ...extra,
});

const conv = (padding: number, stride: number, activation = 0, dilation = 1): readonly [number, FlatFields] => [
  1,
  { 0: int8(padding), 1: int32(stride), 2: int32(stride), 3: int8(activation), 4: int32(dilation), 5: int32(dilation) },
];
const depthwise = (
  padding: number,
  stride: number,
  multiplier: number,
  activation = 0,
): readonly [number, FlatFields] => [
  2,
  { 0: int8(padding), 1: int32(stride), 2: int32(stride), 3: int32(multiplier), 4: int8(activation) },
];
const pool = (padding: number, stride: number, size: number, activation = 0): readonly [number, FlatFields] => [
  5,
  { 0: int8(padding), 1: int32(stride), 2: int32(stride), 3: int32(size), 4: int32(size), 5: int8(activation) },
];
const intBias = (scales: readonly number[], seed: number): TestTensor => ({
  type: 'INT32',
  shape: [scales.length],
  scale: scales,
  values: drawn({ type: 'INT32', shape: [scales.length] }, stream(seed), [-400, 400]),
});
const channelScales = [0.01, 0.02, 0.005, 0.03];
const keep = { 0: int8(1) };

const cases: readonly Case[] = [
  unary('ABS', 78),
  unary('CEIL', 0),
  unary('COS', 84),
  unary('ELU', 0),
  unary('EXP', 33),
  unary('FLOOR', 0),
  unary('GELU', 116),
  { ...unary('GELU', 116), options: [116, { 0: int8(1) }], label: 'tanh' },
  unary('HARD_SWISH', 91),
  { ...unary('LEAKY_RELU', 75), options: [75, { 0: float32(0.3) }] },
  unary('LOG', 0, [0.1, 5]),
  unary('LOGISTIC', 0),
  unary('NEG', 42),
  unary('RELU', 0),
  unary('RELU6', 0, [-4, 10]),
  unary('RELU_N1_TO_1', 0),
  unary('ROUND', 0),
  unary('RSQRT', 0, [0.1, 5]),
  unary('SIN', 0),
  unary('SQRT', 0, [0, 5]),
  unary('SQUARE', 66),
  unary('TANH', 0),
  unary('ZEROS_LIKE', 67),
  unary('SIGN', 0),
  binary('ADD', [11, { 0: int8(1) }], { label: 'relu' }),
  binary('SUB', [28, { 0: int8(2) }], { label: 'relu-n1-to-1' }),
  binary('MUL', [21, { 0: int8(3) }], { label: 'relu6', range: [-4, 4] }),
  binary('DIV', [29, {}], { range: [0.5, 4] }),
  binary('MAXIMUM', [39, {}]),
  binary('MINIMUM', [39, {}]),
  binary('POW', [56, {}], { range: [0.2, 3] }),
  binary('SQUARED_DIFFERENCE', [76, {}]),
  binary('FLOOR_MOD', [72, {}], { range: [-9, 9] }),
  binary('FLOOR_DIV', [65, {}], { range: [-9, 9] }),
  binary('FLOOR_MOD', [72, {}], {
    label: 'whole numbers',
    inputs: [
      { type: 'INT32', shape: [2, 3, 4] },
      { ...whole(3, -2, 5), shape: [3, 1] },
    ],
    outputs: [{ type: 'INT32', shape: [2, 3, 4] }],
    range: [-20, 20],
  }),
  binary('FLOOR_DIV', [65, {}], {
    label: 'whole numbers',
    inputs: [
      { type: 'INT32', shape: [2, 3, 4] },
      { ...whole(3, -2, 5), shape: [3, 1] },
    ],
    outputs: [{ type: 'INT32', shape: [2, 3, 4] }],
    range: [-20, 20],
  }),
  binary('PRELU', [0, {}], { inputs: [real(2, 3, 4), random(real(1, 1, 4))] }),
  ...(['LESS', 'GREATER', 'EQUAL', 'NOT_EQUAL', 'LESS_EQUAL', 'GREATER_EQUAL'] as const).map(
    (name, i): Case => ({
      name,
      inputs: [
        { type: 'INT32', shape: [4, 5] },
        { type: 'INT32', shape: [4, 5] },
      ],
      outputs: [{ type: 'BOOL', shape: [4, 5] }],
      options: [[41, 44, 53, 54, 46, 45][i]!, {}],
      range: [0, 3],
    }),
  ),
  {
    name: 'ADD_N',
    inputs: [real(3, 4), real(3, 4), real(3, 4)],
    outputs: [real(3, 4)],
    options: [82, {}],
  },
  {
    name: 'CAST',
    inputs: [real(3, 4)],
    outputs: [{ type: 'INT32', shape: [3, 4] }],
    options: [37, {}],
    range: [-9, 9],
  },
  {
    name: 'SELECT_V2',
    inputs: [{ type: 'BOOL', shape: [4] }, real(3, 4), real(3, 1)],
    outputs: [real(3, 4)],
    options: [98, {}],
  },
  {
    name: 'SELECT',
    inputs: [{ type: 'BOOL', shape: [3] }, real(3, 4), real(3, 4)],
    outputs: [real(3, 4)],
    options: [47, {}],
  },
  {
    name: 'FAKE_QUANT',
    inputs: [real(40)],
    outputs: [real(40)],
    options: [58, { 0: float32(-0.7), 1: float32(0.9), 2: int32(8) }],
  },
  {
    name: 'CONV_2D',
    label: 'same, stride 2, relu6',
    inputs: [real(2, 7, 6, 3), random(real(4, 3, 3, 3)), random(real(4), 5)],
    outputs: [real(2, 4, 3, 4)],
    options: conv(0, 2, 3),
  },
  {
    name: 'CONV_2D',
    label: 'dilated, same',
    inputs: [real(1, 8, 8, 2), random(real(4, 3, 3, 2)), random(real(4), 5)],
    outputs: [real(1, 8, 8, 4)],
    options: conv(0, 1, 0, 2),
  },
  {
    name: 'CONV_2D',
    label: 'int8 per channel, relu',
    inputs: [
      byte(0.05, -3, 1, 8, 8, 3),
      { ...random({ type: 'INT8', shape: [4, 3, 3, 3] }), scale: channelScales, zero: 0, axis: 0 },
      intBias(
        channelScales.map(scale => scale * 0.05),
        9,
      ),
    ],
    outputs: [byte(0.12, -10, 1, 8, 8, 4)],
    options: conv(0, 1, 1),
  },
  {
    name: 'CONV_2D',
    label: 'uint8 with a zero point in the weights',
    inputs: [
      ubyte(0.05, 120, 1, 6, 6, 3),
      { ...random({ type: 'UINT8', shape: [4, 3, 3, 3] }), scale: 0.02, zero: 131 },
      intBias([0.001], 9),
    ].map((tensor, i) => (i === 2 ? { ...intBias([0.001, 0.001, 0.001, 0.001], 9), scale: 0.001 } : tensor)),
    outputs: [ubyte(0.2, 100, 1, 6, 6, 4)],
    options: conv(0, 1, 3),
  },
  {
    name: 'CONV_2D',
    label: 'int16 by int8',
    inputs: [
      short(0.0005, 1, 6, 6, 3),
      { ...random({ type: 'INT8', shape: [4, 3, 3, 3] }), scale: channelScales, zero: 0, axis: 0 },
      { type: 'INT64', shape: [4], values: [100, -200, 300, 50], scale: channelScales.map(scale => scale * 0.0005) },
    ],
    outputs: [short(0.002, 1, 6, 6, 4)],
    options: conv(0, 1),
  },
  {
    name: 'DEPTHWISE_CONV_2D',
    label: 'multiplier 2',
    inputs: [real(1, 7, 7, 3), random(real(1, 3, 3, 6)), random(real(6), 5)],
    outputs: [real(1, 4, 4, 6)],
    options: depthwise(0, 2, 2),
  },
  {
    name: 'DEPTHWISE_CONV_2D',
    label: 'int8 per channel',
    inputs: [
      byte(0.05, 12, 1, 7, 7, 4),
      { ...random({ type: 'INT8', shape: [1, 3, 3, 4] }), scale: channelScales, zero: 0, axis: 3 },
      intBias(
        channelScales.map(scale => scale * 0.05),
        9,
      ),
    ],
    outputs: [byte(0.08, 5, 1, 7, 7, 4)],
    options: depthwise(0, 1, 1, 3),
  },
  {
    name: 'FULLY_CONNECTED',
    label: 'flattening',
    inputs: [real(2, 3, 4), random(real(5, 12)), random(real(5), 5)],
    outputs: [real(2, 5)],
    options: [8, { 0: int8(1) }],
  },
  {
    name: 'FULLY_CONNECTED',
    label: 'keeping dimensions, no bias',
    inputs: [real(2, 3, 4), random(real(5, 4)), undefined],
    outputs: [real(2, 3, 5)],
    options: [8, { 2: int8(1) }],
  },
  {
    name: 'FULLY_CONNECTED',
    label: 'int8',
    inputs: [
      byte(0.05, -3, 3, 16),
      { ...random({ type: 'INT8', shape: [6, 16] }), scale: 0.02, zero: 0 },
      { ...intBias([1, 1, 1, 1, 1, 1], 4), scale: 0.001 },
    ],
    outputs: [byte(0.2, 7, 3, 6)],
    options: [8, {}],
  },
  ...[0, 1].map(
    (padding): Case => ({
      name: 'TRANSPOSE_CONV',
      label: padding === 0 ? 'same' : 'valid',
      inputs: [padding === 0 ? whole(1, 9, 9, 4) : whole(1, 11, 11, 4), random(real(4, 3, 3, 2)), real(1, 5, 5, 2)],
      outputs: [padding === 0 ? real(1, 9, 9, 4) : real(1, 11, 11, 4)],
      options: [49, { 0: int8(padding), 1: int32(2), 2: int32(2) }],
    }),
  ),
  {
    name: 'TRANSPOSE_CONV',
    label: 'int8 per channel',
    inputs: [
      whole(1, 10, 10, 4),
      { ...random({ type: 'INT8', shape: [4, 3, 3, 2] }), scale: channelScales, zero: 0, axis: 0 },
      byte(0.05, 9, 1, 5, 5, 2),
      intBias(
        channelScales.map(scale => scale * 0.05),
        9,
      ),
    ],
    outputs: [byte(0.08, 5, 1, 10, 10, 4)],
    options: [49, { 0: int8(0), 1: int32(2), 2: int32(2) }],
  },
  { name: 'AVERAGE_POOL_2D', inputs: [real(1, 7, 7, 3)], outputs: [real(1, 4, 4, 3)], options: pool(0, 2, 3) },
  { name: 'MAX_POOL_2D', inputs: [real(1, 7, 7, 3)], outputs: [real(1, 4, 4, 3)], options: pool(0, 2, 3, 1) },
  { name: 'L2_POOL_2D', inputs: [real(1, 7, 7, 3)], outputs: [real(1, 4, 4, 3)], options: pool(0, 2, 3) },
  {
    name: 'AVERAGE_POOL_2D',
    label: 'int8',
    inputs: [byte(0.05, 3, 1, 8, 8, 4)],
    outputs: [byte(0.05, 3, 1, 4, 4, 4)],
    options: pool(0, 2, 2, 1),
  },
  {
    name: 'MAX_POOL_2D',
    label: 'uint8',
    inputs: [ubyte(0.05, 3, 1, 8, 8, 4)],
    outputs: [ubyte(0.05, 3, 1, 4, 4, 4)],
    options: pool(0, 2, 3),
  },
  {
    name: 'BATCH_MATMUL',
    inputs: [real(2, 3, 4), real(2, 5, 4)],
    outputs: [real(2, 3, 5)],
    options: [101, { 1: int8(1) }],
  },
  {
    name: 'BATCH_MATMUL',
    label: 'int8',
    inputs: [byte(0.05, 3, 2, 3, 4), byte(0.04, -7, 2, 4, 5)],
    outputs: [byte(0.2, 1, 2, 3, 5)],
    options: [101, {}],
  },
  {
    name: 'LOCAL_RESPONSE_NORMALIZATION',
    inputs: [real(1, 3, 3, 8)],
    outputs: [real(1, 3, 3, 8)],
    options: [13, { 0: int32(2), 1: float32(1.5), 2: float32(0.3), 3: float32(0.6) }],
  },
  { name: 'RESHAPE', inputs: [real(2, 6), whole(-1, 4)], outputs: [real(3, 4)], options: [17, {}] },
  { name: 'TRANSPOSE', inputs: [real(2, 3, 4), whole(2, 0, 1)], outputs: [real(4, 2, 3)], options: [26, {}] },
  { name: 'SQUEEZE', inputs: [real(1, 3, 1)], outputs: [real(3)], options: [30, {}] },
  { name: 'EXPAND_DIMS', inputs: [real(2, 3), scalar(-1)], outputs: [real(2, 3, 1)], options: [52, {}] },
  { name: 'CONCATENATION', inputs: [real(2, 3), real(2, 2)], outputs: [real(2, 5)], options: [10, { 0: int32(-1) }] },
  {
    name: 'PACK',
    inputs: [real(2, 3), real(2, 3)],
    outputs: [real(2, 2, 3)],
    options: [59, { 0: int32(2), 1: int32(1) }],
  },
  {
    name: 'UNPACK',
    inputs: [real(2, 3)],
    outputs: [real(2), real(2), real(2)],
    options: [64, { 0: int32(3), 1: int32(1) }],
  },
  { name: 'SPLIT', inputs: [scalar(1), real(2, 6)], outputs: [real(2, 3), real(2, 3)], options: [35, { 0: int32(2) }] },
  {
    name: 'SPLIT_V',
    inputs: [real(2, 6), whole(1, -1), scalar(1)],
    outputs: [real(2, 1), real(2, 5)],
    options: [79, { 0: int32(2) }],
  },
  { name: 'SLICE', inputs: [real(4, 5), whole(1, 2), whole(2, -1)], outputs: [real(2, 3)], options: [48, {}] },
  {
    name: 'STRIDED_SLICE',
    label: 'new, picked and backwards',
    inputs: [real(4, 5, 6), whole(0, -1, 4, 0), whole(0, 0, 0, 6), whole(1, 1, -2, 1)],
    outputs: [real(1, 2, 6)],
    options: [32, { 3: int32(1), 4: int32(2) }],
  },
  {
    name: 'STRIDED_SLICE',
    label: 'ellipsis',
    inputs: [real(3, 4, 5), whole(0, 1), whole(0, 4), whole(1, 2)],
    outputs: [real(3, 4, 2)],
    options: [32, { 2: int32(1) }],
  },
  {
    name: 'GATHER',
    inputs: [real(3, 4), { ...whole(2, 0, 1, 1), shape: [2, 2] }],
    outputs: [real(3, 2, 2)],
    options: [23, { 0: int32(1) }],
  },
  {
    name: 'GATHER',
    label: 'per batch',
    inputs: [real(2, 4, 3), { ...whole(2, 0, 1, 3), shape: [2, 2] }],
    outputs: [real(2, 2, 3)],
    options: [23, { 0: int32(1), 1: int32(1) }],
  },
  {
    name: 'GATHER_ND',
    inputs: [real(3, 4), { ...whole(2, 1, 0, 3), shape: [2, 2] }],
    outputs: [real(2)],
    options: [83, {}],
  },
  {
    name: 'PAD',
    label: 'int8',
    inputs: [byte(0.05, 7, 2, 3), { ...whole(1, 0, 2, 1), shape: [2, 2] }],
    outputs: [byte(0.05, 7, 3, 6)],
    options: [22, {}],
  },
  {
    name: 'PADV2',
    inputs: [real(2, 3), { ...whole(1, 0, 2, 1), shape: [2, 2] }, scalar(9.5, 'FLOAT32')],
    outputs: [real(3, 6)],
    options: [43, {}],
  },
  ...[0, 1].map(
    (mode): Case => ({
      name: 'MIRROR_PAD',
      label: mode === 0 ? 'reflect' : 'symmetric',
      inputs: [real(3, 4), { ...whole(2, 1, 0, 3), shape: [2, 2] }],
      outputs: [real(6, 7)],
      options: [77, { 0: int8(mode) }],
    }),
  ),
  { name: 'TILE', inputs: [real(2, 3), whole(2, 3)], outputs: [real(4, 9)], options: [51, {}] },
  { name: 'SHAPE', inputs: [real(2, 3)], outputs: [{ type: 'INT32', shape: [2] }], options: [55, { 0: int8(2) }] },
  { name: 'RANK', inputs: [real(2, 3)], outputs: [{ type: 'INT32', shape: [] }], options: [86, {}] },
  { name: 'FILL', inputs: [whole(2, 3), real()], outputs: [real(2, 3)], options: [68, {}] },
  { name: 'REVERSE_V2', inputs: [real(2, 3, 4), whole(1)], outputs: [real(2, 3, 4)], options: [81, {}] },
  {
    name: 'REVERSE_SEQUENCE',
    inputs: [real(2, 4, 3), whole(2, 4)],
    outputs: [real(2, 4, 3)],
    options: [87, { 0: int32(1), 1: int32(0) }],
  },
  { name: 'SPACE_TO_DEPTH', inputs: [real(2, 4, 6, 3)], outputs: [real(2, 2, 3, 12)], options: [19, { 0: int32(2) }] },
  { name: 'DEPTH_TO_SPACE', inputs: [real(2, 2, 3, 12)], outputs: [real(2, 4, 6, 3)], options: [94, { 0: int32(2) }] },
  {
    name: 'SPACE_TO_BATCH_ND',
    inputs: [real(2, 3, 5, 2), whole(2, 3), { ...whole(1, 0, 0, 1), shape: [2, 2] }],
    outputs: [real(12, 2, 2, 2)],
    options: [25, {}],
  },
  {
    name: 'BATCH_TO_SPACE_ND',
    inputs: [real(12, 2, 2, 2), whole(2, 3), { ...whole(1, 0, 0, 1), shape: [2, 2] }],
    outputs: [real(2, 3, 5, 2)],
    options: [24, {}],
  },
  ...[{}, { 2: int8(1) }, { 3: int8(1) }].flatMap((options, i): Case[] => [
    {
      name: 'RESIZE_BILINEAR',
      label: ['asymmetric', 'aligned', 'half pixel'][i]!,
      inputs: [real(1, 4, 5, 2), whole(9, 7)],
      outputs: [real(1, 9, 7, 2)],
      options: [15, options],
    },
    {
      name: 'RESIZE_NEAREST_NEIGHBOR',
      label: ['asymmetric', 'aligned', 'half pixel'][i]!,
      inputs: [real(1, 9, 10, 2), whole(3, 7)],
      outputs: [real(1, 3, 7, 2)],
      options: [74, i === 0 ? {} : i === 1 ? { 0: int8(1) } : { 1: int8(1) }],
    },
  ]),
  ...(['MEAN', 'SUM', 'REDUCE_MAX', 'REDUCE_MIN', 'REDUCE_PROD'] as const).map(
    (name): Case => ({ name, inputs: [real(2, 3, 4), whole(0, -1)], outputs: [real(1, 3, 1)], options: [27, keep] }),
  ),
  {
    name: 'MEAN',
    label: 'int8',
    inputs: [byte(0.05, 3, 2, 4, 4, 3), whole(1, 2)],
    outputs: [byte(0.03, -4, 2, 3)],
    options: [27, {}],
  },
  {
    name: 'REDUCE_ANY',
    inputs: [{ type: 'BOOL', shape: [4, 3] }, whole(1)],
    outputs: [{ type: 'BOOL', shape: [4] }],
    options: [27, {}],
  },
  { name: 'SOFTMAX', inputs: [real(3, 7)], outputs: [real(3, 7)], options: [9, { 0: float32(1.5) }] },
  {
    name: 'SOFTMAX',
    label: 'int8',
    inputs: [byte(0.1, 3, 3, 7)],
    outputs: [byte(1 / 256, -128, 3, 7)],
    options: [9, { 0: float32(1) }],
  },
  { name: 'LOGISTIC', label: 'int8', inputs: [byte(0.05, 3, 40)], outputs: [byte(1 / 256, -128, 40)] },
  { name: 'LOGISTIC', label: 'uint8', inputs: [ubyte(0.05, 128, 40)], outputs: [ubyte(1 / 256, 0, 40)] },
  { name: 'TANH', label: 'int8', inputs: [byte(0.02, 3, 40)], outputs: [byte(1 / 128, 0, 40)] },
  { name: 'HARD_SWISH', label: 'int8', inputs: [byte(0.05, 3, 40)], outputs: [byte(0.04, -20, 40)], options: [91, {}] },
  {
    name: 'ADD',
    label: 'int8',
    inputs: [byte(0.05, 3, 4, 9), byte(0.03, -7, 4, 9)],
    outputs: [byte(0.07, 2, 4, 9)],
    options: [11, { 0: int8(1) }],
  },
  {
    name: 'MUL',
    label: 'uint8',
    inputs: [ubyte(0.05, 120, 4, 9), ubyte(0.03, 130, 4, 9)],
    outputs: [ubyte(0.09, 110, 4, 9)],
    options: [21, {}],
  },
  {
    name: 'SUB',
    label: 'int8',
    inputs: [byte(0.05, 3, 4, 9), byte(0.03, -7, 4, 9)],
    outputs: [byte(0.07, 2, 4, 9)],
    options: [28, {}],
  },
  { name: 'LOG_SOFTMAX', inputs: [real(3, 7)], outputs: [real(3, 7)], options: [36, {}] },
  { name: 'L2_NORMALIZATION', inputs: [real(3, 7)], outputs: [real(3, 7)], options: [12, {}] },
  {
    name: 'TOPK_V2',
    inputs: [real(3, 7), scalar(3)],
    outputs: [real(3, 3), { type: 'INT32', shape: [3, 3] }],
    options: [34, {}],
  },
  ...(['ARG_MAX', 'ARG_MIN'] as const).map(
    (name, i): Case => ({
      name,
      inputs: [real(3, 7), scalar(-1)],
      outputs: [{ type: 'INT32', shape: [3] }],
      options: [i === 0 ? 40 : 57, { 0: int8(2) }],
    }),
  ),
  {
    name: 'CUMSUM',
    inputs: [real(3, 7), scalar(1)],
    outputs: [real(3, 7)],
    options: [102, { 0: int8(1), 1: int8(1) }],
  },
  {
    name: 'ONE_HOT',
    inputs: [{ type: 'INT32', shape: [2, 3] }, scalar(3), scalar(5, 'FLOAT32'), scalar(-2, 'FLOAT32')],
    outputs: [real(2, 3, 3)],
    options: [61, { 0: int32(-1) }],
    range: [-1, 5],
  },
  {
    name: 'SCATTER_ND',
    inputs: [{ ...whole(1, 3, 1), shape: [3, 1] }, real(3, 2), whole(5, 2)],
    outputs: [real(5, 2)],
    options: [97, {}],
  },
  { name: 'EMBEDDING_LOOKUP', inputs: [whole(2, 0, 1), real(4, 3)], outputs: [real(3, 3)] },
  { name: 'QUANTIZE', inputs: [real(50)], outputs: [byte(0.02, 5, 50)], options: [89, {}], range: [-3, 3] },
  {
    name: 'QUANTIZE',
    label: 'to another scale',
    inputs: [byte(0.05, 3, 50)],
    outputs: [ubyte(0.1, 120, 50)],
    options: [89, {}],
  },
  { name: 'DEQUANTIZE', inputs: [ubyte(0.02, 5, 50)], outputs: [real(50)], options: [38, {}] },
  {
    name: 'UNIDIRECTIONAL_SEQUENCE_RNN',
    inputs: [
      real(2, 4, 3),
      random(real(5, 3)),
      random(real(5, 5), 6),
      random(real(5), 7),
      { ...real(2, 5), isVariable: true },
    ],
    outputs: [real(2, 4, 5)],
    options: [31, { 1: int8(4) }],
  },
  ...[false, true].map(
    (isCoupled): Case => ({
      name: 'UNIDIRECTIONAL_SEQUENCE_LSTM',
      label: isCoupled ? 'coupled gates, peepholes, projection, clip, time first' : 'plain, clipped',
      inputs: [
        real(3, 4, 2),
        ...[11, 12, 13, 14].map((seed, i) => (isCoupled && i === 0 ? undefined : random(real(5, 2), seed, [-2, 2]))),
        ...[15, 16, 17, 18].map((seed, i) =>
          isCoupled && i === 0 ? undefined : random(real(5, isCoupled ? 3 : 5), seed, [-2, 2]),
        ),
        undefined,
        ...[19, 20].map(seed => (isCoupled ? random(real(5), seed) : undefined)),
        ...[21, 22, 23, 24].map((seed, i) => (isCoupled && i === 0 ? undefined : random(real(5), seed))),
        ...(isCoupled ? [random(real(3, 5), 25), random(real(3), 26)] : [undefined, undefined]),
        { ...real(isCoupled ? 4 : 3, isCoupled ? 3 : 5), isVariable: true },
        { ...real(isCoupled ? 4 : 3, 5), isVariable: true },
        undefined,
        undefined,
        undefined,
        undefined,
      ],
      outputs: [isCoupled ? real(3, 4, 3) : real(3, 4, 5)],
      options: [
        71,
        {
          0: int8(4),
          1: float32(isCoupled ? 0.7 : 0.4),
          2: float32(isCoupled ? 0.6 : 0),
          3: int8(isCoupled ? 1 : 0),
        },
      ],
    }),
  ),
];

/** How far our results are from the official ones: largest difference of reals, share of integers that are off. */
function distance(ours: ArrayLike<number>, theirs: readonly number[], tensor: TestTensor): number {
  const isQuantized = tensor.scale !== undefined;
  let worst = 0;
  let off = 0;
  theirs.forEach((value, i) => {
    const difference = Math.abs(Number(ours[i]) - value);
    worst = Math.max(worst, difference / Math.max(1, Math.abs(value)));
    if (difference > 1) off++;
  });
  return isQuantized ? off / theirs.length : worst;
}

test.each(cases.map(item => [`${item.name}${item.label === undefined ? '' : `, ${item.label}`}`, item] as const))(
  '%s agrees with the official interpreter',
  async (_, item) => {
    const given = item.inputs.filter(tensor => tensor !== undefined);
    const tensors = [...given, ...item.outputs];
    const position = new Map(given.map((tensor, i) => [tensor, i]));
    const isInput = (tensor: TestTensor): boolean => tensor.values === undefined && tensor.isVariable !== true;
    const model = buildTflite([
      {
        tensors,
        operators: [
          {
            name: item.name,
            inputs: item.inputs.map(tensor => (tensor === undefined ? -1 : position.get(tensor)!)),
            outputs: item.outputs.map((_, i) => given.length + i),
            ...(item.options === undefined || item.options[0] === 0 ? {} : { options: item.options }),
          },
        ],
        inputs: given.flatMap((tensor, i) => (isInput(tensor) ? [i] : [])),
        outputs: item.outputs.map((_, i) => given.length + i),
      },
    ]);
    const draw = stream(7);
    const inputs = given.filter(isInput).map(tensor => drawn(tensor, draw, item.range ?? [-1, 1]));
    const theirs = await runTflite(model, inputs);
    const converted = await convert(model);
    checkModel(converted.model);
    const ours = await runOnnx(converted.model, inputs);
    item.outputs.forEach((tensor, i) => {
      expect(ours[i]?.dims).toEqual(theirs[i]?.shape);
      expect(distance(ours[i]!.data, theirs[i]!.data, tensor)).toBeLessThanOrEqual(
        tensor.scale === undefined ? 1e-5 : 0.01,
      );
    });
  },
);

test('weights kept sparse or in half precision are unfolded and give what the interpreter gives', async () => {
  const sparse: TestTensor = {
    type: 'FLOAT32',
    shape: [3, 4],
    values: [1, 2, 3, 4, 5],
    sparsity: {
      0: ints(0, 1),
      2: tables([
        { 0: int8(0), 1: int32(3) },
        {
          0: int8(1),
          2: int8(1),
          3: { kind: 'table', value: { 0: ints(0, 2, 3, 5) } },
          4: int8(1),
          5: { kind: 'table', value: { 0: ints(0, 3, 1, 0, 2) } },
        },
      ]),
    },
  };
  const half: TestTensor = { type: 'FLOAT16', shape: [3], values: [0x3c00, 0xc000, 0x3555] };
  const model = buildTflite([
    {
      tensors: [real(2, 4), sparse, real(3, 4), half, real(3), real(2, 3)],
      operators: [
        { name: 'DENSIFY', inputs: [1], outputs: [2], options: [99, {}] },
        { name: 'DEQUANTIZE', inputs: [3], outputs: [4], options: [38, {}] },
        { name: 'FULLY_CONNECTED', inputs: [0, 2, 4], outputs: [5], options: [8, {}] },
      ],
      inputs: [0],
      outputs: [5],
    },
  ]);
  const x = [1, 2, 3, 4, -1, 0.5, 2, 8];
  const [ours] = await runOnnx((await convert(model)).model, [x]);
  const [theirs] = await runTflite(model, [x]);
  expect(distance(ours!.data, theirs!.data, real(2, 3))).toBeLessThanOrEqual(1e-6);
});

test('small integers that stand for real numbers are unfolded before they are cast', async () => {
  const steps: TestTensor = { ...byte(0.5, 1, 3), values: [3, 5, -3] };
  const model = buildTflite([
    {
      tensors: [
        { type: 'INT32', shape: [3] },
        steps,
        real(3),
        { type: 'INT32', shape: [3] },
        { type: 'INT32', shape: [3] },
      ],
      operators: [
        { name: 'DEQUANTIZE', inputs: [1], outputs: [2], options: [38, {}] },
        { name: 'CAST', inputs: [2], outputs: [3], options: [37, {}] },
        { name: 'ADD', inputs: [0, 3], outputs: [4], options: [11, {}] },
      ],
      inputs: [0],
      outputs: [4],
    },
  ]);
  const [ours] = await runOnnx((await convert(model)).model, [[10, 10, 10]]);
  // (3 - 1) / 2, (5 - 1) / 2 and (-3 - 1) / 2.
  expect(ours?.data).toEqual([11, 12, 8]);
});

test('values of different scales are brought to one scale before they stand side by side', async () => {
  const model = buildTflite([
    {
      tensors: [ubyte(0.05, 3, 1, 3), ubyte(0.1, 4, 1, 2), ubyte(0.1, 1, 1, 5)],
      operators: [{ name: 'CONCATENATION', inputs: [0, 1], outputs: [2], options: [10, { 0: int32(1) }] }],
      inputs: [0, 1],
      outputs: [2],
    },
  ]);
  const [ours] = await runOnnx((await convert(model)).model, [
    [11, 21, 3],
    [10, 20],
  ]);
  // 0.4, 0.9, 0 and 0.6, 1.6 in steps of 0.1 from 1.
  expect(ours?.data).toEqual([5, 10, 1, 7, 17]);
});
