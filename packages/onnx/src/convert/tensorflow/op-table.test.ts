import * as tf from '@tensorflow/tfjs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { beforeAll, expect, test } from 'vitest';
import { convert } from '../convert.ts';

/** A tensor of a test: its shape and elements, or elements drawn from its place. */
interface Given {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly dtype: 'bool' | 'float32' | 'int32';
}

function drawn(shape: readonly number[], low = -2, high = 2, seed = 1): Given {
  let state = seed * 7919 + shape.length;
  const count = shape.reduce((product, dim) => product * dim, 1);
  const values = Array.from({ length: count }, () => {
    state = (state * 48271 + 11) % 2147483647;
    return Math.fround(low + ((high - low) * (state % 10007)) / 10007);
  });
  return { shape, values, dtype: 'float32' };
}

function ints(values: readonly number[], shape: readonly number[] = [values.length]): Given {
  return { shape, values, dtype: 'int32' };
}

function int(value: number): Given {
  return ints([value], []);
}

function floats(values: readonly number[], shape: readonly number[] = [values.length]): Given {
  return { shape, values: values.map(Math.fround), dtype: 'float32' };
}

function bools(values: readonly number[], shape: readonly number[] = [values.length]): Given {
  return { shape, values, dtype: 'bool' };
}

type Attribute = boolean | number | string | readonly number[] | readonly string[];

/** An input that changes from call to call, against the constants that weight files hold. */
interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly attrs?: Readonly<Record<string, Attribute>>;
}

interface Case {
  readonly open: Readonly<Record<string, Given>>;
  readonly constants: Readonly<Record<string, Given>>;
  readonly nodes: Readonly<Record<string, Node>>;
  readonly outputs: readonly string[];
  readonly functions?: readonly Body[];
}

/** A function of the library. */
interface Body {
  readonly name: string;
  readonly args: readonly string[];
  readonly constants: Readonly<Record<string, Given>>;
  readonly nodes: Readonly<Record<string, Node>>;
  readonly returns: Readonly<Record<string, string>>;
}

const tfNames = { float32: 'DT_FLOAT', int32: 'DT_INT32', bool: 'DT_BOOL' } as const;
const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');

function attribute(name: string, value: Attribute): unknown {
  if (typeof value === 'boolean') return { b: value };
  if (typeof value === 'string') {
    if (value.startsWith('fn:')) return { func: { name: value.slice(3) } };
    return value.startsWith('DT_') ? { type: value } : { s: base64(value) };
  }
  if (typeof value === 'number') return /alpha|beta|bias|epsilon/.test(name) ? { f: value } : { i: String(value) };
  const texts = value.filter(item => typeof item === 'string');
  return texts.length > 0 ? { list: { s: texts.map(base64) } } : { list: { i: value.map(String) } };
}

const shapeOf = (shape: readonly number[]): unknown => ({ dim: shape.map(size => ({ size: String(size) })) });

function constNodes(constants: Case['constants']): object[] {
  return Object.entries(constants).map(([name, { dtype, shape }]) => ({
    name,
    op: 'Const',
    attr: {
      dtype: { type: tfNames[dtype] },
      value: { tensor: { dtype: tfNames[dtype], tensorShape: shapeOf(shape) } },
    },
  }));
}

function operators(nodes: Case['nodes']): object[] {
  return Object.entries(nodes).map(([name, { op, inputs, attrs = {} }]) => ({
    name,
    op,
    input: [...inputs],
    attr: Object.fromEntries(Object.entries(attrs).map(([key, value]) => [key, attribute(key, value)])),
  }));
}

function libraryEntry({ name, args, constants, nodes, returns }: Body): object {
  return {
    signature: {
      name,
      inputArg: args.map(arg => ({ name: arg, type: 'DT_FLOAT' })),
      outputArg: Object.keys(returns).map(output => ({ name: output, type: 'DT_FLOAT' })),
    },
    nodeDef: [...constNodes(constants), ...operators(nodes)],
    ret: returns,
  };
}

/** The case as model.json and weight file. */
function graphModel({ open, constants: own, nodes, outputs, functions = [] }: Case): {
  json: tf.io.ModelJSON;
  weights: Uint8Array<ArrayBuffer>;
} {
  const bytes = (given: Given): Uint8Array =>
    given.dtype === 'float32'
      ? new Uint8Array(Float32Array.from(given.values).buffer)
      : given.dtype === 'int32'
        ? new Uint8Array(Int32Array.from(given.values).buffer)
        : Uint8Array.from(given.values);
  const constants = Object.assign({}, own, ...functions.map(body => body.constants)) as Case['constants'];
  const entries = Object.entries(constants);
  const weights = new Uint8Array(Buffer.concat(entries.map(([, given]) => bytes(given))));
  const node = [
    ...Object.entries(open).map(([name, { dtype, shape }]) => ({
      name,
      op: 'Placeholder',
      attr: { dtype: { type: tfNames[dtype] }, shape: { shape: shapeOf(shape) } },
    })),
    ...constNodes(own),
    ...operators(nodes),
  ];
  const json = {
    format: 'graph-model',
    modelTopology: { node, library: { function: functions.map(libraryEntry) }, versions: { producer: 1 } },
    signature: {
      inputs: Object.fromEntries(
        Object.entries(open).map(([name, { dtype, shape }]) => [
          name,
          { name: `${name}:0`, dtype: tfNames[dtype], tensorShape: shapeOf(shape) },
        ]),
      ),
      outputs: Object.fromEntries(outputs.map(name => [name.replace(':', '_'), { name, dtype: 'DT_FLOAT' }])),
    },
    weightsManifest: [
      { paths: ['w.bin'], weights: entries.map(([name, { dtype, shape }]) => ({ name, dtype, shape: [...shape] })) },
    ],
  };
  return { json: json as unknown as tf.io.ModelJSON, weights };
}

async function byTfjs(one: Case): Promise<{ dims: number[]; data: number[] }[]> {
  const { json, weights } = graphModel(one);
  const model = await tf.loadGraphModel({
    load: async () => ({
      modelTopology: json.modelTopology,
      format: 'graph-model',
      weightSpecs: json.weightsManifest.flatMap(group => group.weights),
      weightData: weights.buffer,
      ...(json.signature === undefined ? {} : { signature: json.signature }),
    }),
  });
  const feeds = Object.fromEntries(
    Object.entries(one.open).map(([name, { values, shape, dtype }]) => [
      name,
      tf.tensor([...values], [...shape], dtype),
    ]),
  );
  const results = await model.executeAsync(feeds, [...one.outputs]);
  const list = Array.isArray(results) ? results : [results];
  const read = list.map(result => ({ dims: [...result.shape], data: Array.from(result.dataSync(), Number) }));
  model.dispose();
  return read;
}

async function byOurs(one: Case): Promise<{ dims: number[]; data: number[] }[]> {
  const { json, weights } = graphModel(one);
  const { model } = await convert([
    { name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(json)) },
    { name: 'w.bin', bytes: weights },
  ]);
  const session = await InferenceSession.create(model, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const feeds = Object.fromEntries(
    Object.entries(one.open).map(([name, { values, shape, dtype }]) => [
      name,
      dtype === 'float32'
        ? new Tensor('float32', Float32Array.from(values), shape)
        : dtype === 'int32'
          ? new Tensor('int32', Int32Array.from(values), shape)
          : new Tensor('bool', Uint8Array.from(values), shape),
    ]),
  );
  const results = await session.run(feeds);
  const read = session.outputNames.map(name => ({
    dims: [...(results[name]?.dims ?? [])],
    data: Array.from(results[name]?.data ?? [], Number),
  }));
  await session.release();
  return read;
}

/** One operator over open inputs `a`, `b`, ... and constants, in this order unless `order` says otherwise. */
function single(
  op: string,
  open: readonly Given[],
  constants: readonly Given[] = [],
  attrs: Readonly<Record<string, Attribute>> = {},
  more: { readonly order?: readonly string[]; readonly outputs?: readonly string[] } = {},
): [string, Case] {
  const letters = ['a', 'b', 'c', 'd'];
  const openNames = Object.fromEntries(open.map((given, i) => [letters[i]!, given]));
  const constantNames = Object.fromEntries(constants.map((given, i) => [`k${i}`, given]));
  const inputs = more.order ?? [...Object.keys(openNames), ...Object.keys(constantNames)];
  const title = `${op} ${JSON.stringify(attrs)} ${open.map(({ shape }) => `[${shape}]`).join(' ')} ${constants
    .filter(({ values }) => values.length < 9)
    .map(({ values }) => `(${values.join()})`)
    .join(' ')}`;
  return [
    title,
    { open: openNames, constants: constantNames, nodes: { y: { op, inputs, attrs } }, outputs: more.outputs ?? ['y'] },
  ];
}

const x = drawn([2, 3, 4]);
const positive = drawn([2, 3, 4], 0.1, 3);
const unit = drawn([2, 3], -0.9, 0.9);
const image = drawn([2, 7, 6, 3]);
const kernel = drawn([3, 2, 3, 4], -1, 1, 3);
const depthwise = drawn([3, 3, 3, 2], -1, 1, 4);
const whole = ints([-7, -4, -1, 0, 3, 5, 8, 9, 12, -13, 2, 1], [3, 4]);
const divisor = ints([3, -2, 5, -7]);

const layers = (attrs: Readonly<Record<string, Attribute>>): Readonly<Record<string, Attribute>> => ({
  data_format: 'NHWC',
  dilations: [1, 1, 1, 1],
  ...attrs,
});

const cases: [string, Case][] = [
  ...'Abs Neg Exp Sin Cos Tanh Sigmoid Erf Sign Floor Ceil Round Square Elu Selu Relu Relu6 Softplus Expm1 Tan Sinh Cosh Atan Asinh'
    .split(' ')
    .map(op => single(op, [x])),
  ...'Log Sqrt Rsqrt Reciprocal Log1p'.split(' ').map(op => single(op, [positive])),
  ...'Asin Acos Atanh'.split(' ').map(op => single(op, [unit])),
  single('Acosh', [drawn([5], 1.1, 4)]),
  single('Log1p', [floats([-0.5, -1e-4, 0, 1e-7, 1e-3, 0.5, 100])]),
  single('Expm1', [floats([-90, -2, -1e-5, 0, 1e-7, 1e-3, 0.5, 30, 80])]),
  single('LeakyRelu', [x], [], { alpha: 0.3 }),
  single('Prelu', [x, drawn([4], 0, 1)]),
  single('ClipByValue', [x], [floats([-0.5], []), floats([1.25], [])]),
  ...'Add AddV2 Sub Mul Maximum Minimum SquaredDifference'
    .split(' ')
    .map(op => single(op, [x, drawn([3, 1], -2, 2, 5)])),
  ...'RealDiv FloorDiv FloorMod'.split(' ').map(op => single(op, [x, drawn([4], 0.5, 3, 5)])),
  single('FloorMod', [drawn([9], -5, 5), floats([-2], [])]),
  single('FloorDiv', [whole, divisor]),
  single('FloorMod', [whole, divisor]),
  single('DivNoNan', [drawn([4]), floats([0, 1, -2, 0])]),
  single('Pow', [positive, drawn([4], -1, 2)]),
  single('AddN', [x, x, drawn([2, 3, 4], 0, 1, 9)]),
  single('Add', [whole, divisor]),
  ...'Equal NotEqual Less LessEqual Greater GreaterEqual'
    .split(' ')
    .map(op => single(op, [whole, ints([0, 5, -1, 1])])),
  single('LogicalAnd', [bools([0, 1, 1, 0]), bools([1, 1, 0, 0])]),
  single('LogicalOr', [bools([0, 1, 1, 0]), bools([1, 1, 0, 0])]),
  single('LogicalNot', [bools([0, 1])]),
  single('Select', [bools([1, 0, 0, 1, 1, 0], [2, 3]), unit, drawn([2, 3])]),
  single('SelectV2', [bools([1, 0, 1], [3, 1]), x, floats([0.5], [])]),
  single('IsNan', [floats([Number.NaN, 1])]),
  single('Cast', [drawn([6], -5, 5)], [], { SrcT: 'DT_FLOAT', DstT: 'DT_INT32' }),
  single('Cast', [floats([0, 0.5, -1])], [], { SrcT: 'DT_FLOAT', DstT: 'DT_BOOL' }),
  single('Cast', [bools([0, 1])], [], { SrcT: 'DT_BOOL', DstT: 'DT_FLOAT' }),
  ...['SAME', 'VALID'].flatMap(padding =>
    [
      [1, 1],
      [2, 2],
      [3, 2],
    ].flatMap(([h = 1, w = 1]) => [
      single('Conv2D', [image], [kernel], layers({ strides: [1, h, w, 1], padding })),
      single('MaxPool', [image], [], layers({ ksize: [1, 3, 2, 1], strides: [1, h, w, 1], padding })),
      single('AvgPool', [image], [], layers({ ksize: [1, 3, 2, 1], strides: [1, h, w, 1], padding })),
    ]),
  ),
  single('Conv2D', [image], [kernel], layers({ strides: [1, 1, 1, 1], padding: 'SAME', dilations: [1, 2, 2, 1] })),
  single(
    'Conv2D',
    [image],
    [kernel],
    layers({ strides: [1, 2, 1, 1], padding: 'EXPLICIT', explicit_paddings: [0, 0, 2, 1, 0, 1, 0, 0] }),
  ),
  ...['SAME', 'VALID'].map(padding =>
    single('DepthwiseConv2dNative', [image], [depthwise], layers({ strides: [1, 2, 2, 1], padding })),
  ),
  single(
    'DepthwiseConv2dNative',
    [image],
    [depthwise],
    layers({ strides: [1, 1, 1, 1], padding: 'SAME', dilations: [1, 2, 2, 1] }),
  ),
  ...['Relu', 'Relu6', 'Elu', 'Sigmoid', 'LeakyRelu'].map(step =>
    single(
      '_FusedConv2D',
      [image],
      [kernel, drawn([4])],
      layers({
        strides: [1, 1, 1, 1],
        padding: 'SAME',
        num_args: 1,
        fused_ops: ['BiasAdd', step],
        leakyrelu_alpha: 0.25,
      }),
    ),
  ),
  single(
    '_FusedConv2D',
    [image],
    [kernel, drawn([4]), drawn([4], 0, 1)],
    layers({ strides: [1, 2, 2, 1], padding: 'VALID', num_args: 2, fused_ops: ['BiasAdd', 'Prelu'] }),
  ),
  single(
    'FusedDepthwiseConv2dNative',
    [image],
    [depthwise, drawn([6])],
    layers({ strides: [1, 1, 1, 1], padding: 'SAME', num_args: 1, fused_ops: ['BiasAdd', 'Relu6'] }),
  ),
  ...[
    ['SAME', 14, 12],
    ['SAME', 13, 11],
    ['VALID', 15, 12],
    ['VALID', 16, 13],
  ].map(([padding, h, w]) =>
    single(
      'Conv2DBackpropInput',
      [drawn([2, 7, 6, 4])],
      [ints([2, Number(h), Number(w), 3]), drawn([3, 2, 3, 4], -1, 1, 3)],
      layers({ strides: [1, 2, 2, 1], padding: String(padding) }),
      { order: ['k0', 'k1', 'a'] },
    ),
  ),
  single('Conv3D', [drawn([1, 4, 5, 4, 2])], [drawn([2, 2, 2, 2, 3])], {
    strides: [1, 1, 2, 1, 1],
    padding: 'SAME',
    data_format: 'NDHWC',
    dilations: [1, 1, 1, 1, 1],
  }),
  single('FusedBatchNormV3', [image], [drawn([3], 0.5, 1), drawn([3]), drawn([3]), drawn([3], 0.2, 2)], {
    epsilon: 0.001,
    is_training: false,
    data_format: 'NHWC',
  }),
  single('LRN', [drawn([1, 3, 3, 8])], [], { depth_radius: 2, bias: 1.5, alpha: 0.3, beta: 0.6 }),
  single('BiasAdd', [image, drawn([3])]),
  single('Softmax', [x]),
  single('LogSoftmax', [x]),
  ...[
    [false, false],
    [true, false],
    [false, true],
    [true, true],
  ].flatMap(([ta = false, tb = false]) => {
    const [a, b] = [drawn(ta ? [5, 2] : [2, 5]), drawn(tb ? [3, 5] : [5, 3], -1, 1, 2)];
    const batched = (given: Given): Given => drawn([2, ...given.shape], -1, 1, 3);
    return [
      single('MatMul', [a, b], [], { transpose_a: ta, transpose_b: tb }),
      single('BatchMatMulV2', [batched(a), batched(b)], [], { adj_x: ta, adj_y: tb }),
      single('_FusedMatMul', [a], [b, drawn([3])], {
        transpose_a: ta,
        transpose_b: tb,
        num_args: 1,
        fused_ops: ['BiasAdd', 'Relu'],
      }),
    ];
  }),
  single('Einsum', [x, drawn([2, 4, 5])], [], { N: 2, equation: 'abc,acd->abd' }),
  ...'Sum Mean Max Min Prod EuclideanNorm'
    .split(' ')
    .flatMap(op => [
      single(op, [x], [ints([1])], { keep_dims: false }),
      single(op, [x], [ints([0, -1])], { keep_dims: true }),
    ]),
  single('All', [bools([1, 1, 0, 1], [2, 2])], [ints([1])], { keep_dims: false }),
  single('Any', [bools([0, 0, 0, 1], [2, 2])], [ints([1])], { keep_dims: true }),
  single('ArgMax', [x], [int(1)]),
  single('ArgMin', [x], [int(-1)]),
  single('Cumsum', [x], [int(1)], { exclusive: false, reverse: false }),
  single('Cumsum', [x], [int(2)], { exclusive: true, reverse: true }),
  single('TopKV2', [drawn([3, 8])], [int(3)], { sorted: true }, { outputs: ['y', 'y:1'] }),
  single('Reshape', [x], [ints([4, -1])]),
  single('Squeeze', [drawn([1, 3, 1, 2])], [], { squeeze_dims: [0, 2] }),
  single('ExpandDims', [x], [int(-2)]),
  single('Transpose', [x], [ints([2, 0, 1])]),
  single('ConcatV2', [x, drawn([2, 3, 2])], [int(2)], { N: 2 }),
  single('Pack', [x, positive], [], { axis: 1, N: 2 }),
  single('Unpack', [x], [], { axis: 1, num: 3 }, { outputs: ['y', 'y:2'] }),
  single('Split', [x], [int(2)], { num_split: 2 }, { order: ['k0', 'a'], outputs: ['y', 'y:1'] }),
  single('SplitV', [x], [ints([1, 3]), int(2)], {}, { outputs: ['y', 'y:1'] }),
  single('Slice', [x], [ints([0, 1, 2]), ints([2, -1, 1])]),
  ...[
    { begin: [0, 1, 1], end: [2, 3, 4], step: [1, 1, 2], attrs: {} },
    { begin: [0, 2, -1], end: [0, 0, -4], step: [1, -1, -1], attrs: { begin_mask: 1, end_mask: 3 } },
    { begin: [1, 0], end: [2, 0], step: [1, 1], attrs: { shrink_axis_mask: 1, end_mask: 2, begin_mask: 2 } },
    { begin: [0, -1], end: [0, 0], step: [1, 1], attrs: { ellipsis_mask: 1, shrink_axis_mask: 2 } },
    { begin: [0, 0, 1], end: [0, 0, 3], step: [1, 1, 1], attrs: { new_axis_mask: 1, ellipsis_mask: 2 } },
    {
      begin: [1, 0, 0, 2],
      end: [2, 0, 0, 3],
      step: [1, 1, 1, 1],
      attrs: { shrink_axis_mask: 9, ellipsis_mask: 2, new_axis_mask: 4 },
    },
  ].map(({ begin, end, step, attrs }) => {
    const all = { begin_mask: 0, end_mask: 0, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: 0, ...attrs };
    return single('StridedSlice', [x], [ints(begin), ints(end), ints(step)], all);
  }),
  single('Pad', [x], [ints([0, 1, 2, 0, 1, 1], [3, 2])]),
  single('PadV2', [x], [ints([0, 1, 2, 0, 1, 1], [3, 2]), floats([0.5], [])]),
  single('MirrorPad', [x], [ints([0, 0, 2, 1, 1, 0], [3, 2])], { mode: 'reflect' }),
  single('Tile', [x], [ints([1, 2, 1])]),
  single('BroadcastTo', [drawn([3, 1])], [ints([2, 3, 4])]),
  single('Fill', [floats([2.5], [])], [ints([2, 3])], {}, { order: ['k0', 'a'] }),
  single('ZerosLike', [x]),
  single('OnesLike', [x]),
  single('Range', [int(2), int(11), int(3)], [], { Tidx: 'DT_INT32' }),
  single('ReverseV2', [x], [ints([0, 2])]),
  single('DepthToSpace', [drawn([1, 2, 3, 8])], [], { block_size: 2, data_format: 'NHWC' }),
  single('SpaceToBatchND', [drawn([1, 4, 6, 2])], [ints([2, 3]), ints([1, 1, 0, 3], [2, 2])]),
  single('BatchToSpaceND', [drawn([6, 2, 3, 2])], [ints([2, 3]), ints([1, 0, 0, 2], [2, 2])]),
  single('GatherV2', [x], [ints([2, 0, 1, 1], [2, 2]), int(1)]),
  single('GatherV2', [drawn([2, 4, 3])], [ints([3, 0, 1, 2], [2, 2]), int(1)], { batch_dims: 1 }),
  single('GatherNd', [x], [ints([1, 2, 0, 0], [2, 2])]),
  single('ScatterNd', [drawn([3, 2])], [ints([1, 3, 1], [3, 1]), ints([5, 2])], {}, { order: ['k0', 'a', 'k1'] }),
  single(
    'TensorScatterUpdate',
    [drawn([4, 2]), drawn([2, 2])],
    [ints([3, 0], [2, 1])],
    {},
    { order: ['a', 'k0', 'b'] },
  ),
  single('OneHot', [ints([2, -1, 0, 5])], [int(4), floats([3], []), floats([-1], [])], { axis: -1 }),
  single('Where', [bools([1, 0, 1, 1], [2, 2])]),
  single('Shape', [x], [], { out_type: 'DT_INT32' }),
  ...[
    [false, false],
    [true, false],
    [false, true],
  ].flatMap(([align_corners = false, half_pixel_centers = false]) =>
    [
      [14, 12],
      [4, 9],
      [3, 2],
    ].flatMap(size => [
      single('ResizeBilinear', [image], [ints(size)], { align_corners, half_pixel_centers }),
      single('ResizeNearestNeighbor', [image], [ints(size)], { align_corners, half_pixel_centers }),
    ]),
  ),
  single(
    'NonMaxSuppressionV3',
    [floats([0, 0, 1, 1, 0, 0.1, 1, 1.1, 0, 2, 1, 3], [3, 4]), floats([0.9, 0.75, 0.6])],
    [int(3), floats([0.5], []), floats([0.1], [])],
  ),
];

beforeAll(async () => {
  tf.env().set('IS_NODE', false);
  await tf.setBackend('cpu');
});

test.each(cases)('%s is what TensorFlow.js computes', async (_, one) => {
  const [theirs, ours] = [await byTfjs(one), await byOurs(one)];
  expect(ours.map(({ dims }) => dims)).toEqual(theirs.map(({ dims }) => dims));
  theirs.forEach(({ data }, k) => {
    data.forEach((value, i) => {
      const mine = ours[k]?.data[i] ?? Number.NaN;
      if (Number.isNaN(value)) expect(mine).toBeNaN();
      else
        expect(Math.abs(mine - value), `element ${i}: ${mine} for ${value}`).toBeLessThanOrEqual(
          1e-4 + 1e-3 * Math.abs(value),
        );
    });
  });
});

test('a slice that begins at a row of packed vectors begins there', async () => {
  await agrees({
    open: { a: drawn([3, 4]) },
    constants: { p: ints([0, 0]), q: ints([1, 2]), one: int(1), zero: int(0), size: ints([2, 2]) },
    nodes: {
      m: { op: 'Pack', inputs: ['p', 'q'], attrs: { axis: 0, N: 2 } },
      begin: { op: 'GatherV2', inputs: ['m', 'one', 'zero'] },
      y: { op: 'Slice', inputs: ['a', 'begin', 'size'] },
    },
    outputs: ['y'],
  });
});

test('a dilated convolution between SpaceToBatchND and BatchToSpaceND becomes one convolution', async () => {
  const dilated: Case = {
    open: { a: drawn([1, 9, 8, 3]) },
    constants: { block: ints([2, 2]), pads: ints([2, 3, 2, 2], [2, 2]), crops: ints([0, 1, 0, 0], [2, 2]), w: kernel },
    nodes: {
      s: { op: 'SpaceToBatchND', inputs: ['a', 'block', 'pads'] },
      c: { op: 'Conv2D', inputs: ['s', 'w'], attrs: layers({ strides: [1, 1, 1, 1], padding: 'VALID' }) },
      y: { op: 'BatchToSpaceND', inputs: ['c', 'block', 'crops'] },
    },
    outputs: ['y'],
  };
  const [[theirs], [ours]] = [await byTfjs(dilated), await byOurs(dilated)];
  expect(ours?.dims).toEqual(theirs?.dims);
  theirs?.data.forEach((value, i) => {
    expect(Math.abs((ours?.data[i] ?? Number.NaN) - value)).toBeLessThanOrEqual(1e-4);
  });
});

async function agrees(one: Case): Promise<void> {
  const [theirs, ours] = [await byTfjs(one), await byOurs(one)];
  expect(ours.map(({ dims }) => dims)).toEqual(theirs.map(({ dims }) => dims));
  ours.forEach(({ data }, k) => {
    data.forEach((value, i) => {
      expect(value).toBeCloseTo(theirs[k]?.data[i] ?? Number.NaN, 4);
    });
  });
}

test.each([4, 0, -3])('a branch on %d takes the function TensorFlow.js takes', async start => {
  await agrees({
    open: { a: floats([start], []), b: drawn([3]) },
    constants: { zero: floats([0], []) },
    nodes: {
      more: { op: 'Greater', inputs: ['a', 'zero'] },
      y: { op: 'StatelessIf', inputs: ['more', 'b'], attrs: { then_branch: 'fn:yes', else_branch: 'fn:no' } },
    },
    outputs: ['y'],
    functions: [
      {
        name: 'yes',
        args: ['p'],
        constants: {},
        nodes: { s: { op: 'Square', inputs: ['p'] } },
        returns: { out: 's:y:0' },
      },
      { name: 'no', args: ['p'], constants: {}, nodes: { n: { op: 'Neg', inputs: ['p'] } }, returns: { out: 'n:y:0' } },
    ],
  });
});

test.each([0, 3, 9])('a loop that starts at %d ends as in TensorFlow.js and keeps what it wrote down', async start => {
  await agrees({
    open: { i: int(start), v: drawn([2]) },
    constants: { any: ints([-1]), many: int(Math.max(0, 6 - start)), from: int(0) },
    nodes: {
      list: {
        op: 'TensorListReserve',
        inputs: ['any', 'many'],
        attrs: { element_dtype: 'DT_FLOAT', shape_type: 'DT_INT32' },
      },
      loop: {
        op: 'StatelessWhile',
        inputs: ['i', 'v', 'list', 'from'],
        attrs: { cond: 'fn:test', body: 'fn:turn' },
      },
      w: { op: 'Identity', inputs: ['loop:1'] },
      ...(start > 5
        ? {}
        : {
            all: {
              op: 'TensorListStack',
              inputs: ['loop:2', 'any'],
              attrs: { element_dtype: 'DT_FLOAT', num_elements: 6 - start },
            },
          }),
    },
    outputs: start > 5 ? ['loop:0', 'w'] : ['loop:0', 'w', 'all'],
    functions: [
      {
        name: 'test',
        args: ['ti', 'tv', 'tl', 'tn'],
        constants: { limit: int(6) },
        nodes: { less: { op: 'Less', inputs: ['ti', 'limit:output:0'] } },
        returns: { out: 'less:z:0' },
      },
      {
        name: 'turn',
        args: ['bi', 'bv', 'bl', 'bn'],
        constants: { one: int(1), half: floats([0.5], []) },
        nodes: {
          next: { op: 'AddV2', inputs: ['bi', 'one:output:0'] },
          count: { op: 'AddV2', inputs: ['bn', 'one:output:0'] },
          scaled: { op: 'Mul', inputs: ['bv', 'half:output:0'] },
          noted: { op: 'TensorListSetItem', inputs: ['bl', 'bn', 'scaled:z:0'], attrs: { element_dtype: 'DT_FLOAT' } },
        },
        returns: { a: 'next:z:0', b: 'scaled:z:0', c: 'noted:output_handle:0', d: 'count:z:0' },
      },
    ],
  });
});
