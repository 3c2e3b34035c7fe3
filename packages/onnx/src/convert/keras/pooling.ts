import { bigs, channelsFirst, isChannelsLast, padded } from './convolution.ts';
import {
  asFloat,
  type LayerCall,
  type LayerTypes,
  rankOf,
  refuse,
  requireRank,
  type Tensor,
  tensorsIn,
} from './lowering.ts';

function pooling(rank: number, opType: 'MaxPool' | 'AveragePool'): (call: LayerCall) => Tensor {
  return call => {
    const { config } = call;
    // One-dimensional layers of old versions have other names for the same options.
    const kernel = config.sizes(config.has('pool_size') ? 'pool_size' : 'pool_length', rank, 2);
    const strides = config.has('strides') ? config.sizes('strides', rank) : kernel;
    const dilation = kernel.map(() => 1);
    const x = channelsFirst(call, rank);
    const padding = config.word('padding', ['valid', 'same'], 'valid');
    const { attributes, spatial } = padded(call, x.spatial, { kernel, strides, dilation }, padding);
    // Padding counts neither for the largest nor for the mean.
    const value = call.graph.op(opType, [x.value], {
      ...attributes,
      kernel_shape: bigs(kernel),
      strides: bigs(strides),
      ...(opType === 'AveragePool' ? { count_include_pad: 0n } : {}),
    });
    return x.back(value, x.channels, spatial);
  };
}

function globalPooling(rank: number, opType: 'ReduceMax' | 'ReduceMean'): (call: LayerCall) => Tensor {
  return call => {
    const keeps = call.config.flag('keepdims', false);
    requireRank(call, call.x, rank + 2);
    const given = call.kwargs.get('mask');
    const [mask] = given === undefined ? [] : tensorsIn([given]);
    const own = asFloat(call.graph, call.x);
    const x = mask === undefined ? own : { ...own, mask: mask.value };
    const isLast = isChannelsLast(call);
    const axes = Array.from({ length: rank }, (_, i) => (isLast ? i + 1 : i + 2));
    const shape = x.shape.flatMap((size, i) => (axes.includes(i) ? (keeps ? [1] : []) : [size]));
    const value =
      x.mask !== undefined && opType === 'ReduceMean'
        ? maskedMean(call, x, x.mask, keeps)
        : call.graph.op(opType, [x.value, call.graph.ints(...axes)], { keepdims: keeps ? 1n : 0n });
    return { value, shape, type: 'float' };
  };
}

/** The mean over the steps that count; only the one-dimensional layer has it, with the steps second. */
function maskedMean(call: LayerCall, x: Tensor, mask: string, keeps: boolean): string {
  if (rankOf(x) !== 3 || !isChannelsLast(call)) return refuse(call, 'is called with a mask');
  const { graph } = call;
  const weight = graph.op('Unsqueeze', [graph.cast(mask, 'float'), graph.ints(-1)]);
  const sum = graph.op('ReduceSum', [graph.op('Mul', [x.value, weight]), graph.ints(1)], { keepdims: keeps ? 1n : 0n });
  const count = graph.op('ReduceSum', [weight, graph.ints(1)], { keepdims: keeps ? 1n : 0n });
  return graph.op('Div', [sum, count]);
}

const family = 'pooling';
const ranks = [1, 2, 3];

export const poolingLayers: LayerTypes = Object.fromEntries([
  ...ranks.map(rank => [`MaxPooling${rank}D`, { family, emit: pooling(rank, 'MaxPool') }] as const),
  ...ranks.map(rank => [`AveragePooling${rank}D`, { family, emit: pooling(rank, 'AveragePool') }] as const),
  ...ranks.map(rank => [`GlobalMaxPooling${rank}D`, { family, emit: globalPooling(rank, 'ReduceMax') }] as const),
  ...ranks.map(
    rank =>
      [
        `GlobalAveragePooling${rank}D`,
        {
          family,
          mask: rank === 1 ? 'use' : 'drop',
          kwargs: rank === 1 ? ['mask'] : [],
          positional: rank === 1 ? ['mask'] : [],
          emit: globalPooling(rank, 'ReduceMean'),
        },
      ] as const,
  ),
]);
