import type { OpCall, OpRule } from '../op-call.ts';
import { dt, type TfShape } from '../tf-graph.ts';
import type { TensorValue } from '../tf-value.ts';
import { fusedSteps } from './activations.ts';
import { fromChannelsFirst, isChannelsFirst, spatialAttribute, toChannelsFirst } from './layout.ts';
import { samePads } from './padding.ts';

interface Convolution {
  readonly call: OpCall;
  readonly x: TensorValue;
  readonly filter: TensorValue;
  /** Number of spatial axes. */
  readonly spatial: number;
  readonly isDepthwise: boolean;
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

function describe(call: OpCall, spatial: number, isDepthwise: boolean): Convolution {
  const [x, filter] = [call.tensor(0), call.tensor(1)];
  if (x.dtype !== dt.float && x.dtype !== dt.half) return call.refuse('convolution is computed in float32 only');
  const strides = spatialAttribute(call, 'strides', spatial);
  const dilations = spatialAttribute(call, 'dilations', spatial);
  return { call, x, filter, spatial, isDepthwise, strides, dilations };
}

/** Filters are [spatial..., in, out] in TensorFlow and [out, in, spatial...] in ONNX. */
function weights({ call, filter, spatial, isDepthwise }: Convolution): { name: string; channels: number | null } {
  const name = filter.dtype === dt.half ? call.cast(filter.name, dt.float) : filter.name;
  const axes = Array.from({ length: spatial }, (_, i) => i);
  if (!isDepthwise)
    return {
      name: call.transpose(name, [spatial + 1, spatial, ...axes]),
      channels: filter.shape?.[spatial + 1] ?? null,
    };
  const [inputs, multiplier] = [filter.shape?.[spatial], filter.shape?.[spatial + 1]];
  if (typeof inputs !== 'number' || typeof multiplier !== 'number')
    return call.refuse('the shape of the depthwise filter is unknown');
  const rows = call.transpose(name, [spatial, spatial + 1, ...axes]);
  const kernel = (filter.shape ?? []).slice(0, spatial).map(size => size ?? -1);
  const channels = inputs * multiplier;
  return { name: call.op('Reshape', [rows, call.w.ints([channels, 1, ...kernel])]), channels };
}

function groups({ call, x, filter, spatial, isDepthwise }: Convolution): number {
  const inputs = filter.shape?.[spatial];
  if (isDepthwise) return inputs ?? 1;
  const channels = x.shape?.[isChannelsFirst(call) ? 1 : spatial + 1];
  if (typeof inputs !== 'number' || typeof channels !== 'number' || inputs === 0 || channels % inputs !== 0) return 1;
  return channels / inputs;
}

/** Writes the convolution and gives its value, channels where the source has them. */
function convolve(conv: Convolution): TensorValue {
  const { call, x, filter, spatial, strides, dilations } = conv;
  const kernel = (filter.shape ?? []).slice(0, spatial);
  const sizes = (isChannelsFirst(call) ? x.shape?.slice(2) : x.shape?.slice(1, 1 + spatial)) ?? [];
  const padding = samePads(call, kernel, sizes, strides, dilations);
  const { name, channels } = weights(conv);
  const group = groups(conv);
  const input = x.dtype === dt.half ? call.cast(x.name, dt.float) : x.name;
  const result = call.op('Conv', [toChannelsFirst(call, input, spatial), name], {
    ...padding.attributes,
    strides: strides.map(BigInt),
    dilations: dilations.map(BigInt),
    group: BigInt(group),
  });
  const shape: TfShape = isChannelsFirst(call)
    ? [x.shape?.[0] ?? null, channels, ...padding.sizes]
    : [x.shape?.[0] ?? null, ...padding.sizes, channels];
  const back = fromChannelsFirst(call, result, spatial);
  return call.value(x.dtype === dt.half ? call.cast(back, dt.half) : back, x.dtype, shape);
}

const conv =
  (spatial: number, isDepthwise = false): OpRule =>
  call => {
    const value = convolve(describe(call, spatial, isDepthwise));
    if ((call.node.attrs.get('fused_ops')?.list?.s.length ?? 0) === 0) return value;
    if (isChannelsFirst(call)) return call.refuse('fused steps with channels first are not defined');
    return { ...value, name: fusedSteps(call, value.name, value.dtype, 2) };
  };

/**
 * The gradient of a convolution, which is the transposed one: the full result is cut (or widened with zeros) to the
 * size that the first input asks for.
 */
const transposed =
  (spatial: number): OpRule =>
  call => {
    const [filter, x] = [call.tensor(1), call.tensor(2)];
    if (x.dtype !== dt.float) return call.refuse('convolution is computed in float32 only');
    const axes = Array.from({ length: spatial }, (_, i) => i);
    const strides = spatialAttribute(call, 'strides', spatial);
    const dilations = spatialAttribute(call, 'dilations', spatial);
    const kernel = call.transpose(filter.name, [spatial + 1, spatial, ...axes]);
    const full = call.op('ConvTranspose', [toChannelsFirst(call, x.name, spatial), kernel], {
      strides: strides.map(BigInt),
      dilations: dilations.map(BigInt),
    });
    const cut = cutToSize(call, full, spatial);
    const asked = call.constantInts(0);
    const channels = filter.shape?.[spatial] ?? null;
    const sizes: TfShape = isChannelsFirst(call)
      ? [x.shape?.[0] ?? null, channels, ...axes.map(i => asked?.[2 + i] ?? null)]
      : [x.shape?.[0] ?? null, ...axes.map(i => asked?.[1 + i] ?? null), channels];
    return call.value(fromChannelsFirst(call, cut, spatial), x.dtype, sizes);
  };

function cutToSize(call: OpCall, full: string, spatial: number): string {
  const first = isChannelsFirst(call) ? 2 : 1;
  const constant = call.constantInts(0);
  const isWhole = constant !== undefined && constant.length > spatial;
  const wanted = isWhole
    ? call.w.ints(constant.slice(first, first + spatial))
    : call.op('Slice', [call.int64(0), call.w.ints([first]), call.w.ints([first + spatial])]);
  const shape = call.op('Shape', [full]);
  const present = call.op('Slice', [shape, call.w.ints([2]), call.w.ints([2 + spatial])]);
  const zero = call.w.int(0);
  const missing = call.op('Max', [call.op('Sub', [wanted, present]), zero]);
  const none = new Array<number>(spatial + 4).fill(0);
  const padded = call.op('Pad', [full, call.op('Concat', [call.w.ints(none), missing], { axis: 0n })]);
  const kind = call.text('padding', 'VALID');
  const axes = call.w.ints(Array.from({ length: spatial }, (_, i) => 2 + i));
  let start = call.w.ints(new Array<number>(spatial).fill(0));
  if (kind === 'SAME') {
    const surplus = call.op('Max', [call.op('Sub', [present, wanted]), zero]);
    start = call.op('Div', [surplus, call.w.int(2)]);
  } else if (kind === 'EXPLICIT') {
    const pads = call.ints('explicit_paddings');
    start = call.w.ints(Array.from({ length: spatial }, (_, i) => pads[2 * (first + i)] ?? 0));
  }
  return call.op('Slice', [padded, start, call.op('Add', [start, wanted]), axes]);
}

/**
 * A dilated convolution the old way: SpaceToBatchND, a plain convolution, BatchToSpaceND. Gives the one convolution it
 * is, or undefined when the nodes around are something else.
 */
export function dilatedConvolution(batchToSpace: OpCall): TensorValue | undefined {
  const inner = batchToSpace.producer(0);
  const outer = inner?.producer(0);
  const spatial = inner?.node.op === 'Conv2D' || inner?.node.op === 'DepthwiseConv2dNative' ? 2 : 0;
  if (inner === undefined || outer?.node.op !== 'SpaceToBatchND' || spatial === 0 || isChannelsFirst(inner))
    return undefined;
  const [block, again] = [outer.constantInts(1), batchToSpace.constantInts(1)];
  const [pads, crops] = [outer.constantInts(2), batchToSpace.constantInts(2)];
  if (block?.length !== spatial || block.join() !== again?.join() || pads?.length !== 4 || crops?.length !== 4)
    return undefined;
  const plain = describe(inner, spatial, inner.node.op !== 'Conv2D');
  const isPlain = plain.strides.every(one => one === 1) && plain.dilations.every(one => one === 1);
  if (!isPlain || inner.text('padding', 'VALID') !== 'VALID') return undefined;
  const [top = 0, bottom = 0, left = 0, right = 0] = pads;
  const padded = batchToSpace.op('Pad', [outer.in(0), batchToSpace.w.ints([0, top, left, 0, 0, bottom, right, 0])]);
  const x = { ...outer.tensor(0), name: padded, shape: undefined };
  const wide = convolve({ ...plain, x, dilations: block });
  const [cropTop = 0, cropBottom = 0, cropLeft = 0, cropRight = 0] = crops;
  const end = (crop: number): number => (crop === 0 ? 2147483647 : -crop);
  const ends = batchToSpace.w.ints([end(cropBottom), end(cropRight)]);
  const cropped = batchToSpace.op('Slice', [
    wide.name,
    batchToSpace.w.ints([cropTop, cropLeft]),
    ends,
    batchToSpace.w.ints([1, 2]),
  ]);
  return batchToSpace.value(cropped, wide.dtype, [null, null, null, wide.shape?.[3] ?? null]);
}

export const convolutionOps: readonly [string, OpRule][] = [
  ['Conv2D', conv(2)],
  ['Conv3D', conv(3)],
  ['_FusedConv2D', conv(2)],
  ['FusedConv2D', conv(2)],
  ['DepthwiseConv2dNative', conv(2, true)],
  ['DepthwiseConv2d', conv(2, true)],
  ['FusedDepthwiseConv2dNative', conv(2, true)],
  ['_FusedDepthwiseConv2dNative', conv(2, true)],
  ['Conv2DBackpropInput', transposed(2)],
  ['Conv3DBackpropInputV2', transposed(3)],
];
