import { TuneFault } from '../fault.ts';
import type { Rng } from '../rng.ts';
import { type Activation, type Layer, type Network, widthOf } from './network.ts';

/**
 * Where the weights of one layer of the changed network come from; layer `layers.length` is the output. Weights of a
 * layer are `outputs x inputs x taps` numbers (taps: the positions of a convolution's kernel, 1 when dense) and a bias an
 * output.
 */
export type WeightSource =
  | {
      readonly kind: 'copy';
      /** Layer of the network before. */
      readonly from: number;
      /** For each output, the output before it is a copy of (bias and norm alike); absent: all, in order. */
      readonly outputs?: readonly number[];
      /** For each input, the input before; absent: all, in order. */
      readonly inputs?: readonly number[];
      /** Factor of each input's weights, so that copies of an input together weigh as much as it did. */
      readonly inputScale?: readonly number[];
    }
  /** 1 at the middle tap from each input to the same output, all else 0. */
  | { readonly kind: 'identity' }
  | { readonly kind: 'zero' };

/** A changed network that computes the same function once the weights are transferred. */
export interface Morphism {
  readonly network: Network;
  /** One entry a layer of the new network, the output last. */
  readonly weights: readonly WeightSource[];
}

const copies = (count: number): WeightSource[] => Array.from({ length: count }, (_, from) => ({ kind: 'copy', from }));

/** Activations with f(f(x)) = f(x): a layer of identity weights after them changes nothing. */
const idempotent: readonly Activation[] = ['none', 'relu'];

/**
 * Inserts a layer of the same size and kind after a hidden one: with a skip and zero weights, or identity weights where
 * the activation allows it (none, relu).
 *
 * Chen, Goodfellow & Shlens, Net2Net: accelerating learning via knowledge transfer, ICLR 2016 (Net2DeeperNet).
 *
 * @param after index of the layer
 * @throws TuneFault 'bad_option' when there is no such layer, or without a skip its activation is not idempotent
 */
export function deepen(network: Network, after: number, options: { readonly skip?: boolean } = {}): Morphism {
  const layer = layerAt(network, after, 'after');
  const skip = options.skip ?? false;
  if (!skip && !idempotent.includes(layer.activation))
    throw new TuneFault('bad_option', 'after', `names a layer with ${layer.activation}, which needs skip: true`);
  // A norm would rescale what has to stay as it is.
  const plain = { activation: layer.activation, norm: 'none', skip } as const;
  const added: Layer = layer.kind === 'dense' ? { ...layer, ...plain } : { ...layer, ...plain, stride: 1 };
  const weights = copies(network.layers.length + 1);
  weights.splice(after + 1, 0, { kind: skip ? 'zero' : 'identity' });
  return { network: { ...network, layers: network.layers.toSpliced(after + 1, 0, added) }, weights };
}

/**
 * Widens a layer: new units are copies of old ones drawn at random, and the next layer shares their weight among them.
 * Training has to break the symmetry, as dropout or a little noise does.
 *
 * Chen, Goodfellow & Shlens, Net2Net: accelerating learning via knowledge transfer, ICLR 2016 (Net2WiderNet).
 *
 * @param at index of the layer
 * @param width units or channels afterwards
 * @throws TuneFault 'bad_option' when there is no such layer, it is not narrower, it is normalised over its units, or a
 *   skip ties its width to that of a neighbour
 */
export function widen(network: Network, at: number, width: number, rng: Rng): Morphism {
  const layer = layerAt(network, at, 'at');
  const before = widthOf(layer);
  if (!Number.isInteger(width) || width <= before)
    throw new TuneFault('bad_option', 'width', `must be a whole number above ${before}`);
  if (layer.norm === 'layer')
    throw new TuneFault('bad_option', 'at', 'names a layer with layer norm, which copies of units would change');
  if (layer.skip || network.layers[at + 1]?.skip === true)
    throw new TuneFault('bad_option', 'at', 'names a layer whose width a skip ties to that of its neighbour');
  const outputs = Array.from({ length: width }, (_, i) => (i < before ? i : rng.int(before)));
  const uses = new Float64Array(before);
  for (const o of outputs) uses[o]! += 1;
  const weights = copies(network.layers.length + 1);
  weights[at] = { kind: 'copy', from: at, outputs };
  weights[at + 1] = { kind: 'copy', from: at + 1, inputs: outputs, inputScale: outputs.map(o => 1 / uses[o]!) };
  const widened: Layer = layer.kind === 'dense' ? { ...layer, units: width } : { ...layer, channels: width };
  return { network: { ...network, layers: network.layers.with(at, widened) }, weights };
}

function layerAt(network: Network, index: number, option: string): Layer {
  const layer = network.layers[index];
  if (!layer) throw new TuneFault('bad_option', option, `must be the index of one of ${network.layers.length} layers`);
  return layer;
}

/** Weights of one layer: `weight[(o * inputs + i) * taps + t]`, and a bias an output. */
export interface LayerWeights {
  readonly outputs: number;
  readonly inputs: number;
  readonly taps: number;
  readonly weight: Float64Array;
  readonly bias: Float64Array;
}

/**
 * The weights of the changed network. A training program in another language follows `weights` in the same way; this is
 * what they mean.
 */
export function transferWeights(morphism: Morphism, before: readonly LayerWeights[]): readonly LayerWeights[] {
  const { layers } = morphism.network;
  return morphism.weights.map((source, index) => {
    if (source.kind === 'copy') return copied(source, weightsAt(before, source.from));
    const layer = layerAt(morphism.network, index, 'weights');
    const size = widthOf(layers[index - 1] ?? layer);
    return fresh(size, layer.kind === 'conv' ? layer.kernel ** 2 : 1, source.kind === 'identity' ? 1 : 0);
  });
}

function weightsAt(before: readonly LayerWeights[], index: number): LayerWeights {
  const weights = before[index];
  if (!weights) throw new TuneFault('bad_option', 'before', `has no weights of layer ${index}`);
  return weights;
}

function copied(source: Extract<WeightSource, { kind: 'copy' }>, old: LayerWeights): LayerWeights {
  const outputs = source.outputs ?? Array.from({ length: old.outputs }, (_, o) => o);
  const inputs = source.inputs ?? Array.from({ length: old.inputs }, (_, i) => i);
  const weight = new Float64Array(outputs.length * inputs.length * old.taps);
  let at = 0;
  for (const o of outputs)
    for (const [k, i] of inputs.entries())
      for (let t = 0; t < old.taps; t++)
        weight[at++] = old.weight[(o * old.inputs + i) * old.taps + t]! * (source.inputScale?.[k] ?? 1);
  const bias = Float64Array.from(outputs, o => old.bias[o]!);
  return { outputs: outputs.length, inputs: inputs.length, taps: old.taps, weight, bias };
}

function fresh(size: number, taps: number, diagonal: number): LayerWeights {
  const weight = new Float64Array(size * size * taps);
  for (let u = 0; u < size; u++) weight[(u * size + u) * taps + (taps - 1) / 2] = diagonal;
  return { outputs: size, inputs: size, taps, weight, bias: new Float64Array(size) };
}
