import { channelsFirst, isChannelsLast } from './convolution.ts';
import {
  asFloat,
  castTo,
  floats,
  type LayerCall,
  type LayerTypes,
  like,
  rankOf,
  refuse,
  requireRank,
  same,
  scalar,
  sizeOf,
  type Tensor,
} from './lowering.ts';

function rescaling(call: LayerCall): Tensor {
  const { config, graph } = call;
  const x = asFloat(graph, call.x);
  const factor = (key: string, otherwise: number): string => {
    const values = config.has(key) ? config.numbers(key) : [otherwise];
    return values.length === 1 ? scalar(graph, values[0]!) : floats(graph, values);
  };
  return same(call, same(call, x, 'Mul', factor('scale', 1)), 'Add', factor('offset', 0));
}

/** Resizing by the centres of pixels, without anti-aliasing, as tf.image.resize does. */
function resizing(call: LayerCall): Tensor {
  const { config, graph } = call;
  const height = config.whole('height');
  const width = config.whole('width');
  const how = config.word('interpolation', ['bilinear', 'nearest'], 'bilinear');
  for (const key of ['crop_to_aspect_ratio', 'pad_to_aspect_ratio', 'antialias'])
    if (config.flag(key, false)) config.refuse(key, 'false');
  config.ignore('fill_mode', 'fill_value');
  if (height < 1 || width < 1) refuse(call, 'resizes to nothing');
  const x = channelsFirst(call, 2);
  const shape = graph.op('Concat', [sizeOf(graph, x.value, 0), sizeOf(graph, x.value, 1), graph.ints(height, width)], {
    axis: 0n,
  });
  const value = graph.op('Resize', [x.value, '', '', shape], {
    coordinate_transformation_mode: 'half_pixel',
    ...(how === 'nearest' ? { mode: 'nearest', nearest_mode: 'round_prefer_ceil' } : { mode: 'linear' }),
  });
  return x.back(value, x.channels, [height, width]);
}

function centerCrop(call: LayerCall): Tensor {
  const { config, graph } = call;
  const sizes = [config.whole('height'), config.whole('width')];
  requireRank(call, call.x, 4);
  const first = isChannelsLast(call) ? 1 : 2;
  const x = asFloat(graph, call.x);
  const starts = sizes.map((size, i) => {
    const whole = x.shape[first + i];
    if (typeof whole !== 'number' || whole < size)
      return refuse(call, `crops to ${sizes.join(' x ')} an input that may be smaller`);
    return Math.trunc((whole - size) / 2);
  });
  const ends = starts.map((start, i) => start + sizes[i]!);
  const value = graph.op('Slice', [x.value, graph.ints(...starts), graph.ints(...ends), graph.ints(first, first + 1)]);
  return like(x, { value, shape: x.shape.map((size, axis) => sizes[axis - first] ?? size) });
}

/** Which bin a number falls into: how many borders are at or below it. */
function discretization(call: LayerCall): Tensor {
  const { config, graph } = call;
  const borders = config.has('bin_boundaries')
    ? config.numbers('bin_boundaries')
    : refuse(call, 'has no bin_boundaries');
  config.word('output_mode', ['int'], 'int');
  config.ignore('epsilon', 'num_bins');
  if (config.flag('sparse', false)) refuse(call, 'gives sparse tensors');
  const x = asFloat(graph, call.x);
  const wide = graph.op('Unsqueeze', [x.value, graph.ints(-1)]);
  const isReached = graph.op('GreaterOrEqual', [wide, floats(graph, borders)]);
  const count = graph.op('ReduceSum', [graph.cast(isReached, 'int64'), graph.ints(rankOf(x))], { keepdims: 0n });
  return like(x, { value: count, type: 'int64', mask: undefined });
}

/** Numbers of categories as indicator columns: one row per value, or one per row of values. */
function categoryEncoding(call: LayerCall): Tensor {
  const { config, graph } = call;
  const tokens = config.whole('num_tokens');
  const mode = config.word('output_mode', ['multi_hot', 'one_hot', 'count'], 'multi_hot');
  if (config.flag('sparse', false)) refuse(call, 'gives sparse tensors');
  if (call.kwargs.get('count_weights') !== undefined) refuse(call, 'is called with count_weights');
  const x = castTo(graph, call.x, 'int64');
  const index =
    rankOf(x) > 1 || mode === 'one_hot'
      ? x
      : like(x, { value: graph.op('Unsqueeze', [x.value, graph.ints(1)]), shape: [x.shape[0] ?? null, 1] });
  const columns = graph.constant(
    'int64',
    [tokens],
    Array.from({ length: tokens }, (_, i) => i),
  );
  const isScalar = mode === 'one_hot' && index.shape.at(-1) !== 1;
  const wide = isScalar || mode !== 'one_hot' ? graph.op('Unsqueeze', [index.value, graph.ints(-1)]) : index.value;
  const hot = graph.cast(graph.op('Equal', [wide, columns]), 'float');
  if (mode === 'one_hot')
    return { value: hot, shape: [...(isScalar ? index.shape : index.shape.slice(0, -1)), tokens], type: 'float' };
  if (rankOf(index) !== 2) refuse(call, 'encodes an input that is not [batch, values]');
  const value = graph.op(mode === 'count' ? 'ReduceSum' : 'ReduceMax', [hot, graph.ints(1)], { keepdims: 0n });
  return { value, shape: [x.shape[0] ?? null, tokens], type: 'float' };
}

/** Random augmentations pass images on unchanged when a model predicts. */
function augmentation(...options: readonly string[]): (call: LayerCall) => Tensor {
  return call => {
    call.config.ignore('fill_mode', 'fill_value', 'interpolation', 'data_format', 'value_range', 'factor', ...options);
    call.to.notes.add(`${call.spec.className} layers do nothing at prediction and were dropped.`);
    return call.x;
  };
}

const family = 'preprocessing';

export const preprocessingLayers: LayerTypes = {
  Rescaling: { family, mask: 'pass', emit: rescaling },
  Resizing: { family, emit: resizing },
  CenterCrop: { family, emit: centerCrop },
  Discretization: { family, emit: discretization },
  CategoryEncoding: { family, kwargs: ['count_weights'], positional: ['count_weights'], emit: categoryEncoding },
  RandomFlip: { family, emit: augmentation('mode') },
  RandomRotation: { family, emit: augmentation() },
  RandomZoom: { family, emit: augmentation('height_factor', 'width_factor') },
  RandomTranslation: { family, emit: augmentation('height_factor', 'width_factor') },
  RandomContrast: { family, emit: augmentation() },
  RandomBrightness: { family, emit: augmentation() },
};
