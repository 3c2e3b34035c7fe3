import { channelsFirst, isChannelsLast } from './convolution.ts';
import {
  asFloat,
  type LayerCall,
  type LayerTypes,
  like,
  rankOf,
  refuse,
  requireRank,
  reshapeTo,
  type Shape,
  sizeAt,
  type Tensor,
  transpose,
} from './lowering.ts';

/** Reshapes a tensor to sizes after the batch; at most one may be unknown, which then takes the rest. */
export function reshaped(call: LayerCall, x: Tensor, target: Shape): Tensor {
  const { graph } = call;
  const unknown = target.filter(size => size === null).length;
  if (unknown > 1) return refuse(call, 'reshapes to more than one unknown size');
  // With all sizes known the batch may take what is left, which also holds for no rows at all.
  const sizes =
    unknown === 0 ? [-1, ...target.map(size => size ?? -1)] : [sizeAt(x, 0), ...target.map(size => size ?? -1)];
  return { value: reshapeTo(graph, x.value, sizes), shape: [x.shape[0] ?? null, ...target], type: x.type };
}

function product(shape: Shape): number | null {
  return shape.reduce<number | null>((all, size) => (all === null || size === null ? null : all * size), 1);
}

function flatten(call: LayerCall): Tensor {
  const { graph } = call;
  const isLast = isChannelsLast(call);
  const { x } = call;
  if (rankOf(x) === 1) return reshaped(call, x, [1]);
  const rank = rankOf(x);
  // Channels go last before flattening, so that both data formats give the same order.
  const perm = Array.from({ length: rank }, (_, i) => (i === 0 ? 0 : i === rank - 1 ? 1 : i + 1));
  const source = isLast || rank < 3 ? x : like(x, { value: transpose(graph, x.value, perm) });
  const size = product(x.shape.slice(1));
  if (size !== null) return reshaped(call, source, [size]);
  return { value: graph.op('Flatten', [source.value], { axis: 1n }), shape: [x.shape[0] ?? null, null], type: x.type };
}

function reshapeLayer(call: LayerCall): Tensor {
  const target = call.config.numbers('target_shape');
  const total = product(call.x.shape.slice(1));
  const fixed = target.filter(size => size !== -1).reduce((all, size) => all * size, 1);
  const open = target.filter(size => size === -1).length;
  if (open > 1 || target.some(size => size < -1 || !Number.isInteger(size)))
    refuse(call, `reshapes to [${target.join(', ')}]`);
  if (total !== null && (open === 0 ? total !== fixed : fixed === 0 || total % fixed !== 0))
    refuse(call, `reshapes ${total} values to [${target.join(', ')}]`);
  return reshaped(
    call,
    call.x,
    target.map(size => (size !== -1 ? size : total === null ? null : total / fixed)),
  );
}

function permute(call: LayerCall): Tensor {
  const perm = [0, ...call.config.numbers('dims')];
  const { x } = call;
  if (new Set(perm).size !== rankOf(x) || perm.some(axis => axis >= rankOf(x)))
    refuse(call, `permutes by [${perm.join(', ')}]`);
  return {
    value: transpose(call.graph, x.value, perm),
    shape: perm.map(axis => x.shape[axis] ?? null),
    type: x.type,
  };
}

function repeatVector(call: LayerCall): Tensor {
  const n = call.config.whole('n');
  const { x, graph } = call;
  requireRank(call, x, 2);
  const value = graph.op('Expand', [graph.op('Unsqueeze', [x.value, graph.ints(1)]), graph.ints(1, n, 1)]);
  return { value, shape: [x.shape[0] ?? null, n, x.shape[1] ?? null], type: x.type };
}

/** Pairs of numbers, one pair per spatial axis, from any of the forms Keras takes. */
function pairs(call: LayerCall, key: string, rank: number): [number, number][] {
  const raw = call.config.raw(key);
  const list: readonly unknown[] = Array.isArray(raw) ? raw : Array(rank).fill(raw);
  const isOnePair = rank === 1 && list.length === 2 && typeof list[0] === 'number';
  const found = (isOnePair ? [list] : list).map((item): readonly unknown[] =>
    Array.isArray(item) ? item : [item, item],
  );
  return found.length === rank
    ? found.map(item => {
        const [before, after] = item;
        if (typeof before !== 'number' || typeof after !== 'number' || !(before >= 0 && after >= 0))
          refuse(call, `has ${key} = ${JSON.stringify(raw)}`);
        return [Number(before), Number(after)];
      })
    : refuse(call, `has ${key} = ${JSON.stringify(raw)}`);
}

/** The spatial axes of a [batch, spatial..., channels] tensor, wherever the channels are. */
function spatialAxes(call: LayerCall, rank: number): number[] {
  requireRank(call, call.x, rank + 2);
  if (rank === 1) call.config.word('data_format', ['channels_last'], 'channels_last');
  const first = rank === 1 || isChannelsLast(call) ? 1 : 2;
  return Array.from({ length: rank }, (_, i) => first + i);
}

function zeroPadding(rank: number): (call: LayerCall) => Tensor {
  return call => {
    const { graph, x } = call;
    const axes = spatialAxes(call, rank);
    const pads = pairs(call, 'padding', rank);
    // Pads for all axes: ONNX Runtime 1.30 mixes them up when it moves a transpose over a Pad that names its axes.
    const amounts = (side: 0 | 1): number[] => x.shape.map((_, axis) => pads[axes.indexOf(axis)]?.[side] ?? 0);
    const value = graph.op('Pad', [x.value, graph.ints(...amounts(0), ...amounts(1)), graph.constant(x.type, [], [0])]);
    return { value, shape: resized(x.shape, axes, (size, i) => size + pads[i]![0] + pads[i]![1]), type: x.type };
  };
}

function resized(shape: Shape, axes: readonly number[], change: (size: number, i: number) => number): Shape {
  return shape.map((size, axis) => {
    const i = axes.indexOf(axis);
    return i < 0 || size === null ? size : change(size, i);
  });
}

function cropping(rank: number): (call: LayerCall) => Tensor {
  return call => {
    const { graph, x } = call;
    const axes = spatialAxes(call, rank);
    const cuts = pairs(call, 'cropping', rank);
    const shape = resized(x.shape, axes, (size, i) => size - cuts[i]![0] - cuts[i]![1]);
    if (shape.some(size => size !== null && size < 0)) refuse(call, 'crops more than its input has');
    const starts = graph.ints(...cuts.map(([before]) => before));
    const ends = graph.ints(...cuts.map(([, after]) => (after === 0 ? 2 ** 40 : -after)));
    return { value: graph.op('Slice', [x.value, starts, ends, graph.ints(...axes)]), shape, type: x.type };
  };
}

function upSampling(rank: number): (call: LayerCall) => Tensor {
  return call => {
    const { config, graph } = call;
    const factors = config.sizes(config.has('size') ? 'size' : 'length', rank, 2);
    const how = config.word('interpolation', ['nearest', 'bilinear'], 'nearest');
    if (factors.some(factor => factor < 1)) refuse(call, 'has a size of 0');
    if (rank === 1) config.ignore('data_format');
    const x = rank === 1 ? stepsAsSpace(call) : channelsFirst(call, rank);
    const scales = graph.constant('float', [rank + 2], [1, 1, ...factors]);
    // TF.js keeps the corners of pixels together, Keras their centres.
    const mode = call.to.flavour === 'tfjs' ? 'asymmetric' : 'half_pixel';
    const attributes =
      how === 'nearest'
        ? { mode: 'nearest', nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' }
        : { mode: 'linear', coordinate_transformation_mode: mode };
    const value = graph.op('Resize', [x.value, '', scales], attributes);
    return x.back(
      value,
      x.channels,
      x.spatial.map((size, i) => (size === null ? null : size * factors[i]!)),
    );
  };
}

/** One-dimensional up-sampling always repeats the second axis. */
function stepsAsSpace(call: LayerCall): ReturnType<typeof channelsFirst> {
  requireRank(call, call.x, 3);
  const x = asFloat(call.graph, call.x);
  return {
    value: transpose(call.graph, x.value, [0, 2, 1]),
    channels: x.shape[2] ?? null,
    spatial: [x.shape[1] ?? null],
    back: (value, channels, spatial) => ({
      value: transpose(call.graph, value, [0, 2, 1]),
      shape: [x.shape[0] ?? null, ...spatial, channels],
      type: 'float',
    }),
  };
}

const family = 'shape';
const ranks = [1, 2, 3];
const table = (name: string, emit: (rank: number) => (call: LayerCall) => Tensor): LayerTypes =>
  Object.fromEntries(ranks.map(rank => [`${name}${rank}D`, { family, emit: emit(rank) }]));

export const reshapingLayers: LayerTypes = {
  Flatten: { family, emit: flatten },
  Reshape: { family, emit: reshapeLayer },
  Permute: { family, emit: permute },
  RepeatVector: { family, emit: repeatVector },
  ...table('ZeroPadding', zeroPadding),
  ...table('Cropping', cropping),
  ...table('UpSampling', upSampling),
};
