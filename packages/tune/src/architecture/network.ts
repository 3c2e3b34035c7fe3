/** What follows the linear part of a layer. */
export type Activation = 'none' | 'relu' | 'leaky-relu' | 'tanh' | 'gelu' | 'silu';

/** batch: normalised over the batch, per unit or channel · layer: over the units of a sample. */
export type Norm = 'none' | 'batch' | 'layer';

interface HiddenLayer {
  readonly activation: Activation;
  readonly norm: Norm;
  /** The layer's input is added to its output; only where both have the same size. */
  readonly skip: boolean;
}

export interface DenseLayer extends HiddenLayer {
  readonly kind: 'dense';
  readonly units: number;
}

/** A square convolution, padded so that a stride of 1 keeps the size. */
export interface ConvLayer extends HiddenLayer {
  readonly kind: 'conv';
  readonly channels: number;
  /** Odd. */
  readonly kernel: number;
  readonly stride: number;
}

export type Layer = DenseLayer | ConvLayer;

/** What the network is given: a vector, or a picture. */
export type NetworkInput =
  | { readonly kind: 'features'; readonly size: number }
  | { readonly kind: 'image'; readonly height: number; readonly width: number; readonly channels: number };

/**
 * A layered network as plain data, to be built by a training program in any language: convolutions first, averaged over
 * the picture before the first dense layer, then dense layers, then a linear output.
 */
export interface Network {
  readonly input: NetworkInput;
  readonly layers: readonly Layer[];
  readonly outputs: number;
}

/** How expensive a network is, without running it. */
export interface NetworkCost {
  /** Trained numbers. */
  readonly parameters: number;
  /** Multiply-accumulate operations for one row. */
  readonly macs: number;
}

/**
 * Measures a network on the hardware it is for, in milliseconds a request; the third objective beside loss and size. In
 * `holdfast tune` it is the exported ONNX file that is measured.
 */
export type MeasureLatency = (network: Network) => Promise<number>;

/** Size and operations of a network: linear maps with bias, and two numbers a unit for a norm. */
export function costOf({ input, layers, outputs }: Network): NetworkCost {
  let size = input.kind === 'features' ? input.size : input.channels;
  let [height, width] = input.kind === 'features' ? [1, 1] : [input.height, input.width];
  let parameters = 0;
  let macs = 0;
  for (const layer of layers) {
    const out = widthOf(layer);
    const taps = layer.kind === 'conv' ? layer.kernel ** 2 : 1;
    if (layer.kind === 'conv') [height, width] = [Math.ceil(height / layer.stride), Math.ceil(width / layer.stride)];
    else [height, width] = [1, 1];
    parameters += out * (size * taps + 1) + (layer.norm === 'none' ? 0 : 2 * out);
    macs += out * size * taps * height * width;
    size = out;
  }
  return { parameters: parameters + outputs * (size + 1), macs: macs + outputs * size };
}

/** Units or channels of a layer. */
export function widthOf(layer: Layer): number {
  return layer.kind === 'dense' ? layer.units : layer.channels;
}
