import { activated } from './activations.ts';
import {
  asFloat,
  batchGuard,
  castTo,
  knownSize,
  type LayerCall,
  type LayerTypes,
  like,
  rankOf,
  refuse,
  same,
  scalar,
  type Tensor,
  takeWeight,
  weightConstant,
} from './lowering.ts';

function dense(call: LayerCall): Tensor {
  const { config, graph } = call;
  const units = config.whole('units');
  const x = asFloat(graph, call.x);
  const width = knownSize(call, x, -1);
  const kernel = weightConstant(call, 'kernel', takeWeight(call, 'kernel', [width, units]));
  const product = graph.op('MatMul', [x.value, kernel]);
  const out = like(x, { value: product, shape: [...x.shape.slice(0, -1), units] });
  return activated(call, withBias(call, out, [units]));
}

/** Adds the layer's bias when its options say it has one. */
function withBias(call: LayerCall, x: Tensor, dims: readonly number[]): Tensor {
  if (!call.config.flag('use_bias', true)) return x;
  return same(call, x, 'Add', weightConstant(call, 'bias', takeWeight(call, 'bias', dims)));
}

/** A product written as an equation of letters; bias axes name the letters that the bias has. */
function einsumDense(call: LayerCall): Tensor {
  const { config, graph } = call;
  const written = config.text('equation').replaceAll(/\s/g, '');
  const [, left = '', right = '', out = ''] = /^([a-z.]+),([a-z.]+)->([a-z.]+)$/.exec(written) ?? [];
  if (out === '') refuse(call, `has the equation "${written}", which is not supported`);
  const x = asFloat(graph, call.x);
  const outputShape = config.raw('output_shape');
  if (outputShape === undefined) refuse(call, 'has no output_shape');
  const dots = rankOf(x) - left.replace('...', '').length;
  const dotLetters = 'ZYXWVUTS'.slice(0, dots);
  const spell = (side: string): string => side.replace('...', dotLetters);
  const kernel = takeWeightOfAnyShape(call, spell(right).length);
  const sizes = new Map<string, number | null>();
  [...spell(left)].forEach((letter, i) => {
    sizes.set(letter, x.shape[i] ?? null);
  });
  [...spell(right)].forEach((letter, i) => {
    const size = sizes.get(letter);
    if (typeof size === 'number' && size !== kernel.dims[i])
      refuse(call, 'has a weight whose shape does not fit its input');
    sizes.set(letter, kernel.dims[i] ?? null);
  });
  const shape = [...spell(out)].map(letter => sizes.get(letter) ?? null);
  const rows = batchGuard(call, x);
  const equation = `${spell(left)},${spell(right)}->${spell(out)}`;
  const value = rows.cut(
    graph.op('Einsum', [rows.filled(x.value, rankOf(x)), weightConstant(call, 'kernel', kernel)], { equation }),
  );
  const product: Tensor = { value, shape, type: 'float', mask: x.mask };
  const biasAxes = config.has('bias_axes') ? config.text('bias_axes') : undefined;
  if (biasAxes === undefined) return activated(call, product);
  const letters = [...spell(out)];
  const first = letters.findIndex(letter => biasAxes.includes(letter));
  const kept = letters.slice(first);
  const dims = kept.map(letter => (biasAxes.includes(letter) ? (sizes.get(letter) ?? null) : 1));
  const bias = weightConstant(call, 'bias', takeWeight(call, 'bias', dims));
  return activated(call, same(call, product, 'Add', bias));
}

function takeWeightOfAnyShape(call: LayerCall, rank: number): ReturnType<typeof takeWeight> {
  return takeWeight(call, 'kernel', new Array<null>(rank).fill(null));
}

function embedding(call: LayerCall): Tensor {
  const { config, graph } = call;
  const rows = config.whole('input_dim');
  const columns = config.whole('output_dim');
  config.ignore('input_length');
  const maskZero = config.flag('mask_zero', false);
  const table = weightConstant(call, 'embeddings', takeWeight(call, 'embeddings', [rows, columns]));
  // Keras cuts off the fraction of a float index.
  const index = castTo(graph, call.x, call.x.type === 'int64' ? 'int64' : 'int32');
  const mask = maskZero
    ? graph.op('Not', [graph.op('Equal', [index.value, graph.constant(index.type, [], [0])])])
    : undefined;
  if (maskZero && rankOf(index) !== 2) refuse(call, 'masks zeros of an input that is not [batch, steps]');
  return {
    value: graph.op('Gather', [table, index.value], { axis: 0n }),
    shape: [...index.shape, columns],
    type: 'float',
    mask,
  };
}

/** Steps whose features all equal the mask value are masked, and set to zero. */
function masking(call: LayerCall): Tensor {
  const { config, graph } = call;
  const maskValue = config.number('mask_value', 0);
  const x = asFloat(graph, call.x);
  if (rankOf(x) !== 3) refuse(call, 'masks an input that is not [batch, steps, features]');
  const differs = graph.op('Not', [graph.op('Equal', [x.value, scalar(graph, maskValue)])]);
  const counts = graph.op('ReduceMax', [graph.cast(differs, 'float'), graph.ints(2)], { keepdims: 1n });
  const mask = graph.op('Squeeze', [graph.cast(counts, 'bool'), graph.ints(2)]);
  return like(x, { value: graph.op('Mul', [x.value, counts]), mask });
}

/** Layers that do nothing when a model predicts; their options concern training only. */
function unchanged(...options: readonly string[]): (call: LayerCall) => Tensor {
  return call => {
    call.config.ignore(...options);
    call.to.notes.add(`${call.spec.className} layers do nothing at prediction and were dropped.`);
    return call.x;
  };
}

const family = 'core';
const trainingOnly = 'training only';

export const coreLayers: LayerTypes = {
  Dense: { family, mask: 'pass', emit: dense },
  EinsumDense: { family, emit: einsumDense },
  Embedding: { family, mask: 'use', emit: embedding },
  Masking: { family, mask: 'use', emit: masking },
  Identity: { family, mask: 'pass', emit: call => call.x },
  Dropout: { family: trainingOnly, mask: 'pass', emit: unchanged('rate', 'noise_shape') },
  SpatialDropout1D: { family: trainingOnly, mask: 'pass', emit: unchanged('rate', 'noise_shape') },
  SpatialDropout2D: { family: trainingOnly, mask: 'pass', emit: unchanged('rate', 'noise_shape', 'data_format') },
  SpatialDropout3D: { family: trainingOnly, mask: 'pass', emit: unchanged('rate', 'noise_shape', 'data_format') },
  AlphaDropout: { family: trainingOnly, mask: 'pass', emit: unchanged('rate', 'noise_shape') },
  GaussianDropout: { family: trainingOnly, mask: 'pass', emit: unchanged('rate', 'noise_shape') },
  GaussianNoise: { family: trainingOnly, mask: 'pass', emit: unchanged('stddev') },
  ActivityRegularization: { family: trainingOnly, mask: 'pass', emit: unchanged('l1', 'l2') },
};
