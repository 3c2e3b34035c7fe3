import { TuneFault } from '../fault.ts';
import type { Scalar, SpaceSpec } from '../space/params.ts';
import type { NestedParams } from '../space/space.ts';
import type { Activation, Layer, Network, NetworkInput, Norm } from './network.ts';

/** Choices of one block of layers; lists are the possible values. */
export interface BlockChoices {
  /** Fewest and most layers; from 0. */
  readonly depth: readonly [number, number];
  /** Units (dense) or channels (conv) of every layer, ascending; chosen layer by layer. */
  readonly widths: readonly number[];
  /** One for the whole block. @default ['relu'] */
  readonly activations?: readonly Activation[];
  /** One for the whole block. @default ['none'] */
  readonly norms?: readonly Norm[];
  /** Whether layers may add their input to their output (where the sizes agree). @default false */
  readonly skip?: boolean;
}

export interface ConvChoices extends BlockChoices {
  /** Odd sizes, one for the whole block. @default [3] */
  readonly kernels?: readonly number[];
  /** Every second layer halves the picture. @default true */
  readonly halve?: boolean;
}

export interface NetworkChoices {
  readonly input: NetworkInput;
  readonly outputs: number;
  /** Only for an image input. */
  readonly conv?: ConvChoices;
  readonly dense?: BlockChoices;
}

export interface NetworkSpace {
  /** For a study; the parameters of layers that do not exist are absent. */
  readonly space: SpaceSpec;
  /** The network of a suggestion. */
  networkOf(params: NestedParams): Network;
}

/**
 * A space of layered networks for any sampler: depth, the width of each layer, activation, norm and skips of a block of
 * convolutions and a block of dense layers, as groups `conv` and `dense` that can stand beside training parameters:
 * `{ ...networks.space, rate: float(1e-4, 1e-1, { log: true }) }`.
 *
 * @throws TuneFault 'bad_option'
 */
export function networkSpace(choices: NetworkChoices): NetworkSpace {
  const { input, outputs, conv, dense } = choices;
  if (conv && input.kind !== 'image') throw new TuneFault('bad_option', 'conv', 'needs an image input');
  if (!conv && !dense) throw new TuneFault('bad_option', 'dense', 'or conv must be given');
  if (!Number.isInteger(outputs) || outputs < 1)
    throw new TuneFault('bad_option', 'outputs', 'must be a whole number from 1');
  if (conv?.kernels?.some(k => !Number.isInteger(k) || k < 1 || k % 2 === 0))
    throw new TuneFault('bad_option', 'conv.kernels', 'must be odd whole numbers');
  const space: Record<string, SpaceSpec[string]> = {};
  if (conv) {
    const kernels = { kernel: { type: 'ordered', values: conv.kernels ?? [3] } } as const;
    space.conv = { type: 'group', space: { ...blockSpace('conv', conv), ...kernels } };
  }
  if (dense) space.dense = { type: 'group', space: blockSpace('dense', dense) };
  return {
    space,
    networkOf: params => ({ input, outputs, layers: [...convLayers(conv, params), ...denseLayers(dense, params)] }),
  };
}

function blockSpace(name: string, block: BlockChoices): SpaceSpec {
  const { depth, widths, activations = ['relu'], norms = ['none'], skip = false } = block;
  const [fewest, most] = depth;
  if (!Number.isInteger(fewest) || !Number.isInteger(most) || fewest < 0 || most < Math.max(1, fewest))
    throw new TuneFault('bad_option', `${name}.depth`, 'must be two whole numbers, the fewest and the most layers');
  if (widths.length === 0 || widths.some(w => !Number.isInteger(w) || w < 1))
    throw new TuneFault('bad_option', `${name}.widths`, 'must be whole numbers from 1');
  const spec: Record<string, SpaceSpec[string]> = { depth: { type: 'int', low: fewest, high: most } };
  for (let layer = 1; layer <= most; layer++)
    spec[`width${layer}`] = { type: 'ordered', values: widths, when: { depth: { atLeast: layer } } };
  spec.activation = { type: 'categorical', values: activations };
  spec.norm = { type: 'categorical', values: norms };
  if (skip) spec.skip = { type: 'categorical', values: [false, true] };
  return spec;
}

function isGroup(value: Scalar | undefined | NestedParams): value is NestedParams {
  return typeof value === 'object' && value !== null;
}

/** The chosen values of a block; empty when the space has none. */
function chosenOf(params: NestedParams, block: 'conv' | 'dense'): NestedParams {
  const chosen = params[block];
  if (!isGroup(chosen)) throw new TuneFault('bad_params', `they have no group "${block}"`);
  return chosen;
}

function widthsOf(chosen: NestedParams): readonly number[] {
  return Array.from({ length: Number(chosen.depth) }, (_, i) => Number(chosen[`width${i + 1}`]));
}

function oneOf<T extends string>(allowed: readonly T[], value: NestedParams[string]): T {
  const found = allowed.find(v => v === value);
  if (found === undefined) throw new TuneFault('bad_params', `${String(value)} is none of ${allowed.join(', ')}`);
  return found;
}

function convLayers(block: ConvChoices | undefined, params: NestedParams): readonly Layer[] {
  if (!block) return [];
  const chosen = chosenOf(params, 'conv');
  const widths = widthsOf(chosen);
  return widths.map((channels, i) => {
    const stride = (block.halve ?? true) && i % 2 === 1 ? 2 : 1;
    return {
      kind: 'conv',
      channels,
      kernel: Number(chosen.kernel),
      stride,
      activation: oneOf(block.activations ?? ['relu'], chosen.activation),
      norm: oneOf(block.norms ?? ['none'], chosen.norm),
      skip: chosen.skip === true && stride === 1 && i > 0 && widths[i - 1] === channels,
    };
  });
}

function denseLayers(block: BlockChoices | undefined, params: NestedParams): readonly Layer[] {
  if (!block) return [];
  const chosen = chosenOf(params, 'dense');
  const widths = widthsOf(chosen);
  return widths.map((units, i) => ({
    kind: 'dense',
    units,
    activation: oneOf(block.activations ?? ['relu'], chosen.activation),
    norm: oneOf(block.norms ?? ['none'], chosen.norm),
    skip: chosen.skip === true && i > 0 && widths[i - 1] === units,
  }));
}
