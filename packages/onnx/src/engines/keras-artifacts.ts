import type { io, LayersModel } from '@tensorflow/tfjs';
import type { Argument, LayerSpec, ModelSpec } from '../convert/keras/architecture.ts';
import { isList, type Json } from '../convert/keras/config.ts';
import { isOperation } from '../convert/keras/operations.ts';
import type { SavedModel } from '../convert/keras/saved-model.ts';
import type { LayerWeights, Weight } from '../convert/keras/weights.ts';
import type { Tensorflow } from './load-tensorflow-js.ts';

/** A Keras model as TensorFlow.js builds it, and its weights. */
export interface KerasArtifacts {
  readonly artifacts: io.ModelArtifacts;
  /** Puts the weights of the file into the built model. */
  readonly fill: (tf: Tensorflow, model: LayersModel) => void;
}

const convolution = 'filters kernel_size strides padding data_format dilation_rate activation use_bias';
const pool = 'pool_size strides padding data_format';
const recurrent = 'units activation use_bias return_sequences go_backwards';

/** Layers that TensorFlow.js computes as Keras does, with the options it knows of them. */
const layers: Readonly<Record<string, string>> = {
  Activation: 'activation',
  Add: '',
  AlphaDropout: 'rate',
  Average: '',
  AveragePooling1D: pool,
  AveragePooling2D: pool,
  BatchNormalization: 'axis epsilon center scale',
  Concatenate: 'axis',
  Conv1D: convolution,
  Conv2D: convolution,
  Conv2DTranspose: 'filters kernel_size strides padding data_format activation use_bias',
  Cropping2D: 'cropping data_format',
  Dense: 'units activation use_bias',
  DepthwiseConv2D: 'kernel_size strides padding data_format dilation_rate depth_multiplier activation use_bias',
  Dropout: 'rate',
  ELU: 'alpha',
  Embedding: 'input_dim output_dim',
  Flatten: 'data_format',
  GaussianDropout: 'rate',
  GaussianNoise: 'stddev',
  GlobalAveragePooling1D: 'data_format',
  GlobalAveragePooling2D: 'data_format',
  GlobalMaxPooling1D: 'data_format',
  GlobalMaxPooling2D: 'data_format',
  LSTM: `${recurrent} recurrent_activation unit_forget_bias`,
  LayerNormalization: 'axis epsilon center scale',
  MaxPooling1D: pool,
  MaxPooling2D: pool,
  Maximum: '',
  Minimum: '',
  Multiply: '',
  Permute: 'dims',
  ReLU: 'max_value',
  RepeatVector: 'n',
  Reshape: 'target_shape',
  SeparableConv2D: `${convolution} depth_multiplier`,
  SimpleRNN: recurrent,
  Softmax: 'axis',
  SpatialDropout1D: 'rate',
  UpSampling2D: 'size data_format interpolation',
  ZeroPadding2D: 'padding data_format',
};

/** Activations that are the same function in both; Keras 3 has another `hard_sigmoid`. */
const activations = new Set(
  'linear relu relu6 softmax sigmoid tanh elu selu softplus softsign swish mish gelu'.split(' '),
);

const withoutEffect =
  /^(name|trainable|dtype|batch_input_shape|batch_shape|build_config|input_length|seed|noise_shape|implementation|unroll|use_cudnn|autocast|sparse|ragged|quantization_config|registered_name|momentum|synchronized|renorm_.*|lora_.*|(.*_)?(initializer|regularizer|constraint|dropout))$/;

const isNeutral = (key: string, value: Json): boolean =>
  value === null ||
  value === false ||
  value === 0 ||
  (key === 'groups' && value === 1) ||
  (key === 'dilation_rate' && isList(value) && value.every(rate => rate === 1));

function titled({ name, className }: LayerSpec): string {
  return `layer "${name}" (${className})`;
}

function configOf(spec: LayerSpec): Record<string, Json> {
  const known = layers[spec.className];
  if (known === undefined || spec.model !== undefined || isOperation(spec))
    throw new Error(`${titled(spec)} is not one that it computes as Keras does`);
  const config: Record<string, Json> = { name: spec.name };
  for (const [key, value] of Object.entries(spec.config)) {
    if (known.split(' ').includes(key)) config[key] = ownValue(spec, key, value);
    else if (!withoutEffect.test(key) && !isNeutral(key, value))
      throw new Error(`${titled(spec)} has the option ${key}, which it lacks`);
  }
  // The weights come from the file; drawing orthogonal ones first would take long.
  const zeros = { class_name: 'Zeros', config: {} };
  if (spec.className === 'LSTM' || spec.className === 'SimpleRNN')
    return { ...config, kernel_initializer: zeros, recurrent_initializer: zeros };
  return config;
}

function ownValue(spec: LayerSpec, key: string, value: Json): Json {
  if (value === 'channels_first') throw new Error(`${titled(spec)} has its channels first`);
  if (key === 'interpolation' && value !== 'nearest') throw new Error(`${titled(spec)} places its pixels otherwise`);
  if (key === 'axis' && isList(value) && value.length === 1) return value[0] ?? -1;
  if (key !== 'activation' && key !== 'recurrent_activation') return value;
  const name = value === 'silu' ? 'swish' : (value ?? 'linear');
  if (typeof name !== 'string' || !activations.has(name))
    throw new Error(`${titled(spec)} has the activation ${JSON.stringify(value)}, which differs between the two`);
  return name;
}

function inputConfig(spec: LayerSpec): Record<string, Json> {
  const shape = spec.config.batch_shape ?? spec.config.batch_input_shape;
  if (!isList(shape)) throw new Error(`${titled(spec)} does not say its shape`);
  const isWhole = typeof spec.config.dtype === 'string' && spec.config.dtype.startsWith('int');
  return { name: spec.name, batch_input_shape: shape, dtype: isWhole ? 'int32' : 'float32' };
}

type Place = [string, number, number, object];

function placesOf(spec: LayerSpec, argument: Argument): Place[] {
  if (argument.kind === 'ref') return [[argument.layer, argument.node, argument.tensor, {}]];
  if (argument.kind === 'list') return argument.items.flatMap(item => placesOf(spec, item));
  throw new Error(`${titled(spec)} is called with a plain value`);
}

function nodesOf(spec: LayerSpec): Place[][] {
  return spec.calls.map(({ args, kwargs }) => {
    for (const [key, value] of kwargs)
      if (value.kind !== 'value' || !isNeutral(key, value.value))
        throw new Error(`${titled(spec)} is called with ${key}`);
    return args.flatMap(argument => placesOf(spec, argument));
  });
}

function topologyOf(model: ModelSpec): object {
  const entries = model.layers.map(spec => {
    const isInput = spec.className === 'InputLayer';
    return {
      class_name: spec.className,
      name: spec.name,
      config: isInput ? inputConfig(spec) : configOf(spec),
      inbound_nodes: isInput ? [] : nodesOf(spec),
    };
  });
  const place = (ref: { layer: string; node: number; tensor: number }): unknown[] => [ref.layer, ref.node, ref.tensor];
  return {
    class_name: 'Model',
    config: {
      name: model.name,
      layers: entries,
      input_layers: model.inputs.map(place),
      output_layers: model.outputs.map(({ ref }) => place(ref)),
    },
  };
}

/** The weights of a layer in the order in which the layer makes them, which is that of TensorFlow.js. */
function ownWeights(spec: LayerSpec, weights: LayerWeights): Weight[] {
  const from = spec.className === 'LSTM' || spec.className === 'SimpleRNN' ? weights.child('cell') : weights;
  const found: Weight[] = [];
  for (let weight = from.next(); weight !== undefined; weight = from.next()) found.push(weight);
  return found;
}

/**
 * Describes a Keras model to TensorFlow.js, which reads the older of Keras's own descriptions.
 * @throws Error naming the first layer or option that the two do not compute alike
 */
export function kerasArtifacts({ architecture, weights }: SavedModel): KerasArtifacts {
  const modelTopology = topologyOf(architecture);
  const places = weights.model(architecture.layers.map(({ name, className }) => ({ name, className })));
  const fill = (tf: Tensorflow, model: LayersModel): void => {
    architecture.layers.forEach((spec, i) => {
      const own = spec.className === 'InputLayer' ? [] : ownWeights(spec, places(i));
      if (own.length === 0) return;
      const tensors = own.map(({ dims, raw }) => {
        const bytes = raw().slice();
        return tf.tensor(new Float32Array(bytes.buffer, 0, bytes.length / 4), [...dims], 'float32');
      });
      model.getLayer(spec.name).setWeights(tensors);
    });
  };
  return { artifacts: { modelTopology }, fill };
}
