import {
  asFloat,
  computedConstant,
  floats,
  knownSize,
  type LayerCall,
  type LayerTypes,
  like,
  normalAxis,
  rankOf,
  refuse,
  reshapeTo,
  same,
  scalar,
  sizeAt,
  type TakenWeight,
  type Tensor,
  takeWeight,
} from './lowering.ts';

/** y = x * scale + shift with the statistics of training, in float64 and rounded once. */
function batchNormalization(call: LayerCall): Tensor {
  const { config } = call;
  const x = asFloat(call.graph, call.x);
  const [first = -1, ...others] = config.has('axis') ? config.numbers('axis') : [-1];
  if (others.length > 0) refuse(call, 'normalises several axes');
  if (config.flag('renorm', false)) refuse(call, 'uses renorm');
  config.ignore('mode', 'fused');
  const axis = normalAxis(call, first, rankOf(x));
  const size = knownSize(call, x, axis);
  const epsilon = config.number('epsilon', 1e-3);
  const gamma = config.flag('scale', true) ? takeWeight(call, 'gamma', [size]).values() : undefined;
  const beta = config.flag('center', true) ? takeWeight(call, 'beta', [size]).values() : undefined;
  const mean = takeWeight(call, 'moving_mean', [size]).values();
  const variance = takeWeight(call, 'moving_variance', [size]).values();
  const scale = Float64Array.from(variance, (value, i) => (gamma?.[i] ?? 1) / Math.sqrt(value + epsilon));
  const dims = [size, ...new Array<number>(rankOf(x) - 1 - axis).fill(1)];
  const factor = computedConstant(call, 'scale', dims, () => Float32Array.from(scale));
  const shift = computedConstant(call, 'shift', dims, () =>
    Float32Array.from(scale, (value, i) => (beta?.[i] ?? 0) - mean[i]! * value),
  );
  return same(call, same(call, x, 'Mul', factor), 'Add', shift);
}

function axesOf(call: LayerCall, rank: number): number[] {
  const given = call.config.has('axis') ? call.config.numbers('axis') : [-1];
  return given.map(axis => normalAxis(call, axis, rank)).sort((a, b) => a - b);
}

/** A weight with one size per axis, laid out to stand beside the input. */
function beside(call: LayerCall, key: string, weight: TakenWeight, axes: readonly number[], rank: number): string {
  const dims = Array.from({ length: rank }, (_, i) => {
    const at = axes.indexOf(i);
    return at < 0 ? 1 : weight.dims[at]!;
  });
  return computedConstant(call, key, dims, () => weight.values());
}

/** Mean 0 and variance 1 over some axes, with the variance as the mean squared distance. */
function standardized(call: LayerCall, x: Tensor, axes: readonly number[], epsilon: number): Tensor {
  const { graph } = call;
  const over = graph.ints(...axes);
  const centred = graph.op('Sub', [x.value, graph.op('ReduceMean', [x.value, over])]);
  const variance = graph.op('ReduceMean', [graph.op('Mul', [centred, centred]), over]);
  const deviation = graph.op('Sqrt', [graph.op('Add', [variance, scalar(graph, epsilon)])]);
  return like(x, { value: graph.op('Div', [centred, deviation]) });
}

function layerNormalization(call: LayerCall): Tensor {
  const { config } = call;
  const x = asFloat(call.graph, call.x);
  const rank = rankOf(x);
  const axes = axesOf(call, rank);
  const sizes = axes.map(axis => knownSize(call, x, axis));
  const epsilon = config.number('epsilon', 1e-3);
  if (config.flag('rms_scaling', false)) refuse(call, 'uses rms_scaling');
  const gamma = config.flag('scale', true) ? takeWeight(call, 'gamma', sizes) : undefined;
  const beta = config.flag('center', true) ? takeWeight(call, 'beta', sizes) : undefined;
  const isTrailing = axes.every((axis, i) => axis === rank - axes.length + i);
  if (isTrailing && gamma !== undefined) {
    const inputs = [x.value, computedConstant(call, 'gamma', sizes, () => gamma.values())];
    if (beta !== undefined) inputs.push(computedConstant(call, 'beta', sizes, () => beta.values()));
    const value = call.graph.op('LayerNormalization', inputs, { axis: BigInt(-axes.length), epsilon });
    return like(x, { value });
  }
  let out = standardized(call, x, axes, epsilon);
  if (gamma !== undefined) out = same(call, out, 'Mul', beside(call, 'gamma', gamma, axes, rank));
  if (beta !== undefined) out = same(call, out, 'Add', beside(call, 'beta', beta, axes, rank));
  return out;
}

function rmsNormalization(call: LayerCall): Tensor {
  const { config, graph } = call;
  const x = asFloat(graph, call.x);
  const axes = axesOf(call, rankOf(x));
  const epsilon = config.number('epsilon', 1e-6);
  const scale = takeWeight(
    call,
    'scale',
    axes.map(axis => knownSize(call, x, axis)),
  );
  const square = graph.op('ReduceMean', [graph.op('Mul', [x.value, x.value]), graph.ints(...axes)]);
  const root = graph.op('Sqrt', [graph.op('Add', [square, scalar(graph, epsilon)])]);
  const out = like(x, { value: graph.op('Div', [x.value, root]) });
  return same(call, out, 'Mul', beside(call, 'scale', scale, axes, rankOf(x)));
}

/** Each group of neighbouring channels is normalised over itself and all positions. */
function groupNormalization(call: LayerCall): Tensor {
  const { config, graph } = call;
  const x = asFloat(graph, call.x);
  const rank = rankOf(x);
  const axis = normalAxis(call, config.number('axis', -1), rank);
  const channels = knownSize(call, x, axis);
  const asked = config.number('groups', 32);
  const groups = asked === -1 ? channels : asked;
  const epsilon = config.number('epsilon', 1e-3);
  if (groups < 1 || channels % groups !== 0) refuse(call, `has ${groups} groups for ${channels} channels`);
  const gamma = config.flag('scale', true) ? takeWeight(call, 'gamma', [channels]) : undefined;
  const beta = config.flag('center', true) ? takeWeight(call, 'beta', [channels]) : undefined;
  const sizes = x.shape.map((_, i) => (i === 0 ? { of: x.value, axis: 0 } : sizeAt(x, i)));
  const split = [...sizes.slice(0, axis), groups, channels / groups, ...sizes.slice(axis + 1)];
  const cut: Tensor = {
    value: reshapeTo(graph, x.value, split),
    shape: [...x.shape.slice(0, axis), groups, channels / groups, ...x.shape.slice(axis + 1)],
    type: 'float',
  };
  const axes = cut.shape.map((_, i) => i).filter(i => i !== 0 && i !== axis);
  const even = standardized(call, cut, axes, epsilon);
  let out = like(x, { value: reshapeTo(graph, even.value, sizes) });
  if (gamma !== undefined) out = same(call, out, 'Mul', beside(call, 'gamma', gamma, [axis], rank));
  if (beta !== undefined) out = same(call, out, 'Add', beside(call, 'beta', beta, [axis], rank));
  return out;
}

/** Length 1 over some axes. */
function unitNormalization(call: LayerCall): Tensor {
  const { graph } = call;
  const x = asFloat(graph, call.x);
  return like(x, { value: unitLength(call, x, axesOf(call, rankOf(x)), call.to.flavour === 'keras3' ? 1e-24 : 1e-12) });
}

/** x / sqrt(max(sum of squares, least)); Keras 2 holds the sum at 1e-12, Keras 3 its root. */
export function unitLength(call: LayerCall, x: Tensor, axes: readonly number[], least: number): string {
  const { graph } = call;
  const square = graph.op('ReduceSum', [graph.op('Mul', [x.value, x.value]), graph.ints(...axes)]);
  const length = graph.op('Sqrt', [graph.op('Max', [square, scalar(graph, least)])]);
  return graph.op('Div', [x.value, length]);
}

/** Feature-wise standardisation with a mean and variance learned or given; Keras divides by at least 1e-7. */
function normalization(call: LayerCall): Tensor {
  const { config, graph } = call;
  const x = asFloat(graph, call.x);
  const rank = rankOf(x);
  const raw = config.raw('axis');
  const axes =
    raw === null || raw === undefined ? [] : config.numbers('axis').map(axis => normalAxis(call, axis, rank));
  const isInverse = config.flag('invert', false);
  const given = config.has('mean');
  const dims = axes.map(axis => knownSize(call, x, axis));
  const values = (key: 'mean' | 'variance'): Float64Array => {
    if (!given) return Float64Array.from(takeWeight(call, key, dims).values());
    const numbers = flatNumbers(config.raw(key));
    const count = dims.reduce((product, size) => product * size, 1);
    if (numbers.length !== count && numbers.length !== 1)
      refuse(call, `has ${numbers.length} values of ${key} for ${count} features`);
    return Float64Array.from({ length: count }, (_, i) => numbers[numbers.length === 1 ? 0 : i]!);
  };
  const mean = values('mean');
  const deviation = values('variance').map(value => Math.max(Math.sqrt(value), 1e-7));
  if (!given) call.weights.next();
  const wide = Array.from({ length: rank }, (_, i) => (axes.includes(i) ? dims[axes.indexOf(i)]! : 1));
  const centre = floats(graph, mean, wide);
  const width = floats(graph, deviation, wide);
  if (isInverse) return same(call, same(call, x, 'Mul', width), 'Add', centre);
  return same(call, same(call, x, 'Sub', centre), 'Div', width);
}

function flatNumbers(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return Array.isArray(value) ? value.flatMap(flatNumbers) : [];
}

const family = 'normalisation';

export const normalizationLayers: LayerTypes = {
  BatchNormalization: {
    family,
    mask: 'pass',
    kwargs: ['mask'],
    positional: ['training', 'mask'],
    emit: batchNormalization,
  },
  LayerNormalization: { family, mask: 'pass', emit: layerNormalization },
  RMSNormalization: { family, emit: rmsNormalization },
  GroupNormalization: { family, mask: 'pass', emit: groupNormalization },
  UnitNormalization: { family, mask: 'pass', emit: unitNormalization },
  Normalization: { family, mask: 'pass', emit: normalization },
};
