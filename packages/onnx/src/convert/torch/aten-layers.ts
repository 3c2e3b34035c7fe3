import type { AtenCall, AtenHandler } from './aten-call.ts';

const list = (values: readonly number[]): BigInt64Array => BigInt64Array.from(values, BigInt);

function transposedLast(call: AtenCall, value: string, rank: number): string {
  const order = Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
  return call.graph.op('Transpose', [value], { perm: list(order) });
}

function linear(call: AtenCall): void {
  const { graph } = call;
  const product = graph.op('MatMul', [call.tensor('input'), transposedLast(call, call.tensor('weight'), 2)]);
  call.setResult(call.has('bias') ? graph.op('Add', [product, call.tensor('bias')]) : product);
}

/** beta * self + alpha * (a b). */
const addedProduct =
  (first: string, second: string): AtenHandler =>
  call => {
    const { graph } = call;
    const type = call.outputType();
    const scaled = (value: string, factor: number): string =>
      factor === 1 ? value : graph.op('Mul', [value, call.constant(factor, type)]);
    const product = graph.op('MatMul', [call.tensor(first), call.tensor(second)]);
    const beta = call.number('beta', 1);
    const right = scaled(product, call.number('alpha', 1));
    call.setResult(beta === 0 ? right : graph.op('Add', [scaled(call.tensor('self'), beta), right]));
  };

const product =
  (second: string): AtenHandler =>
  call =>
    call.setResult(call.graph.op('MatMul', [call.tensor('self'), call.tensor(second)]));

/** One number for all spatial dimensions, or one each. */
function each(values: readonly number[], dimensions: number): number[] {
  return values.length === dimensions ? [...values] : Array.from({ length: dimensions }, () => values[0] ?? 0);
}

function convolution(call: AtenCall): void {
  const weight = call.shapeOf('weight');
  const spatial = weight.length - 2;
  const common = {
    strides: list(each(call.ints('stride', [1]), spatial)),
    dilations: list(each(call.ints('dilation', [1]), spatial)),
    group: BigInt(call.number('groups', 1)),
  };
  if (!/transpose/.test(call.node.name) && !call.bool('transposed', false)) call.argument('output_padding');
  if (call.text('padding', '') !== '') throw call.refuse('pads by a word instead of numbers');
  const padding = each(call.ints('padding', [0]), spatial);
  const inputs = [call.tensor('input'), call.tensor('weight'), ...(call.has('bias') ? [call.tensor('bias')] : [])];
  const pads = list([...padding, ...padding]);
  const isTransposed = /transpose/.test(call.node.name) || call.bool('transposed', false);
  call.setResult(
    isTransposed
      ? call.graph.op('ConvTranspose', inputs, {
          ...common,
          pads,
          output_padding: list(each(call.ints('output_padding', [0]), spatial)),
        })
      : call.graph.op('Conv', inputs, { ...common, pads }),
  );
}

/** Normalisation by the running statistics; whatever else such an operator answers is not part of inference. */
function batchNorm(call: AtenCall): void {
  const { graph } = call;
  if (call.bool('training', false) || call.bool('train', false))
    throw call.refuse('normalises by the batch at hand, as in training');
  const channels = call.shapeOf('input')[1];
  if (typeof channels !== 'number') throw call.refuse('leaves the number of channels open');
  const type = call.outputType();
  const filled = (value: number): string => graph.op('Expand', [call.constant(value, type), graph.ints(channels)]);
  call.setResult(
    graph.op(
      'BatchNormalization',
      [
        call.tensor('input'),
        call.has('weight') ? call.tensor('weight') : filled(1),
        call.has('bias') ? call.tensor('bias') : filled(0),
        call.tensor('running_mean'),
        call.tensor('running_var'),
      ],
      { epsilon: call.number('eps', 1e-5) },
    ),
  );
}

function layerNorm(call: AtenCall): void {
  const { graph } = call;
  const shape = call.ints('normalized_shape');
  const type = call.outputType();
  const scale = call.has('weight')
    ? call.tensor('weight')
    : graph.op('Expand', [call.constant(1, type), graph.ints(...shape)]);
  call.setResult(
    graph.op('LayerNormalization', [call.tensor('input'), scale, ...(call.has('bias') ? [call.tensor('bias')] : [])], {
      axis: BigInt(-shape.length),
      epsilon: call.number('eps', 1e-5),
    }),
  );
}

function groupNorm(call: AtenCall): void {
  const { graph } = call;
  const groups = call.number(call.names('group') ? 'group' : 'num_groups');
  const channels = call.shapeOf('input')[1];
  if (typeof channels !== 'number') throw call.refuse('leaves the number of channels open');
  const type = call.outputType();
  const filled = (value: number): string => graph.op('Expand', [call.constant(value, type), graph.ints(channels)]);
  call.setResult(
    graph.op(
      'GroupNormalization',
      [
        call.tensor('input'),
        call.has('weight') ? call.tensor('weight') : filled(1),
        call.has('bias') ? call.tensor('bias') : filled(0),
      ],
      { num_groups: BigInt(groups), epsilon: call.number('eps', 1e-5) },
    ),
  );
}

const softmax =
  (opType: string): AtenHandler =>
  call => {
    const type = call.outputType();
    const axis = call.axis(call.number('dim'), call.rank('self'));
    call.setResult(call.graph.op(opType, [call.operand('self', type)], { axis: BigInt(axis) }));
  };

function embedding(call: AtenCall): void {
  call.setResult(call.graph.op('Gather', [call.tensor('weight'), call.tensor('indices')], { axis: 0n }));
}

function poolWindow(call: AtenCall, dimensions: number): Record<string, bigint | BigInt64Array> {
  const kernel = each(call.ints('kernel_size'), dimensions);
  const given = call.ints('stride', []);
  const padding = each(call.ints('padding', [0]), dimensions);
  return {
    kernel_shape: list(kernel),
    strides: list(given.length === 0 ? kernel : each(given, dimensions)),
    pads: list([...padding, ...padding]),
    ceil_mode: call.bool('ceil_mode', false) ? 1n : 0n,
  };
}

const maxPool =
  (dimensions: number): AtenHandler =>
  call => {
    if (call.rank('self') !== dimensions + 2) throw call.refuse('has no batch dimension');
    const dilations = list(each(call.ints('dilation', [1]), dimensions));
    call.setResult(call.graph.op('MaxPool', [call.tensor('self')], { ...poolWindow(call, dimensions), dilations }));
  };

const averagePool =
  (dimensions: number): AtenHandler =>
  call => {
    if (call.rank('self') !== dimensions + 2) throw call.refuse('has no batch dimension');
    if (call.has('divisor_override')) throw call.refuse('divides by a number of its own');
    call.setResult(
      call.graph.op('AveragePool', [call.tensor('self')], {
        ...poolWindow(call, dimensions),
        count_include_pad: call.bool('count_include_pad', true) ? 1n : 0n,
      }),
    );
  };

/** To one element per channel, or to sizes that divide the input. */
function adaptiveAverage(call: AtenCall): void {
  const { graph } = call;
  const wanted = call.ints('output_size');
  if (wanted.every(size => size === 1)) {
    const axes = wanted.map((_, i) => i - wanted.length);
    call.setResult(graph.op('ReduceMean', [call.tensor('self'), graph.ints(...axes)], { keepdims: 1n }));
    return;
  }
  const sizes = call.shapeOf('self').slice(-wanted.length);
  const kernel = sizes.map((size, i) => (typeof size === 'number' ? size / (wanted[i] ?? 1) : Number.NaN));
  if (!kernel.every(size => Number.isInteger(size) && size >= 1))
    throw call.refuse(`averages ${sizes.join(' x ')} to ${wanted.join(' x ')}, which does not divide`);
  call.setResult(graph.op('AveragePool', [call.tensor('self')], { kernel_shape: list(kernel), strides: list(kernel) }));
}

/** PyTorch samples by the factors where a call gives them beside the size: they must be what the sizes say. */
function requireSizeRatio(call: AtenCall, input: string): void {
  const names = ['scales_h', 'scales_w', 'scale_factors'].filter(name => call.has(name));
  if (names.length === 0) return;
  const [from, to] = [call.shapeOf(input).slice(2), call.shapeOfResult().slice(2)];
  const factors = call.names('scale_factors') ? call.floats('scale_factors') : names.map(name => call.number(name));
  const isRatio =
    factors.length === from.length &&
    factors.every((factor, i) => {
      const [size, wanted] = [from[i], to[i]];
      return typeof size === 'number' && typeof wanted === 'number' && Math.abs(size * factor - wanted) < 1e-9 * wanted;
    });
  if (!isRatio) throw call.refuse(`scales by ${factors.join(' x ')}, which is not the ratio of its sizes`);
}

const upsample =
  (mode: 'linear' | 'nearest'): AtenHandler =>
  call => {
    const { graph } = call;
    const name = call.names('input') ? 'input' : 'self';
    const x = call.tensor(name);
    const rank = call.rank(name);
    const isAligned = mode === 'linear' && call.bool('align_corners', false);
    const attributes = {
      mode,
      coordinate_transformation_mode: mode === 'nearest' ? 'asymmetric' : isAligned ? 'align_corners' : 'half_pixel',
      ...(mode === 'nearest' ? { nearest_mode: 'floor' } : {}),
    };
    if (!call.has('output_size')) throw call.refuse('scales by factors instead of to a size');
    const lead = graph.op('Slice', [graph.op('Shape', [x]), graph.ints(0), graph.ints(2)]);
    const sizes = graph.op('Concat', [lead, call.sizes('output_size')], { axis: 0n });
    if (rank < 3) throw call.refuse('has no spatial dimension');
    requireSizeRatio(call, name);
    call.setResult(graph.op('Resize', [x, '', '', sizes], attributes));
  };

/** softmax(scale * q k^T + mask) v. */
function attention(call: AtenCall): void {
  const { graph } = call;
  if (call.number('dropout_p', 0) !== 0) throw call.refuse('drops out, as in training');
  if (call.bool('enable_gqa', false)) throw call.refuse('groups its queries');
  const type = call.outputType();
  const rank = call.rank('query');
  const width = call.shapeOf('query').at(-1);
  const scale = call.number('scale', typeof width === 'number' ? 1 / Math.sqrt(width) : Number.NaN);
  if (Number.isNaN(scale)) throw call.refuse('leaves the size of its heads open');
  const scores = graph.op('Mul', [
    graph.op('MatMul', [call.tensor('query'), transposedLast(call, call.tensor('key'), rank)]),
    call.constant(scale, type),
  ]);
  let masked = scores;
  const lowest = call.constant(Number.NEGATIVE_INFINITY, type);
  if (call.has('attn_mask')) {
    const isChoice = call.typeOf(call.tensorName('attn_mask')) === 'bool';
    masked = isChoice
      ? graph.op('Where', [call.tensor('attn_mask'), scores, lowest])
      : graph.op('Add', [scores, call.tensor('attn_mask')]);
  }
  if (call.bool('is_causal', false)) {
    const shape = graph.op('Slice', [graph.op('Shape', [scores]), graph.ints(-2), graph.ints(2 ** 31)]);
    const lower = graph.op('Trilu', [graph.op('Expand', [graph.constant('float', [], [1]), shape])], { upper: 0n });
    masked = graph.op('Where', [graph.cast(lower, 'bool'), masked, lowest]);
  }
  call.setResult(graph.op('MatMul', [graph.op('Softmax', [masked], { axis: -1n }), call.tensor('value')]));
}

function constantPad(call: AtenCall): void {
  const { graph } = call;
  const pad = call.ints('pad');
  const rank = call.rank('self');
  const type = call.outputType();
  // From the last dimension to the first, begin and end side by side.
  const begin = new Array<number>(rank).fill(0);
  const end = new Array<number>(rank).fill(0);
  for (let i = 0; i * 2 < pad.length; i++) {
    begin[rank - 1 - i] = pad[2 * i] ?? 0;
    end[rank - 1 - i] = pad[2 * i + 1] ?? 0;
  }
  const value = call.names('value') ? call.operand('value', type) : call.constant(0, type);
  call.setResult(graph.op('Pad', [call.tensor('self'), graph.ints(...begin, ...end), value]));
}

export const atenLayers: Readonly<Record<string, AtenHandler>> = {
  _adaptive_avg_pool2d: adaptiveAverage,
  _log_softmax: softmax('LogSoftmax'),
  _native_batch_norm_legit_no_training: batchNorm,
  _softmax: softmax('Softmax'),
  adaptive_avg_pool1d: adaptiveAverage,
  adaptive_avg_pool2d: adaptiveAverage,
  addmm: addedProduct('mat1', 'mat2'),
  avg_pool1d: averagePool(1),
  avg_pool2d: averagePool(2),
  baddbmm: addedProduct('batch1', 'batch2'),
  batch_norm: batchNorm,
  bmm: product('mat2'),
  constant_pad_nd: constantPad,
  conv1d: convolution,
  conv2d: convolution,
  conv3d: convolution,
  conv_transpose1d: convolution,
  conv_transpose2d: convolution,
  convolution,
  embedding,
  group_norm: groupNorm,
  layer_norm: layerNorm,
  linear,
  log_softmax: softmax('LogSoftmax'),
  matmul: product('other'),
  max_pool1d: maxPool(1),
  max_pool2d: maxPool(2),
  max_pool2d_with_indices: maxPool(2),
  mm: product('mat2'),
  native_group_norm: groupNorm,
  native_layer_norm: layerNorm,
  scaled_dot_product_attention: attention,
  softmax: softmax('Softmax'),
  upsample_bilinear2d: upsample('linear'),
  upsample_nearest2d: upsample('nearest'),
};
