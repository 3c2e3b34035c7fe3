import type { GraphBuilder } from '../graph-builder.ts';
import { isObject, type Json } from './config.ts';
import {
  asFloat,
  type LayerCall,
  type LayerTypes,
  like,
  refuse,
  same,
  scalar,
  type Tensor,
  takeWeight,
  weightConstant,
} from './lowering.ts';

type Activation = (call: LayerCall, x: Tensor) => Tensor;

const seluAlpha = 1.6732632423543772;
const seluGamma = 1.0507009873554805;

const one =
  (opType: string, attributes: Readonly<Record<string, number | bigint | string>> = {}): Activation =>
  (call, x) =>
    like(x, { value: call.graph.op(opType, [x.value], attributes) });

const clipped = (graph: GraphBuilder, value: string, low: number, high: number): string =>
  graph.op('Clip', [value, scalar(graph, low), scalar(graph, high)]);

const identity: Activation = (_, x) => x;

const relu6: Activation = (call, x) => like(x, { value: clipped(call.graph, x.value, 0, 6) });

/** Keras 2 and TF.js clip 0.2 x + 0.5; Keras 3 clips x / 6 + 0.5. */
const hardSigmoid: Activation = (call, x) =>
  like(x, {
    value: call.graph.op('HardSigmoid', [x.value], { alpha: call.to.flavour === 'keras3' ? 1 / 6 : 0.2, beta: 0.5 }),
  });

const timesItself =
  (gate: Activation): Activation =>
  (call, x) =>
    same(call, x, 'Mul', gate(call, x).value);

const hardSilu = timesItself((call, x) =>
  like(x, { value: call.graph.op('HardSigmoid', [x.value], { alpha: 1 / 6, beta: 0.5 }) }),
);

const softmaxLike =
  (opType: string): Activation =>
  (call, x) =>
    like(x, { value: call.graph.op(opType, [x.value], { axis: -1n }) });

const squareplus: Activation = (call, x) => {
  const root = call.graph.op('Sqrt', [
    call.graph.op('Add', [call.graph.op('Mul', [x.value, x.value]), scalar(call.graph, 4)]),
  ]);
  return like(x, {
    value: call.graph.op('Mul', [call.graph.op('Add', [x.value, root]), scalar(call.graph, 0.5)]),
  });
};

/** x where |x| passes the limit, `otherwise` elsewhere. */
const outside =
  (limit: number, shrink: number): Activation =>
  (call, x) => {
    const { graph } = call;
    const above = graph.op('Greater', [x.value, scalar(graph, limit)]);
    const below = graph.op('Less', [x.value, scalar(graph, -limit)]);
    const zero = scalar(graph, 0);
    const high = graph.op('Where', [above, graph.op('Sub', [x.value, scalar(graph, shrink)]), zero]);
    const low = graph.op('Where', [below, graph.op('Add', [x.value, scalar(graph, shrink)]), high]);
    return like(x, { value: low });
  };

/** Functions by the name Keras saves; the alphas are Keras' defaults. */
const functions: ReadonlyMap<string, Activation> = new Map<string, Activation>([
  ['linear', identity],
  ['relu', one('Relu')],
  ['relu6', relu6],
  ['sigmoid', one('Sigmoid')],
  ['tanh', one('Tanh')],
  ['softmax', softmaxLike('Softmax')],
  ['log_softmax', softmaxLike('LogSoftmax')],
  ['softplus', one('Softplus')],
  ['softsign', one('Softsign')],
  ['elu', one('Elu', { alpha: 1 })],
  ['selu', one('Selu', { alpha: seluAlpha, gamma: seluGamma })],
  ['celu', one('Celu', { alpha: 1 })],
  ['exponential', one('Exp')],
  ['hard_sigmoid', hardSigmoid],
  ['swish', timesItself(one('Sigmoid'))],
  ['silu', timesItself(one('Sigmoid'))],
  ['hard_silu', hardSilu],
  ['hard_swish', hardSilu],
  ['gelu', one('Gelu')],
  ['gelu_new', one('Gelu', { approximate: 'tanh' })],
  ['leaky_relu', one('LeakyRelu', { alpha: 0.2 })],
  ['mish', timesItself((call, x) => one('Tanh')(call, one('Softplus')(call, x)))],
  ['log_sigmoid', (call, x) => one('Neg')(call, one('Softplus')(call, one('Neg')(call, x)))],
  ['tanh_shrink', (call, x) => same(call, x, 'Sub', one('Tanh')(call, x).value)],
  ['hard_tanh', (call, x) => like(x, { value: clipped(call.graph, x.value, -1, 1) })],
  ['hard_shrink', outside(0.5, 0)],
  ['soft_shrink', outside(0.5, 0.5)],
  ['squareplus', squareplus],
]);

export const activationNames: readonly string[] = [...functions.keys()];

/** The name of an activation as any version writes it; a layer used as an activation is an object. */
export function activationName(call: LayerCall, key: string): string {
  const value = call.config.raw(key);
  if (value === undefined || value === null) return 'linear';
  if (typeof value === 'string') return plainName(value);
  if (isObject(value) && value.class_name === 'function' && typeof value.config === 'string')
    return plainName(value.config);
  // TF.js and old Keras sometimes write the name of the class.
  if (isObject(value) && typeof value.class_name === 'string' && !hasOptions(value.config))
    return plainName(value.class_name);
  return refuse(call, `uses the activation ${JSON.stringify(value).slice(0, 80)}, which is not supported`);
}

function hasOptions(config: Json | undefined): boolean {
  return isObject(config) && Object.keys(config).some(key => key !== 'name' && key !== 'trainable' && key !== 'dtype');
}

/** The name within Keras; functions of other packages keep theirs, which may be called like one of Keras. */
function plainName(name: string): string {
  const own = /^(?:Keras>|(?:keras|tf_keras|tensorflow|tf)(?:\.\w+)*\.)?(\w+)$/.exec(name)?.[1];
  if (own === undefined) return name;
  return own.replaceAll(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
}

/** Applies the activation that an option names. */
export function activated(call: LayerCall, x: Tensor, key = 'activation'): Tensor {
  const value = call.config.raw(key);
  if (isObject(value) && value.class_name !== 'function' && isObject(value.config) && hasOptions(value.config)) {
    const spec = {
      className: String(value.class_name),
      module: typeof value.module === 'string' ? value.module : '',
      name: `${call.spec.name}_activation`,
      config: value.config,
      calls: [],
    };
    const [result] = call.to.inner(call.to, spec, `${call.path}/activation`, call.weights.child('activation'), [
      { kind: 'tensor', tensor: x },
    ]);
    return result ?? refuse(call, 'has an activation without an output');
  }
  return applyActivation(call, x, activationName(call, key));
}

/** Applies an activation by name. */
export function applyActivation(call: LayerCall, x: Tensor, name: string): Tensor {
  const apply = functions.get(name);
  if (apply === undefined)
    return refuse(
      call,
      `uses the activation "${name}", which is not supported; known are ${activationNames.join(', ')}`,
    );
  return apply(call, asFloat(call.graph, x));
}

/** ReLU with all its options: max at the top, a slope up to the threshold, where Keras gives 0. */
function reluLayer(call: LayerCall): Tensor {
  const { config, graph } = call;
  const x = asFloat(graph, call.x);
  const max = config.has('max_value') ? config.number('max_value') : undefined;
  const slope = slopeOf(call, ['negative_slope'], 0);
  const threshold = slopeOf(call, ['threshold'], 0);
  if (slope === 0 && threshold === 0)
    return max === undefined ? same(call, x, 'Relu') : like(x, { value: clipped(graph, x.value, 0, max) });
  const top = max === undefined ? x.value : graph.op('Min', [x.value, scalar(graph, max)]);
  const below = graph.op('Mul', [graph.op('Sub', [x.value, scalar(graph, threshold)]), scalar(graph, slope)]);
  const isLow = graph.op('LessOrEqual', [x.value, scalar(graph, threshold)]);
  return like(x, { value: graph.op('Where', [isLow, below, top]) });
}

/** A number that some versions keep as a list of one or an array object. */
function slopeOf(call: LayerCall, keys: readonly string[], otherwise: number): number {
  const given = keys.filter(key => call.config.has(key));
  const value = given[0] === undefined ? otherwise : call.config.raw(given[0]);
  return Array.isArray(value) && typeof value[0] === 'number' && value.length === 1
    ? value[0]
    : call.config.number(given[0] ?? keys[0] ?? '', otherwise);
}

function leakyReluLayer(call: LayerCall): Tensor {
  const x = asFloat(call.graph, call.x);
  return like(x, {
    value: call.graph.op('LeakyRelu', [x.value], { alpha: slopeOf(call, ['negative_slope', 'alpha'], 0.3) }),
  });
}

function eluLayer(call: LayerCall): Tensor {
  const x = asFloat(call.graph, call.x);
  return like(x, { value: call.graph.op('Elu', [x.value], { alpha: slopeOf(call, ['alpha'], 1) }) });
}

function thresholdedReluLayer(call: LayerCall): Tensor {
  const x = asFloat(call.graph, call.x);
  const isAbove = call.graph.op('Greater', [x.value, scalar(call.graph, slopeOf(call, ['theta'], 1))]);
  return same(call, x, 'Mul', call.graph.cast(isAbove, 'float'));
}

/** Softmax over one or several axes, with an optional mask as second argument. */
function softmaxLayer(call: LayerCall): Tensor {
  const { config, graph } = call;
  const axes = config.has('axis') ? config.numbers('axis') : [-1];
  const mask = call.kwargs.get('mask');
  if (mask?.kind === 'tensor' || call.x.mask !== undefined) refuse(call, 'is called with a mask');
  const x = asFloat(graph, call.x);
  const [axis = -1] = axes;
  if (axes.length === 1) return like(x, { value: graph.op('Softmax', [x.value], { axis: BigInt(axis) }) });
  const over = graph.ints(...axes.map(item => (item < 0 ? item + x.shape.length : item)));
  const shifted = graph.op('Sub', [x.value, graph.op('ReduceMax', [x.value, over])]);
  const powers = graph.op('Exp', [shifted]);
  return like(x, { value: graph.op('Div', [powers, graph.op('ReduceSum', [powers, over])]) });
}

/** Slopes learned per feature; shared axes have one for all positions. */
function preluLayer(call: LayerCall): Tensor {
  const shared = new Set(call.config.has('shared_axes') ? call.config.numbers('shared_axes') : []);
  const x = asFloat(call.graph, call.x);
  const dims = x.shape.slice(1).map((size, i) => (shared.has(i + 1) ? 1 : size));
  const alpha = takeWeight(call, 'alpha', dims);
  return like(x, { value: call.graph.op('PRelu', [x.value, weightConstant(call, 'alpha', alpha)]) });
}

const family = 'activations';

export const activationLayers: LayerTypes = {
  Activation: { family, mask: 'pass', emit: call => activated(call, call.x) },
  ReLU: { family, mask: 'pass', emit: reluLayer },
  LeakyReLU: { family, mask: 'pass', emit: leakyReluLayer },
  PReLU: { family, mask: 'pass', emit: preluLayer },
  ELU: { family, mask: 'pass', emit: eluLayer },
  ThresholdedReLU: { family, mask: 'pass', emit: thresholdedReluLayer },
  Softmax: { family, mask: 'pass', kwargs: ['mask'], positional: ['mask'], emit: softmaxLayer },
};
