import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkModel } from '../../check/check-model.ts';
import { OnnxError } from '../../onnx-error.ts';
import { buildZip } from '../../testing/build-zip.ts';
import { hasFixtures, readFixture } from '../../testing/fixtures.ts';
import { runOnnx } from '../../testing/run-onnx.ts';
import { convert } from '../convert.ts';

type Size = number | string;

/** Types by the numbers of ScalarType. */
const float = 7;
const long = 5;
const bool = 12;

const meta = (sizes: readonly Size[], dtype = float): object => ({
  dtype,
  sizes: sizes.map(size => (typeof size === 'number' ? { as_int: size } : { as_expr: { expr_str: size } })),
  strides: sizes.map((_, i) => ({
    as_int: sizes.slice(i + 1).reduce<number>((product, size) => product * Number(size), 1) || 1,
  })),
  storage_offset: { as_int: 0 },
  requires_grad: false,
});
const tensor = (name: string): object => ({ as_tensor: { name } });
const int = (value: number): object => ({ as_int: value });
const ints = (...values: number[]): object => ({ as_ints: values });
const real = (value: number): object => ({ as_float: value });
const truth = (value: boolean): object => ({ as_bool: value });

interface Step {
  readonly target: string;
  readonly inputs: Readonly<Record<string, object>>;
  readonly outputs: readonly object[];
}

interface Weight {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface Program {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly tensors: Readonly<Record<string, object>>;
  readonly nodes: readonly Step[];
  readonly weights?: Readonly<Record<string, Weight>>;
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

function exported({ inputs, outputs, tensors, nodes, weights = {} }: Program): object {
  return {
    graph_module: {
      graph: {
        inputs: [],
        outputs: [],
        nodes: nodes.map(node => ({
          ...node,
          inputs: Object.entries(node.inputs).map(([name, arg]) => ({ name, arg, kind: 1 })),
        })),
        tensor_values: {
          ...tensors,
          ...Object.fromEntries(Object.entries(weights).map(([name, { shape }]) => [`p_${name}`, meta(shape)])),
        },
      },
      signature: {
        input_specs: [
          ...Object.keys(weights).map(name => ({ parameter: { arg: { name: `p_${name}` }, parameter_name: name } })),
          ...inputs.map(name => ({ user_input: { arg: tensor(name) } })),
        ],
        output_specs: outputs.map(name => ({ user_output: { arg: tensor(name) } })),
      },
    },
    torch_version: '2.9.0',
  };
}

/** An archive as the PT2 specification lays it out. */
function pt2(program: Program): Uint8Array {
  const weights = Object.entries(program.weights ?? {});
  return buildZip([
    { name: 'net/archive_format', content: new TextEncoder().encode('pt2') },
    { name: 'net/models/model.json', content: json(exported(program)) },
    {
      name: 'net/data/weights/model_weights_config.json',
      content: json({
        config: Object.fromEntries(
          weights.map(([name, { shape }], i) => [
            name,
            { path_name: `weight_${i}`, is_param: true, use_pickle: false, tensor_meta: meta(shape) },
          ]),
        ),
      }),
    },
    ...weights.map(([, { values }], i) => ({
      name: `net/data/weights/weight_${i}`,
      content: new Uint8Array(Float32Array.from(values).buffer),
      method: 0 as const,
    })),
  ]);
}

const aten = (name: string, inputs: Step['inputs'], ...outputs: string[]): Step => ({
  target: `torch.ops.aten.${name}`,
  inputs,
  outputs: outputs.map(tensor),
});

/** x (batch, 2) through a linear layer lowered to core ATen, relu, and a view by a symbolic size. */
const network: Program = {
  inputs: ['x'],
  outputs: ['v'],
  weights: {
    'fc.weight': { shape: [3, 2], values: [1, 2, -1, 0.5, 0, 1] },
    'fc.bias': { shape: [3], values: [0.5, 0, -1] },
  },
  tensors: { x: meta(['s0', 2]), t: meta([2, 3]), a: meta(['s0', 3]), r: meta(['s0', 3]), v: meta(['s0', 3, 1]) },
  nodes: [
    aten('permute.default', { self: tensor('p_fc.weight'), dims: ints(1, 0) }, 't'),
    aten('addmm.default', { self: tensor('p_fc.bias'), mat1: tensor('x'), mat2: tensor('t') }, 'a'),
    aten('relu.default', { self: tensor('a') }, 'r'),
    {
      target: 'torch.ops.aten.sym_size.int',
      inputs: { self: tensor('x'), dim: int(0) },
      outputs: [{ as_sym_int: { as_name: 'n' } }],
    },
    aten(
      'view.default',
      { self: tensor('r'), size: { as_sym_ints: [{ as_name: 'n' }, { as_int: 3 }, { as_int: 1 }] } },
      'v',
    ),
  ],
};

test('a network with an open batch computes what its definition says, for no rows, one and many', async () => {
  const { model, report } = await convert(pt2(network));
  checkModel(model);
  expect(report.source.frameworkVersion).toBe('2.9.0');
  expect(report.inputs[0]?.shape).toEqual(['batch', 2]);
  expect(report.outputs[0]?.shape).toEqual(['batch', 3, 1]);
  const [one] = await runOnnx(model, [[1, 1]], [[1, 2]]);
  expect(one?.data).toEqual([3.5, 0, 0]);
  const [many] = await runOnnx(model, [[1, 1, -2, 4, 0, 0]], [[3, 2]]);
  expect(many?.data).toEqual([3.5, 0, 0, 6.5, 4, 3, 0.5, 0, 0]);
  const [none] = await runOnnx(model, [[]], [[0, 2]]);
  expect(none?.dims).toEqual([0, 3, 1]);
  expect(Buffer.compare(model, (await convert(pt2(network))).model)).toBe(0);
});

const x6 = [1, -2, 3, 0.5, 4, -1];
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softmax = (values: readonly number[]): number[] => {
  const sum = values.reduce((total, value) => total + Math.exp(value), 0);
  return values.map(value => Math.exp(value) / sum);
};

const floorMod = (x: number, y: number): number => x - Math.floor(x / y) * y;
const low = Number.NEGATIVE_INFINITY;
const mean6 = x6.reduce((sum, x) => sum + x, 0) / 6;
const variance6 = x6.reduce((sum, x) => sum + (x - mean6) ** 2, 0) / 6;

/** One operator on x of shape [2, 3]: arguments, shape of the result and its elements by definition. */
const cases: [string, Step['inputs'], readonly number[], readonly number[], number?][] = [
  ['sigmoid.default', {}, [2, 3], x6.map(sigmoid)],
  ['silu.default', {}, [2, 3], x6.map(x => x * sigmoid(x))],
  ['hardtanh.default', { min_val: real(0), max_val: real(3) }, [2, 3], [1, 0, 3, 0.5, 3, 0]],
  ['clamp.default', { min: real(-1) }, [2, 3], [1, -1, 3, 0.5, 4, -1]],
  ['leaky_relu.default', { negative_slope: real(0.5) }, [2, 3], [1, -1, 3, 0.5, 4, -0.5]],
  ['add.Tensor', { other: int(2), alpha: int(3) }, [2, 3], x6.map(x => x + 6)],
  ['rsub.Scalar', { other: int(2) }, [2, 3], x6.map(x => 2 - x)],
  ['pow.Tensor_Scalar', { exponent: int(2) }, [2, 3], x6.map(x => x * x)],
  ['remainder.Scalar', { other: int(3) }, [2, 3], [1, 1, 0, 0.5, 1, 2]],
  ['div.Tensor_mode', { other: int(2), rounding_mode: { as_string: 'trunc' } }, [2, 3], [0, -1, 1, 0, 2, 0]],
  // A quotient rounded to the next whole number would give a remainder of 0 or of the whole divisor.
  ['remainder.Scalar', { other: real(0.1) }, [2, 3], x6.map(x => floorMod(x, Math.fround(0.1)))],
  ['max.other', { other: tensor('h') }, [2, 3], [1, 0.5, 3, 0.5, 4, 0.5]],
  ['min.other', { other: tensor('h') }, [2, 3], [0.5, -2, 0.5, 0.5, 0.5, -1]],
  ['masked_fill.Scalar', { mask: tensor('m'), value: { as_float: '-Infinity' } }, [2, 3], [low, -2, low, 0.5, low, -1]],
  ['var.correction', { dim: ints(), correction: int(0) }, [], [variance6]],
  ['dropout.default', { input: tensor('x'), p: real(0.5), train: truth(false) }, [2, 3], x6],
  [
    'log1p.default',
    {},
    [2, 3],
    [Math.log(2), Number.NaN, Math.log(4), Math.log(1.5), Math.log(5), Number.NEGATIVE_INFINITY],
  ],
  ['gt.Scalar', { other: real(0.5) }, [2, 3], [1, 0, 1, 0, 1, 0], bool],
  ['ne.Scalar', { other: int(1) }, [2, 3], [0, 1, 1, 1, 1, 1], bool],
  ['mean.dim', { dim: ints(-1), keepdim: truth(true) }, [2, 1], [2 / 3, 3.5 / 3]],
  ['sum.dim_IntList', { dim: ints(0) }, [3], [1.5, 2, 2]],
  ['amax.default', { dim: ints(1) }, [2], [3, 4]],
  ['argmax.default', { dim: int(1) }, [2], [2, 1], long],
  ['var.correction', { dim: ints(1), correction: int(1) }, [2], [19 / 3, 6.583333]],
  ['cumsum.default', { dim: int(1) }, [2, 3], [1, -1, 2, 0.5, 4.5, 3.5]],
  [
    '_softmax.default',
    { dim: int(1), half_to_float: truth(false) },
    [2, 3],
    [...softmax(x6.slice(0, 3)), ...softmax(x6.slice(3))],
  ],
  ['permute.default', { dims: ints(1, 0) }, [3, 2], [1, 0.5, -2, 4, 3, -1]],
  ['transpose.int', { dim0: int(0), dim1: int(-1) }, [3, 2], [1, 0.5, -2, 4, 3, -1]],
  ['view.default', { size: ints(3, -1) }, [3, 2], x6],
  ['unsqueeze.default', { dim: int(-1) }, [2, 3, 1], x6],
  ['select.int', { dim: int(1), index: int(-1) }, [2], [3, -1]],
  ['slice.Tensor', { dim: int(1), start: int(1), end: { as_int: 2 ** 63 } }, [2, 2], [-2, 3, 4, -1]],
  ['expand.default', { size: ints(2, -1, 3) }, [2, 2, 3], [...x6, ...x6]],
  ['repeat.default', { repeats: ints(2, 1, 1) }, [2, 2, 3], [...x6, ...x6]],
  [
    'cat.default',
    { tensors: { as_tensors: [{ name: 'x' }, { name: 'x' }] }, dim: int(-1) },
    [2, 6],
    [1, -2, 3, 1, -2, 3, 0.5, 4, -1, 0.5, 4, -1],
  ],
  ['stack.default', { tensors: { as_tensors: [{ name: 'x' }, { name: 'x' }] } }, [2, 2, 3], [...x6, ...x6]],
  ['constant_pad_nd.default', { pad: ints(1, 0), value: real(9) }, [2, 4], [9, 1, -2, 3, 9, 0.5, 4, -1]],
  ['tril.default', {}, [2, 3], [1, 0, 0, 0.5, 4, 0]],
  ['full_like.default', { fill_value: int(7) }, [2, 3], new Array<number>(6).fill(7)],
  ['masked_fill.Scalar', { mask: tensor('m'), value: real(0) }, [2, 3], [0, -2, 0, 0.5, 0, -1]],
  ['where.self', { condition: tensor('m'), other: tensor('x') }, [2, 3], x6],
  [
    'native_layer_norm.default',
    { input: tensor('x'), normalized_shape: ints(3), eps: real(0) },
    [2, 3],
    [0.162221, -1.297771, 1.13555, -0.318223, 1.352448, -1.034225],
  ],
];

test.each(cases)('%s computes what PyTorch defines', async (name, inputs, shape, expected, dtype = float) => {
  const model = pt2({
    inputs: ['x'],
    outputs: ['y'],
    tensors: { x: meta([2, 3]), m: meta([2, 3], bool), h: meta([2, 3]), y: meta(shape, dtype) },
    nodes: [
      aten('gt.Scalar', { self: tensor('x'), other: real(0.5) }, 'm'),
      aten('full_like.default', { self: tensor('x'), fill_value: real(0.5) }, 'h'),
      aten(
        name,
        { ...(inputs.tensors === undefined && inputs.input === undefined ? { self: tensor('x') } : {}), ...inputs },
        'y',
      ),
    ],
  });
  const [ours] = await runOnnx((await convert(model)).model, [x6]);
  expect(ours?.dims).toEqual(shape);
  expected.forEach((value, i) => {
    if (Number.isFinite(value)) expect(ours!.data[i]).toBeCloseTo(value, 5);
    else expect(ours!.data[i]).toBe(value);
  });
});

test('a convolution with running statistics, pooling and attention', async () => {
  const model = pt2({
    inputs: ['x'],
    outputs: ['p', 's'],
    weights: {
      w: { shape: [1, 1, 2, 2], values: [1, 0, 0, 1] },
      scale: { shape: [1], values: [2] },
      shift: { shape: [1], values: [1] },
      mean: { shape: [1], values: [3] },
      variance: { shape: [1], values: [4] },
    },
    tensors: {
      x: meta([1, 1, 3, 3]),
      c: meta([1, 1, 2, 2]),
      n: meta([1, 1, 2, 2]),
      p: meta([1, 1, 1, 1]),
      s: meta([1, 1, 3, 3]),
    },
    nodes: [
      aten(
        'convolution.default',
        {
          input: tensor('x'),
          weight: tensor('p_w'),
          bias: { as_none: true },
          stride: ints(1, 1),
          padding: ints(0, 0),
          dilation: ints(1, 1),
          transposed: truth(false),
          output_padding: ints(0, 0),
          groups: int(1),
        },
        'c',
      ),
      aten(
        '_native_batch_norm_legit_no_training.default',
        {
          input: tensor('c'),
          weight: tensor('p_scale'),
          bias: tensor('p_shift'),
          running_mean: tensor('p_mean'),
          running_var: tensor('p_variance'),
          momentum: real(0.1),
          eps: real(0),
        },
        'n',
        'unused_a',
        'unused_b',
      ),
      aten('max_pool2d_with_indices.default', { self: tensor('n'), kernel_size: ints(2, 2) }, 'p', 'unused_c'),
      aten(
        'scaled_dot_product_attention.default',
        { query: tensor('x'), key: tensor('x'), value: tensor('x'), is_causal: truth(true) },
        's',
      ),
    ],
  });
  const x = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(value => value / 4);
  const [pooled, attended] = await runOnnx((await convert(model)).model, [x]);
  // Sums along the diagonal are 1.5 to 3.5; the largest is ((3.5 - 3) / 2) * 2 + 1.
  expect(pooled?.data[0]).toBeCloseTo(1.5, 6);
  // The first row may look at itself only.
  expect(attended?.data.slice(0, 3)).toEqual(x.slice(0, 3));
});

const refusals: [string, Step['inputs'], RegExp][] = [
  ['round.decimals', { self: tensor('x'), decimals: int(2) }, /round.decimals "y" rounds to decimal places/],
  ['dropout.default', { input: tensor('x'), p: real(0.5), train: truth(true) }, /model\.eval\(\)/],
  ['relu.default', { self: tensor('x'), limit: real(3) }, /has the argument "limit"/],
  ['argmax.default', { self: tensor('x'), keepdim: truth(true) }, /has the argument "keepdim"/],
  [
    'upsample_nearest2d.default',
    { self: tensor('x'), output_size: ints(3, 3), scales_h: real(1.7), scales_w: real(1.7) },
    /scales by 1\.7 x 1\.7/,
  ],
];

test.each(refusals)('%s is refused where an argument would be ignored', async (name, inputs, message) => {
  const model = pt2({
    inputs: ['x'],
    outputs: ['y'],
    tensors: { x: meta([1, 1, 2, 2]), y: meta([1, 1, 3, 3]) },
    nodes: [aten(name, inputs, 'y')],
  });
  await expect(convert(model)).rejects.toThrow(message);
});

test('a program that changes its buffers is refused, since its state would be lost', async () => {
  const relu = {
    inputs: ['x'],
    outputs: ['y'],
    tensors: { x: meta([2]), y: meta([2]) },
    nodes: [aten('relu.default', { self: tensor('x') }, 'y')],
  };
  const program = JSON.parse(JSON.stringify(exported(relu)));
  program.graph_module.signature.output_specs.push({
    buffer_mutation: { arg: { name: 'y' }, buffer_name: 'cache' },
  });
  const archive = buildZip([
    { name: 'net/archive_format', content: new TextEncoder().encode('pt2') },
    { name: 'net/models/model.json', content: json(program) },
  ]);
  await expect(convert(archive)).rejects.toThrow(/changes its buffer "cache"/);
});

test('operators that do not convert are all named, with the lines that export elsewhere', async () => {
  const unknown = pt2({
    ...network,
    nodes: [
      ...network.nodes,
      aten('fft_rfft.default', { self: tensor('x') }, 'f'),
      { target: 'torch.ops.mylib.custom.default', inputs: {}, outputs: [tensor('g')] },
    ],
  });
  await expect(convert(unknown)).rejects.toThrow(
    expect.objectContaining({
      code: 'unsupported_source',
      unsupported: ['torch.ops.aten.fft_rfft.default', 'torch.ops.mylib.custom.default'],
      recipe: expect.stringContaining('torch.export.load'),
    }),
  );
});

test.skipIf(!hasFixtures)('weights of the older layout are read from the archive inside the archive', async () => {
  const layers = [0, 3, 5];
  const activations = ['relu.default', 'gelu.default', '_softmax.default'];
  const sizes = [48, 24, 10];
  const nodes = layers.flatMap((layer, i): Step[] => [
    aten(
      'linear.default',
      {
        input: tensor(i === 0 ? 'x' : `r${i - 1}`),
        weight: tensor(`p_${layer}.weight`),
        bias: tensor(`p_${layer}.bias`),
      },
      `l${i}`,
    ),
    aten(activations[i]!, { self: tensor(`l${i}`), ...(i === 2 ? { dim: int(-1) } : {}) }, `r${i}`),
  ]);
  const widths = [64, ...sizes];
  const program = exported({
    inputs: ['x'],
    outputs: ['r2'],
    tensors: {
      x: meta(['s0', 64]),
      ...Object.fromEntries(sizes.flatMap((size, i) => [`l${i}`, `r${i}`].map(name => [name, meta(['s0', size])]))),
    },
    weights: Object.fromEntries(
      layers.flatMap((layer, i) => [
        [`${layer}.weight`, { shape: [widths[i + 1]!, widths[i]!], values: [] }],
        [`${layer}.bias`, { shape: [widths[i + 1]!], values: [] }],
      ]),
    ),
    nodes,
  });
  const archive = buildZip([
    { name: 'serialized_exported_program.json', content: json(program) },
    { name: 'serialized_state_dict.pt', content: readFixture('torch/mlp_digits/state_dict.pt') },
  ]);
  const { model } = await convert(archive);
  const reference: {
    inputs: Record<string, { shape: number[]; data: number[] }>;
    outputs: Record<string, { data: number[] }>;
  } = JSON.parse(new TextDecoder().decode(readFixture('torch/mlp_digits/io/case0.json')));
  const [input] = Object.values(reference.inputs);
  const [output] = Object.values(reference.outputs);
  const [ours] = await runOnnx(model, [input!.data], [input!.shape]);
  output!.data.forEach((value, i) => {
    expect(ours!.data[i]).toBeCloseTo(value, 4);
  });
});

test('a mutated program gives a model or an OnnxError, never another exception', async () => {
  const program = JSON.stringify(exported(network));
  const weights = pt2(network);
  await fc.assert(
    fc.asyncProperty(
      fc.nat(program.length - 1),
      fc.constantFrom('0', '9', '-', '"', '[', '}', 'x', '1e9'),
      async (at, piece) => {
        const text = program.slice(0, at) + piece + program.slice(at + 1);
        const archive = buildZip([
          { name: 'archive_format', content: new TextEncoder().encode('pt2') },
          { name: 'models/model.json', content: new TextEncoder().encode(text) },
        ]);
        const damaged = weights.slice();
        damaged[at % damaged.length] = piece.charCodeAt(0);
        for (const bytes of [archive, damaged])
          try {
            await convert(bytes);
          } catch (error) {
            if (!(error instanceof OnnxError)) throw error;
          }
      },
    ),
    { seed: 37, numRuns: 300 },
  );
});
