import { activated } from './activations.ts';
import {
  asFloat,
  computedConstant,
  knownSize,
  type LayerCall,
  type LayerTypes,
  permuted,
  refuse,
  requireRank,
  type Shape,
  type Tensor,
  takeWeight,
  transpose,
  weightConstant,
} from './lowering.ts';

/** A tensor with its channels second, as ONNX convolutions and poolings want it, and the way back. */
export interface ChannelsFirst {
  readonly value: string;
  readonly channels: number | null;
  readonly spatial: Shape;
  readonly back: (value: string, channels: number | null, spatial: Shape) => Tensor;
}

/** Brings the channels of a [batch, spatial..., channels] input forward unless they are there already. */
export function channelsFirst(call: LayerCall, spatialRank: number, input: Tensor = call.x): ChannelsFirst {
  requireRank(call, input, spatialRank + 2);
  const x = asFloat(call.graph, input);
  const isLast = isChannelsLast(call);
  const rank = spatialRank + 2;
  const there = Array.from({ length: rank }, (_, i) => (i === 0 ? 0 : i === 1 ? rank - 1 : i - 1));
  const back = Array.from({ length: rank }, (_, i) => (i === 0 ? 0 : i === rank - 1 ? 1 : i + 1));
  return {
    value: isLast ? transpose(call.graph, x.value, there) : x.value,
    channels: x.shape.at(isLast ? -1 : 1) ?? null,
    spatial: isLast ? x.shape.slice(1, -1) : x.shape.slice(2),
    back: (value, channels, spatial) => ({
      value: isLast ? transpose(call.graph, value, back) : value,
      shape: isLast ? [x.shape[0] ?? null, ...spatial, channels] : [x.shape[0] ?? null, channels, ...spatial],
      type: 'float',
    }),
  };
}

/** Whether channels come last, the default of Keras. */
export function isChannelsLast(call: LayerCall): boolean {
  return call.config.word('data_format', ['channels_last', 'channels_first'], 'channels_last') === 'channels_last';
}

interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilation: readonly number[];
}

/** How the edges are padded: as numbers where they are known, else left to the runtime; and what size comes out. */
export function padded(
  call: LayerCall,
  spatial: Shape,
  { kernel, strides, dilation }: Window,
  padding: 'valid' | 'same' | 'causal',
): { readonly attributes: Record<string, BigInt64Array | string | undefined>; readonly spatial: Shape } {
  const reach = kernel.map((size, i) => (size - 1) * dilation[i]! + 1);
  if ([...kernel, ...strides, ...dilation].some(size => size < 1))
    refuse(call, 'has a kernel, stride or dilation of 0');
  if (padding === 'valid') {
    const out = spatial.map((size, i) => (size === null ? null : Math.floor((size - reach[i]!) / strides[i]!) + 1));
    if (out.some(size => size !== null && size < 1))
      refuse(call, `has a window of ${reach.join(' x ')} that is larger than its input`);
    return { attributes: {}, spatial: out };
  }
  if (padding === 'causal') {
    const pads = BigInt64Array.from([...reach.map(size => BigInt(size - 1)), ...reach.map(() => 0n)]);
    const out = spatial.map((size, i) => (size === null ? null : Math.ceil(size / strides[i]!)));
    return { attributes: { pads }, spatial: out };
  }
  const out = spatial.map((size, i) => (size === null ? null : Math.ceil(size / strides[i]!)));
  const totals = spatial.map((size, i) => {
    if (strides[i] === 1) return reach[i]! - 1;
    return size === null
      ? undefined
      : Math.max(0, (Math.ceil(size / strides[i]!) - 1) * strides[i]! + reach[i]! - size);
  });
  const known = totals.filter(total => total !== undefined);
  if (known.length < totals.length) return { attributes: { auto_pad: 'SAME_UPPER' }, spatial: out };
  const before = known.map(total => Math.floor(total / 2));
  const pads = [...before, ...known.map((total, i) => total - before[i]!)];
  return { attributes: { pads: BigInt64Array.from(pads, BigInt) }, spatial: out };
}

function windowOf(call: LayerCall, rank: number): Window {
  const kernel = call.config.sizes('kernel_size', rank);
  const strides = call.config.sizes('strides', rank, 1);
  const dilation = call.config.sizes('dilation_rate', rank, 1);
  if (strides.some(size => size > 1) && dilation.some(size => size > 1))
    refuse(call, 'has both strides and a dilation, which Keras does not allow');
  return { kernel, strides, dilation };
}

export const bigs = (sizes: readonly number[]): BigInt64Array => BigInt64Array.from(sizes, BigInt);

function biasOf(call: LayerCall, filters: number): string[] {
  return call.config.flag('use_bias', true) ? [weightConstant(call, 'bias', takeWeight(call, 'bias', [filters]))] : [];
}

type Padding = 'valid' | 'same' | 'causal';

function paddingOf(call: LayerCall, rank: number): Padding {
  const words: readonly Padding[] = rank === 1 ? ['valid', 'same', 'causal'] : ['valid', 'same'];
  return call.config.word('padding', words, 'valid');
}

function convolution(rank: number): (call: LayerCall) => Tensor {
  return call => {
    const { config, graph } = call;
    const window = windowOf(call, rank);
    const filters = config.whole('filters');
    const groups = config.whole('groups', 1);
    config.ignore('rank');
    const x = channelsFirst(call, rank);
    const channels = x.channels ?? knownSize(call, call.x, -1);
    if (groups < 1 || channels % groups !== 0) refuse(call, `has ${groups} groups for ${channels} channels`);
    const kernel = takeWeight(call, 'kernel', [...window.kernel, channels / groups, filters]);
    const perm = [rank + 1, rank, ...window.kernel.map((_, i) => i)];
    const weight = computedConstant(call, 'kernel', [filters, channels / groups, ...window.kernel], () =>
      permuted(kernel.values(), kernel.dims, perm),
    );
    const { attributes, spatial } = padded(call, x.spatial, window, paddingOf(call, rank));
    const value = graph.op('Conv', [x.value, weight, ...biasOf(call, filters)], {
      ...attributes,
      kernel_shape: bigs(window.kernel),
      strides: bigs(window.strides),
      dilations: bigs(window.dilation),
      group: BigInt(groups),
    });
    return activatedIn(call, x, value, filters, spatial);
  };
}

/** Applies the activation and turns the channels back; functions of single elements commute with the turn. */
function activatedIn(call: LayerCall, x: ChannelsFirst, value: string, channels: number, spatial: Shape): Tensor {
  return activated(call, x.back(value, channels, spatial));
}

/** The kernel of a depthwise convolution, [window..., channels, multiplier], as ONNX groups want it. */
function depthwiseKernel(call: LayerCall, window: readonly number[], channels: number, multiplier: number): string {
  const rank = window.length;
  const kernel = takeWeight(call, 'depthwise_kernel', [...window, channels, multiplier]);
  const perm = [rank, rank + 1, ...window.map((_, i) => i)];
  return computedConstant(call, 'depthwise', [channels * multiplier, 1, ...window], () =>
    permuted(kernel.values(), kernel.dims, perm),
  );
}

function depthwise(rank: number): (call: LayerCall) => Tensor {
  return call => {
    const window = windowOf(call, rank);
    const multiplier = call.config.whole('depth_multiplier', 1);
    call.config.ignore('filters', 'groups', 'rank');
    const x = channelsFirst(call, rank);
    const channels = x.channels ?? knownSize(call, call.x, -1);
    const weight = depthwiseKernel(call, window.kernel, channels, multiplier);
    const { attributes, spatial } = padded(call, x.spatial, window, paddingOf(call, rank));
    const value = call.graph.op('Conv', [x.value, weight, ...biasOf(call, channels * multiplier)], {
      ...attributes,
      kernel_shape: bigs(window.kernel),
      strides: bigs(window.strides),
      dilations: bigs(window.dilation),
      group: BigInt(channels),
    });
    return activatedIn(call, x, value, channels * multiplier, spatial);
  };
}

function separable(rank: number): (call: LayerCall) => Tensor {
  return call => {
    const { config, graph } = call;
    const window = windowOf(call, rank);
    const filters = config.whole('filters');
    const multiplier = config.whole('depth_multiplier', 1);
    if (config.whole('groups', 1) !== 1) refuse(call, 'has groups');
    config.ignore('rank');
    const x = channelsFirst(call, rank);
    const channels = x.channels ?? knownSize(call, call.x, -1);
    const depth = depthwiseKernel(call, window.kernel, channels, multiplier);
    const ones = new Array<number>(rank).fill(1);
    const point = takeWeight(call, 'pointwise_kernel', [...ones, channels * multiplier, filters]);
    const pointwise = computedConstant(call, 'pointwise', [filters, channels * multiplier, ...ones], () =>
      permuted(point.values(), [channels * multiplier, filters], [1, 0]),
    );
    const { attributes, spatial } = padded(call, x.spatial, window, paddingOf(call, rank));
    const inner = graph.op('Conv', [x.value, depth], {
      ...attributes,
      kernel_shape: bigs(window.kernel),
      strides: bigs(window.strides),
      dilations: bigs(window.dilation),
      group: BigInt(channels),
    });
    const value = graph.op('Conv', [inner, pointwise, ...biasOf(call, filters)], { kernel_shape: bigs(ones) });
    return activatedIn(call, x, value, filters, spatial);
  };
}

/**
 * A transposed convolution. TensorFlow pads it as the gradient of a convolution over the output: what the padding of
 * that convolution takes away on both sides is cut here, the smaller half in front.
 */
function transposed(rank: number): (call: LayerCall) => Tensor {
  return call => {
    const { config, graph } = call;
    const { kernel, strides, dilation } = windowOf(call, rank);
    const filters = config.whole('filters');
    const groups = config.whole('groups', 1);
    config.ignore('rank');
    if (groups !== 1 || dilation.some(size => size !== 1)) refuse(call, 'has groups or a dilation');
    const extra = config.has('output_padding') ? config.sizes('output_padding', rank) : undefined;
    const padding = config.word('padding', ['valid', 'same'], 'valid');
    const x = channelsFirst(call, rank);
    const channels = x.channels ?? knownSize(call, call.x, -1);
    const weights = takeWeight(call, 'kernel', [...kernel, filters, channels]);
    const perm = [rank + 1, rank, ...kernel.map((_, i) => i)];
    const weight = computedConstant(call, 'kernel', [channels, filters, ...kernel], () =>
      permuted(weights.values(), weights.dims, perm),
    );
    // How much longer the output is than (input - 1) * stride.
    const tail = kernel.map((size, i) => {
      const stride = strides[i]!;
      if (extra !== undefined) return size - (padding === 'same' ? 2 * Math.floor(size / 2) : 0) + extra[i]!;
      return padding === 'same' ? stride : Math.max(size, stride);
    });
    if (tail.some((size, i) => size < 1 || size > kernel[i]! + strides[i]!))
      refuse(call, 'has an output_padding that does not fit');
    const cut = tail.map((size, i) => Math.max(0, kernel[i]! - size));
    const before = cut.map(total => Math.floor(total / 2));
    const grown = tail.map((size, i) => Math.max(0, size - kernel[i]!));
    const isGrownByOnnx = grown.every((size, i) => size < Math.max(strides[i]!, 2));
    const value = graph.op('ConvTranspose', [x.value, weight, ...biasOf(call, filters)], {
      kernel_shape: bigs(kernel),
      strides: bigs(strides),
      pads: bigs([...before, ...cut.map((total, i) => total - before[i]!)]),
      output_padding: isGrownByOnnx ? bigs(grown) : refuse(call, 'grows its output by more than a stride'),
    });
    const spatial = x.spatial.map((size, i) => (size === null ? null : (size - 1) * strides[i]! + tail[i]!));
    return activatedIn(call, x, value, filters, spatial);
  };
}

const family = 'convolutions';
const rows = (
  prefix: string,
  suffix: string,
  ranks: readonly number[],
  emit: (rank: number) => (call: LayerCall) => Tensor,
): LayerTypes => Object.fromEntries(ranks.map(rank => [`${prefix}${rank}D${suffix}`, { family, emit: emit(rank) }]));

export const convolutionLayers: LayerTypes = {
  ...rows('Conv', '', [1, 2, 3], convolution),
  ...rows('DepthwiseConv', '', [1, 2], depthwise),
  ...rows('SeparableConv', '', [1, 2], separable),
  ...rows('Conv', 'Transpose', [1, 2, 3], transposed),
};
