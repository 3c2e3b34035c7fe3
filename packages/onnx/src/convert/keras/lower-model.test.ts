import { expect, test } from 'vitest';
import { writeModel } from '../../model/write-model.ts';
import { runOnnx } from '../../testing/run-onnx.ts';
import { readArchitecture } from './architecture.ts';
import type { Json } from './config.ts';
import { lowerModel } from './lower-model.ts';
import type { Flavour } from './lowering.ts';
import { ListedWeights, weightOf } from './weights.ts';

type Ref = [string, number, number];

const ref = (layer: string): Ref => [layer, 0, 0];

/** A layer as Keras 2 writes it: its calls are lists of inputs, each with the arguments of the call. */
function layer(className: string, name: string, config: { readonly [key: string]: Json }, ...inputs: Json[]): Json {
  return {
    class_name: className,
    name,
    config: { name, trainable: true, ...config },
    inbound_nodes: inputs.length === 0 ? [] : [inputs.map(input => (Array.isArray(input) ? input : [input, 0, 0, {}]))],
  };
}

/** A layer as Keras 3 writes it, with a call of tensors and plain arguments. */
function newLayer(className: string, name: string, config: { readonly [key: string]: Json }, ...args: Json[]): Json {
  return {
    module: 'keras.layers',
    class_name: className,
    name,
    config: { name, trainable: true, ...config },
    inbound_nodes: [{ args, kwargs: {} }],
  };
}

const tensor = (name: string): Json => ({ class_name: '__keras_tensor__', config: { keras_history: ref(name) } });

const input = (name: string, shape: readonly (number | null)[], dtype = 'float32'): Json =>
  layer('InputLayer', name, { batch_shape: [null, ...shape], dtype });

function functional(layers: readonly Json[], output: string, inputs: readonly string[] = ['x']): Json {
  return {
    class_name: 'Functional',
    config: { name: 'net', layers, input_layers: inputs.map(ref), output_layers: [ref(output)] },
  };
}

interface Given {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

function lowered(model: Json, flavour: Flavour, weights: Readonly<Record<string, Given>> = {}): Uint8Array {
  const list = Object.entries(weights).map(([name, { shape, values }]) =>
    weightOf(name, shape, 'float32', () => new Uint8Array(Float32Array.from(values).buffer)),
  );
  const { graph } = lowerModel(readArchitecture(model), new ListedWeights(list, 'net'), flavour);
  return writeModel(graph.finish([], ''));
}

const embedding = (name: string, maskZero: boolean): Json =>
  layer('Embedding', name, { input_dim: 3, output_dim: 1, mask_zero: maskZero }, 'x');

const tables = {
  'words/embeddings:0': { shape: [3, 1], values: [0, 2, 4] },
  'places/embeddings:0': { shape: [3, 1], values: [10, 10, 10] },
};

test('a mask goes on through a sum whose other input has none, as Keras 2 does', async () => {
  const model = functional(
    [
      input('x', [3]),
      embedding('words', true),
      embedding('places', false),
      layer('Add', 'sum', {}, 'words', 'places'),
      layer('GlobalAveragePooling1D', 'mean', {}, 'sum'),
    ],
    'mean',
  );
  const [mean] = await runOnnx(lowered(model, 'keras2', tables), [[1, 2, 0]], [[1, 3]]);
  expect(mean?.data).toEqual([13]);
});

test('the mask that a call gives a model inside reaches its layers', async () => {
  const inner = functional([input('y', [2, 1]), layer('GlobalAveragePooling1D', 'mean', {}, 'y')], 'mean', ['y']) as {
    readonly config: Json;
  };
  const call = [['x', 0, 0, { mask: ref('flags') }]];
  const model = functional(
    [
      input('x', [2, 1]),
      input('flags', [2], 'bool'),
      { class_name: 'Functional', name: 'inner', config: inner.config, inbound_nodes: [call] },
    ],
    'inner',
    ['x', 'flags'],
  );
  const [mean] = await runOnnx(
    lowered(model, 'keras2'),
    [
      [3, 5],
      [0, 1],
    ],
    [
      [1, 2, 1],
      [1, 2],
    ],
  );
  expect(mean?.data).toEqual([5]);
});

test('a ReLU gives 0 at its threshold', async () => {
  const model = functional([input('x', [3]), layer('ReLU', 'relu', { threshold: 1 }, 'x')], 'relu');
  const [out] = await runOnnx(lowered(model, 'keras2'), [[0.5, 1, 1.5]], [[1, 3]]);
  expect(out?.data.map(value => value + 0)).toEqual([0, 0, 1.5]);
});

test('whole numbers stay whole beyond what float32 counts', async () => {
  const add = layer('TFOpLambda', 'total', { function: 'math.add' }, ['far', 0, 0, { y: ref('b') }]);
  const far = layer('TFOpLambda', 'far', { function: 'math.abs' }, 'a');
  const model = functional([input('a', [1], 'int32'), input('b', [1], 'int64'), far, add], 'total', ['a', 'b']);
  const [out] = await runOnnx(
    lowered(model, 'keras2'),
    [[-16777217], [2]],
    [
      [1, 1],
      [1, 1],
    ],
  );
  expect(out?.data).toEqual([16777219]);
});

const refusals: [string, Json[], RegExp, Flavour][] = [
  [
    'an activation of another package, whatever its name',
    [input('x', [3]), layer('Dense', 'out', { units: 1, activation: 'mylib>gelu' }, 'x')],
    /activation "mylib>gelu"/,
    'keras2',
  ],
  [
    'a slice that ends where the run says',
    [
      input('x', [3]),
      layer('SlicingOpLambda', 'out', { function: '__operators__.getitem' }, [
        'x',
        0,
        0,
        {
          slice_spec: [
            { start: null, stop: null, step: null },
            { start: ref('x'), stop: null, step: null },
          ],
        },
      ]),
    ],
    /a place that is computed/,
    'keras2',
  ],
  [
    'a mask given by place to a layer that cannot use it',
    [input('x', [3]), newLayer('Softmax', 'out', { axis: -1 }, tensor('x'), tensor('x'))],
    /is called with a mask/,
    'keras3',
  ],
  [
    'an argument by place that the layer does not take',
    [input('x', [3]), newLayer('Dense', 'out', { units: 1 }, tensor('x'), tensor('x'))],
    /called with 2 arguments/,
    'keras3',
  ],
  [
    'a cell of another package that is called like one of Keras',
    [
      input('x', [3, 1]),
      layer('RNN', 'out', { cell: { module: 'mylib', class_name: 'LSTMCell', config: { units: 1 } } }, 'x'),
    ],
    /LSTMCell of another package/,
    'keras3',
  ],
];

test.each(refusals)('%s is refused', (_, layers, message, flavour) => {
  const weights = {
    'out/kernel:0': { shape: [3, 1], values: [1, 2, 3] },
    'out/bias:0': { shape: [1], values: [0] },
  };
  expect(() => lowered(functional(layers, 'out'), flavour, weights)).toThrow(message);
});
