import {
  asFloat,
  type CallValue,
  knownSize,
  type LayerCall,
  type LayerTypes,
  plainArgument,
  rankOf,
  refuse,
  requireRank,
  scalar,
  sizeOf,
  type Tensor,
  takeWeight,
  tensorArgument,
  tensorsIn,
  transpose,
  weightConstant,
} from './lowering.ts';
import type { LayerWeights } from './weights.ts';

/** What a masked score is lowered by, so that its share becomes 0. */
const farBelow = -1e9;

/** Lowers the scores of keys that do not count; `mask` is true where one counts and broadcasts to the scores. */
function masked(call: LayerCall, scores: string, masks: readonly string[]): string {
  const { graph } = call;
  if (masks.length === 0) return scores;
  const counts = masks.reduce((all, mask) => graph.op('And', [all, mask]));
  const penalty = graph.op('Mul', [graph.cast(graph.op('Not', [counts]), 'float'), scalar(graph, farBelow)]);
  return graph.op('Add', [scores, penalty]);
}

/** Lower triangle [queries, keys]: a step sees itself and what came before. */
function causalMask(call: LayerCall, query: Tensor, keys: Tensor): string {
  const { graph } = call;
  const steps = (x: Tensor): string => {
    const count = graph.op('Squeeze', [sizeOf(graph, x.value, 1), graph.ints(0)]);
    return graph.op('Range', [graph.constant('int64', [], [0]), count, graph.constant('int64', [], [1])]);
  };
  const rows = graph.op('Unsqueeze', [steps(query), graph.ints(1)]);
  const columns = graph.op('Unsqueeze', [steps(keys), graph.ints(0)]);
  return graph.op('GreaterOrEqual', [rows, columns]);
}

function isAsked(call: LayerCall, position: number, name: string): boolean {
  const value = plainArgument(call, position, name);
  if (value === undefined || value === null || value === false) return false;
  return value === true ? true : refuse(call, `is called with ${name} = ${JSON.stringify(value)}`);
}

/** Attention and AdditiveAttention share all but how a query meets a key. */
function attention(score: (call: LayerCall, query: Tensor, keys: Tensor) => string): (call: LayerCall) => Tensor[] {
  return call => {
    const { graph, config } = call;
    const [query, value, keys = value, ...others] = tensorsIn(call.args.slice(0, 1)).map(input =>
      asFloat(graph, input),
    );
    if (query === undefined || value === undefined || keys === undefined || others.length > 0)
      return refuse(call, 'needs a query and a value');
    for (const input of [query, value, keys]) requireRank(call, input, 3);
    const explicit = call.kwargs.get('mask');
    if (explicit !== undefined && tensorsIn([explicit]).length > 0) refuse(call, 'is called with a mask of its own');
    const isCausal = isAsked(call, -1, 'use_causal_mask') || config.flag('causal', false);
    const masks = [
      ...(value.mask === undefined ? [] : [graph.op('Unsqueeze', [value.mask, graph.ints(1)])]),
      ...(isCausal ? [causalMask(call, query, keys)] : []),
    ];
    const scores = masked(call, score(call, query, keys), masks);
    const shares = graph.op('Softmax', [scores], { axis: -1n });
    const result = graph.op('MatMul', [shares, value.value]);
    const counted =
      query.mask === undefined
        ? result
        : graph.op('Mul', [result, graph.op('Unsqueeze', [graph.cast(query.mask, 'float'), graph.ints(-1)])]);
    const batch = query.shape[0] ?? null;
    const steps = query.shape[1] ?? null;
    const out: Tensor = {
      value: counted,
      shape: [batch, steps, value.shape[2] ?? null],
      type: 'float',
      mask: query.mask,
    };
    if (!isAsked(call, -1, 'return_attention_scores')) return [out];
    return [out, { value: shares, shape: [batch, steps, keys.shape[1] ?? null], type: 'float' }];
  };
}

function dotScore(call: LayerCall, query: Tensor, keys: Tensor): string {
  const { graph, config } = call;
  const isScaled = config.flag('use_scale', false);
  const mode = config.word('score_mode', ['dot', 'concat'], 'dot');
  const scale = isScaled ? weightConstant(call, 'scale', takeWeight(call, 'scale', [])) : undefined;
  if (mode === 'dot') {
    const scores = graph.op('MatMul', [query.value, transpose(graph, keys.value, [0, 2, 1])]);
    return scale === undefined ? scores : graph.op('Mul', [scores, scale]);
  }
  const weight = weightConstant(call, 'concat', takeWeight(call, 'concat_score_weight', []));
  const sum = everyPair(call, query, keys);
  const inside = graph.op('Tanh', [scale === undefined ? sum : graph.op('Mul', [sum, scale])]);
  return graph.op('Mul', [featureSum(call, inside), weight]);
}

/** Sums [batch, queries, keys, features] over the features; in two steps, since one loses an axis of an empty batch. */
function featureSum(call: LayerCall, value: string): string {
  const { graph } = call;
  return graph.op('Squeeze', [graph.op('ReduceSum', [value, graph.ints(3)], { keepdims: 1n }), graph.ints(3)]);
}

/** query + key for every pair, as [batch, queries, keys, features]. */
function everyPair(call: LayerCall, query: Tensor, keys: Tensor): string {
  const { graph } = call;
  const rows = graph.op('Unsqueeze', [query.value, graph.ints(2)]);
  return graph.op('Add', [rows, graph.op('Unsqueeze', [keys.value, graph.ints(1)])]);
}

function additiveScore(call: LayerCall, query: Tensor, keys: Tensor): string {
  const { graph, config } = call;
  config.ignore('score_mode');
  const inside = graph.op('Tanh', [everyPair(call, query, keys)]);
  const isScaled = config.flag('use_scale', true);
  const scale = isScaled
    ? weightConstant(call, 'scale', takeWeight(call, 'scale', [knownSize(call, query, 2)]))
    : undefined;
  const weighted = scale === undefined ? inside : graph.op('Mul', [inside, scale]);
  return featureSum(call, weighted);
}

/** One of the projections: [features, heads, size] with a bias [heads, size]. */
interface Projection {
  readonly name: string;
  readonly weights: LayerWeights;
}

function multiHead(call: LayerCall): Tensor[] {
  const { graph, config } = call;
  const heads = config.whole('num_heads');
  const keySize = config.whole('key_dim');
  const valueSize = config.has('value_dim') ? config.whole('value_dim') : keySize;
  const hasBias = config.flag('use_bias', true);
  const outputShape = config.has('output_shape') ? config.numbers('output_shape') : undefined;
  config.ignore('query_shape', 'key_shape', 'value_shape');
  if (config.has('attention_axes') && config.numbers('attention_axes').join() !== '1')
    refuse(call, 'has attention_axes');
  if (config.flag('use_gate', false)) refuse(call, 'uses a gate');
  config.flag('flash_attention', false);
  const query = maskedBy(call, tensorArgument(call, 0, 'query'), 'query_mask');
  const value = maskedBy(call, tensorArgument(call, 1, 'value'), 'value_mask');
  if (query === undefined || value === undefined) return refuse(call, 'needs a query and a value');
  const key = maskedBy(call, tensorArgument(call, 2, 'key'), 'key_mask') ?? value;
  for (const input of [query, value, key]) requireRank(call, input, 3);
  const side = (name: string): Projection => ({ name, weights: call.weights.child(`${name}_dense`, `_${name}_dense`) });
  const projected = (input: Tensor, { name, weights }: Projection, size: number): string => {
    const x = asFloat(graph, input);
    const width = knownSize(call, x, 2);
    const kernel = takeWeight(call, `${name} kernel`, [width, heads, size], weights);
    const flat = graph.op('MatMul', [x.value, weightConstant(call, `${name} kernel`, kernel, [width, heads * size])]);
    const bias = hasBias ? takeWeight(call, `${name} bias`, [heads, size], weights) : undefined;
    const sum =
      bias === undefined ? flat : graph.op('Add', [flat, weightConstant(call, `${name} bias`, bias, [heads * size])]);
    const steps = x.shape[1] ?? null;
    const shape = steps === null ? graph.ints(0, 0, heads, size) : graph.ints(-1, steps, heads, size);
    return transpose(graph, graph.op('Reshape', [sum, shape]), [0, 2, 1, 3]);
  };
  const q = projected(query, side('query'), keySize);
  const k = projected(key, side('key'), keySize);
  const v = projected(value, side('value'), valueSize);
  const scaled = graph.op('Mul', [q, scalar(graph, 1 / Math.sqrt(keySize))]);
  const scores = masked(
    call,
    graph.op('MatMul', [scaled, transpose(graph, k, [0, 1, 3, 2])]),
    headMasks(call, query, value, key),
  );
  const shares = graph.op('Softmax', [scores], { axis: -1n });
  const joined = transpose(graph, graph.op('MatMul', [shares, v]), [0, 2, 1, 3]);
  const steps = query.shape[1] ?? null;
  const shape = steps === null ? graph.ints(0, 0, heads * valueSize) : graph.ints(-1, steps, heads * valueSize);
  const flat = graph.op('Reshape', [joined, shape]);
  const width = outputShape === undefined ? knownSize(call, query, 2) : outputShape[0]!;
  if (outputShape !== undefined && outputShape.length !== 1) refuse(call, 'has an output_shape of several sizes');
  const out = side('output');
  const kernel = takeWeight(call, 'output kernel', [heads, valueSize, width], out.weights);
  const product = graph.op('MatMul', [flat, weightConstant(call, 'output kernel', kernel, [heads * valueSize, width])]);
  const bias = hasBias
    ? weightConstant(call, 'output bias', takeWeight(call, 'output bias', [width], out.weights))
    : undefined;
  const batch = query.shape[0] ?? null;
  const result: Tensor = {
    value: bias === undefined ? product : graph.op('Add', [product, bias]),
    shape: [batch, steps, width],
    type: 'float',
    mask: query.mask,
  };
  if (!isAsked(call, -1, 'return_attention_scores')) return [result];
  return [result, { value: shares, shape: [batch, heads, steps, key.shape[1] ?? null], type: 'float' }];
}

/** An input with the mask that the call gives for it by name, else its own. */
function maskedBy(call: LayerCall, input: Tensor | undefined, name: string): Tensor | undefined {
  const given = call.kwargs.get(name);
  const [mask] = given === undefined ? [] : tensorsIn([given]);
  return input === undefined || mask === undefined ? input : { ...input, mask: mask.value };
}

/** Masks of the call and of its inputs, each broadcast to [batch, heads, queries, keys]. */
function headMasks(call: LayerCall, query: Tensor, value: Tensor, key: Tensor): string[] {
  const { graph } = call;
  const masks: string[] = [];
  const add = (mask: string | undefined, ...axes: number[]): void => {
    if (mask !== undefined) masks.push(graph.op('Unsqueeze', [mask, graph.ints(...axes)]));
  };
  add(query.mask, 1, 3);
  add(value.mask, 1, 2);
  if (key !== value) add(key.mask, 1, 2);
  const given: CallValue | undefined = call.kwargs.get('attention_mask');
  for (const mask of given === undefined ? [] : tensorsIn([given])) {
    const flags = mask.type === 'bool' ? mask.value : graph.cast(mask.value, 'bool');
    if (rankOf(mask) === 3) masks.push(graph.op('Unsqueeze', [flags, graph.ints(1)]));
    else if (rankOf(mask) === 4) masks.push(flags);
    else refuse(call, 'is called with an attention_mask that is not [batch, queries, keys]');
  }
  if (isAsked(call, -1, 'use_causal_mask')) masks.push(causalMask(call, query, key));
  return masks;
}

const family = 'attention';

export const attentionLayers: LayerTypes = {
  MultiHeadAttention: {
    family,
    mask: 'use',
    positional: [
      'value',
      'key',
      'query_mask',
      'value_mask',
      'key_mask',
      'attention_mask',
      'return_attention_scores',
      'training',
      'use_causal_mask',
    ],
    kwargs: [
      'query',
      'value',
      'key',
      'query_mask',
      'value_mask',
      'key_mask',
      'attention_mask',
      'return_attention_scores',
      'use_causal_mask',
    ],
    emit: multiHead,
  },
  Attention: {
    family,
    mask: 'use',
    kwargs: ['mask', 'return_attention_scores', 'use_causal_mask'],
    positional: ['mask', 'training', 'return_attention_scores', 'use_causal_mask'],
    emit: attention(dotScore),
  },
  AdditiveAttention: {
    family,
    mask: 'use',
    kwargs: ['mask', 'return_attention_scores', 'use_causal_mask'],
    positional: ['mask', 'training', 'return_attention_scores', 'use_causal_mask'],
    emit: attention(additiveScore),
  },
};
