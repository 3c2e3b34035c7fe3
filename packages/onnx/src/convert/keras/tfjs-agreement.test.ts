import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { checkModel } from '../../check/check-model.ts';
import { saveTfjs } from '../../testing/save-tfjs.ts';
import { convert } from '../convert.ts';

type Layer = tf.layers.Layer;

/** A number generator of its own, so that weights and inputs are the same in every run. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Gives every weight a value away from its initial one; variances stay positive. */
function randomize(model: tf.LayersModel, random: () => number): void {
  model.setWeights(
    model.weights.map(weight => {
      const isVariance = weight.name.includes('variance');
      const count = weight.shape.reduce<number>((product, size) => product * (size ?? 1), 1);
      const values = Array.from({ length: count }, () => (isVariance ? 0.5 + random() : random() - 0.5));
      return tf.tensor(
        values,
        weight.shape.map(size => size ?? 1),
      );
    }),
  );
}

async function disagreement(model: tf.LayersModel, seed: number, top?: number): Promise<number> {
  const random = generator(seed);
  randomize(model, random);
  const shape = model.inputs[0]!.shape.map((size, i) => (i === 0 ? 3 : (size ?? 6)));
  const count = shape.reduce((product, size) => product * size, 1);
  const data = Float32Array.from({ length: count }, () =>
    top === undefined ? random() * 2 - 1 : Math.floor(random() * top),
  );
  const predicted = model.predict(tf.tensor(data, shape));
  const { model: bytes } = await convert(await saveTfjs(model));
  expect(checkModel(bytes)).toEqual({ leftToRuntime: [] });
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const results = await session.run({ [session.inputNames[0]!]: new Tensor('float32', data, shape) });
  let worst = 0;
  for (const [i, output] of [predicted].flat().entries()) {
    const ours = results[session.outputNames[i]!]!;
    expect(ours.dims).toEqual(output.shape);
    const theirs = output.dataSync();
    theirs.forEach((value, at) => {
      worst = Math.max(worst, Math.abs(value - Number(ours.data[at])) / Math.max(1, Math.abs(value)));
    });
  }
  await session.release();
  return worst;
}

const l = tf.layers;
const padding = fc.constantFrom('valid' as const, 'same' as const);
const small = fc.integer({ min: 1, max: 3 });
const activation = fc.constantFrom(
  ...([
    'elu',
    'hardSigmoid',
    'linear',
    'relu',
    'relu6',
    'selu',
    'sigmoid',
    'softmax',
    'softplus',
    'softsign',
    'tanh',
    'swish',
    'mish',
    'gelu',
  ] as const),
);

/** One random layer; `make` is called for each model, since a layer belongs to one. */
const imageLayer: fc.Arbitrary<() => Layer> = fc.oneof(
  fc
    .record({ kernelSize: small, strides: small, padding, activation, filters: small, useBias: fc.boolean() })
    .map(options => () => l.conv2d(options)),
  fc
    .record({ kernelSize: fc.constant(2), dilationRate: fc.constant(2), padding, filters: small })
    .map(options => () => l.conv2d(options)),
  fc
    .record({ kernelSize: small, strides: small, padding, depthMultiplier: small, activation })
    .map(options => () => l.depthwiseConv2d(options)),
  fc
    .record({ kernelSize: small, padding, filters: small, activation })
    .map(options => () => l.separableConv2d(options)),
  fc
    .record({ kernelSize: small, strides: small, padding, filters: small, activation })
    .map(options => () => l.conv2dTranspose(options)),
  fc.record({ poolSize: small, strides: small, padding }).map(options => () => l.maxPooling2d(options)),
  fc.record({ poolSize: small, strides: small, padding }).map(options => () => l.averagePooling2d(options)),
  fc
    .record({
      size: fc.constantFrom<[number, number]>([2, 2], [1, 3]),
      interpolation: fc.constantFrom('nearest' as const, 'bilinear' as const),
    })
    .map(options => () => l.upSampling2d(options)),
  fc.constant(() =>
    l.zeroPadding2d({
      padding: [
        [1, 0],
        [2, 1],
      ],
    }),
  ),
  fc.constant(() => l.prelu({ sharedAxes: [1, 2] })),
  fc
    .record({ axis: fc.constantFrom(-1, 1, 3), scale: fc.boolean(), center: fc.boolean() })
    .map(options => () => l.batchNormalization(options)),
  fc.record({ axis: fc.constantFrom(-1, 3) }).map(options => () => l.layerNormalization(options)),
  fc.constant(() => l.permute({ dims: [2, 1, 3] })),
  fc.constant(() => l.dropout({ rate: 0.5 })),
  activation.map(name => () => l.activation({ activation: name })),
  fc.constant(() => l.leakyReLU({ alpha: 0.2 })),
  fc.constant(() => l.elu({ alpha: 0.7 })),
  fc.constant(() => l.reLU({ maxValue: 0.4 })),
  fc.constant(() => l.thresholdedReLU({ theta: 0.3 })),
);

const cell = fc.record({
  units: small,
  activation: fc.constantFrom('tanh' as const, 'relu' as const, 'elu' as const, 'sigmoid' as const),
  useBias: fc.boolean(),
  goBackwards: fc.boolean(),
});
const gated = fc.record({ cell, recurrentActivation: fc.constantFrom('hardSigmoid' as const, 'sigmoid' as const) });

const recurrentLayer: fc.Arbitrary<(returnSequences: boolean) => tf.layers.RNN> = fc.oneof(
  gated.map(
    options => (returnSequences: boolean) =>
      l.lstm({ ...options.cell, recurrentActivation: options.recurrentActivation, returnSequences }),
  ),
  gated.map(
    options => (returnSequences: boolean) =>
      l.gru({ ...options.cell, recurrentActivation: options.recurrentActivation, returnSequences }),
  ),
  cell.map(options => (returnSequences: boolean) => l.simpleRNN({ ...options, returnSequences })),
);

const mergeMode = fc.constantFrom('concat' as const, 'sum' as const, 'mul' as const, 'ave' as const);
const sequenceLayer: fc.Arbitrary<() => Layer> = fc.oneof(
  recurrentLayer.map(make => () => make(true)),
  fc.tuple(gated, mergeMode).map(
    ([options, mode]) =>
      () =>
        l.bidirectional({
          layer: l.lstm({
            ...options.cell,
            goBackwards: false,
            recurrentActivation: options.recurrentActivation,
            returnSequences: true,
          }),
          mergeMode: mode,
        }),
  ),
  fc
    .record({ filters: small, kernelSize: small, strides: fc.constant(1), padding, activation })
    .map(options => () => l.conv1d(options)),
  fc
    .record({ filters: small, kernelSize: fc.constant(2), dilationRate: fc.constant(2), padding })
    .map(options => () => l.conv1d(options)),
  fc
    .record({ poolSize: fc.constant(2), strides: fc.constant(1), padding })
    .map(options => () => l.maxPooling1d(options)),
  fc
    .record({ poolSize: fc.constant(2), strides: fc.constant(1), padding })
    .map(options => () => l.averagePooling1d(options)),
  activation.map(name => () => l.timeDistributed({ layer: l.dense({ units: 3, activation: name }) })),
  fc.constant(() => l.batchNormalization({})),
  fc.constant(() => l.layerNormalization({})),
  fc.constant(() => l.permute({ dims: [2, 1] })),
  fc.constant(() => l.dense({ units: 3 })),
);

const draw = <T>(arbitrary: fc.Arbitrary<T>, count: number, seed: number): T[] =>
  fc.sample(arbitrary, { seed, numRuns: count });

/** Adds layers to a model as long as they fit its shape; a window larger than its input is left out. */
function stacked(
  inputShape: number[],
  layers: readonly (() => Layer)[],
  ...ends: readonly (() => Layer)[]
): tf.LayersModel {
  const input = tf.input({ shape: inputShape });
  let x = input;
  for (const make of [...layers, ...ends]) {
    try {
      const next = make().apply(x);
      if (!(next instanceof tf.SymbolicTensor) || next.shape.slice(1).some(size => size !== null && size < 1)) continue;
      x = next;
    } catch {
      // TF.js refuses a layer that does not fit; the next one is tried on the same input.
    }
  }
  return tf.model({ inputs: input, outputs: x });
}

test('random image models of TF.js answer the same after conversion', async () => {
  for (const [i, layers] of draw(fc.array(imageLayer, { minLength: 1, maxLength: 5 }), 60, 1).entries()) {
    const model = stacked([7, 6, 3], layers, i % 2 === 0 ? () => l.flatten() : () => l.globalAveragePooling2d({}), () =>
      l.dense({ units: 2 }),
    );
    expect(await disagreement(model, i), JSON.stringify(model.toJSON(null, false))).toBeLessThan(2e-5);
    model.dispose();
  }
});

test('random sequence models of TF.js answer the same after conversion', async () => {
  for (const [i, layers] of draw(fc.array(sequenceLayer, { minLength: 1, maxLength: 4 }), 60, 2).entries()) {
    const [last] = draw(recurrentLayer, 1, i);
    const model = stacked([6, 3], layers, i % 2 === 0 ? () => last!(false) : () => l.globalMaxPooling1d());
    expect(await disagreement(model, i), JSON.stringify(model.toJSON(null, false))).toBeLessThan(2e-5);
    model.dispose();
  }
});

test('masked steps of TF.js are followed exactly', async () => {
  for (const [i, make] of draw(recurrentLayer, 12, 3).entries()) {
    const input = tf.input({ shape: [6] });
    const embedded = l.embedding({ inputDim: 5, outputDim: 3, maskZero: true }).apply(input);
    const first = make(true).apply(embedded);
    const second = l.lstm({ units: 2 }).apply(first);
    if (!(second instanceof tf.SymbolicTensor)) throw new Error('expected one output');
    const model = tf.model({ inputs: input, outputs: second });
    expect(await disagreement(model, i, 3), JSON.stringify(model.toJSON(null, false))).toBeLessThan(2e-5);
  }
});

test('branches that share layers and meet again answer the same', async () => {
  const merges: readonly ((inputs: tf.SymbolicTensor[]) => unknown)[] = [
    inputs => l.add().apply(inputs),
    inputs => l.multiply().apply(inputs),
    inputs => l.average().apply(inputs),
    inputs => l.maximum().apply(inputs),
    inputs => l.minimum().apply(inputs),
    inputs => l.concatenate({ axis: 1 }).apply(inputs),
    inputs => l.dot({ axes: -1, normalize: true }).apply(inputs),
  ];
  for (const [i, merge] of merges.entries()) {
    const input = tf.input({ shape: [4, 6] });
    const tower = tf.sequential({
      layers: [l.dense({ units: 5, activation: 'tanh', inputShape: [4, 6] }), l.dense({ units: 3 })],
    });
    const a = tower.apply(input);
    const b = tower.apply(l.activation({ activation: 'sigmoid' }).apply(input));
    if (!(a instanceof tf.SymbolicTensor) || !(b instanceof tf.SymbolicTensor)) throw new Error('expected tensors');
    const merged = merge([a, b]);
    if (!(merged instanceof tf.SymbolicTensor)) throw new Error('expected a tensor');
    const flat = l.flatten().apply(merged);
    const repeated = l.repeatVector({ n: 2 }).apply(flat);
    if (!(repeated instanceof tf.SymbolicTensor)) throw new Error('expected a tensor');
    const model = tf.model({ inputs: input, outputs: [repeated, a] });
    expect(await disagreement(model, i)).toBeLessThan(2e-5);
  }
});
