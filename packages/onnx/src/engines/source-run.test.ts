import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { type Conversion, convert, type SourceFile } from '../convert/convert.ts';
import type { Verification } from '../convert/verify/verification.ts';
import { verifyConversion } from '../convert/verify/verify-conversion.ts';
import { buildTflite } from '../testing/build-tflite.ts';
import { hasFixtures, readFixture } from '../testing/fixtures.ts';
import { testRuntime } from '../testing/run-model.ts';
import { saveTfjs } from '../testing/save-tfjs.ts';
import { spoilAttribute, spoilScale, spoilWeights } from '../testing/spoil-model.ts';
import { findEngine } from './source-run.ts';

type Source = Uint8Array | readonly SourceFile[];

async function verified(source: Source, conversion?: Conversion): Promise<Verification> {
  return verifyConversion(source, conversion ?? (await convert(source)), {
    run: await testRuntime(),
    engineFor: (converted, files) => findEngine(converted, files, {}),
  });
}

async function refusal(source: Source, spoil: (model: Uint8Array) => Uint8Array): Promise<unknown> {
  const conversion = await convert(source);
  return verified(source, { ...conversion, model: spoil(conversion.model) }).catch((error: unknown) => error);
}

const isWrong = expect.objectContaining({ code: 'conversion_wrong' });

/** An embedding, a convolution over steps, a pool and a dense layer, with weights that are not those of a fresh model. */
async function layersModel(): Promise<SourceFile[]> {
  const { layers: l } = tf;
  const model = tf.sequential({
    layers: [
      l.embedding({ inputDim: 20, outputDim: 4, inputLength: 6 }),
      l.conv1d({ filters: 3, kernelSize: 2, activation: 'elu' }),
      l.globalMaxPooling1d(),
      l.dense({ units: 2, activation: 'softmax' }),
    ],
  });
  model.setWeights(
    model.getWeights().map((weight, k) => {
      const values = Array.from({ length: weight.size }, (_, i) => Math.sin(3 * i + k));
      return tf.tensor(values, weight.shape);
    }),
  );
  return saveTfjs(model);
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** A graph model of TF.js: leaky(x . weights), or another operator in place of the last. */
function graphModel(op = 'LeakyRelu'): SourceFile[] {
  const weights = Float32Array.from({ length: 6 }, (_, i) => Math.cos(i));
  const float = { type: 'DT_FLOAT' };
  const document = {
    format: 'graph-model',
    modelTopology: {
      node: [
        {
          name: 'x',
          op: 'Placeholder',
          attr: { dtype: float, shape: { shape: { dim: [{ size: '-1' }, { size: '3' }] } } },
        },
        { name: 'w', op: 'Const', attr: { dtype: float } },
        { name: 'product', op: 'MatMul', input: ['x', 'w'], attr: { T: float } },
        {
          name: 'y',
          op,
          input: op === 'LeakyRelu' ? ['product'] : ['product', 'product'],
          attr: { T: float, ...(op === 'LeakyRelu' && { alpha: { f: 0.25 } }), note: { s: base64('kept') } },
        },
      ],
    },
    weightsManifest: [{ paths: ['w.bin'], weights: [{ name: 'w', shape: [3, 2], dtype: 'float32' }] }],
  };
  return [
    { name: 'model.json', bytes: new TextEncoder().encode(JSON.stringify(document)) },
    { name: 'w.bin', bytes: new Uint8Array(weights.buffer) },
  ];
}

/** x + y over numbers, real or quantised. */
function tfliteSum(type: 'FLOAT32' | 'INT8'): Uint8Array {
  const quantised = (scale: number) => (type === 'INT8' ? { scale, zero: 3 } : {});
  const shape = [1, 400];
  const values = Array.from({ length: 400 }, (_, i) => (type === 'INT8' ? i % 100 : Math.sin(i)));
  return buildTflite([
    {
      tensors: [
        { type, shape, ...quantised(0.05) },
        { type, shape, values, ...quantised(0.02) },
        { type, shape, ...quantised(0.06) },
      ],
      operators: [{ name: 'ADD', inputs: [0, 1], outputs: [2], options: [11, {}] }],
      inputs: [0],
      outputs: [2],
    },
  ]);
}

test('a layers model agrees with TF.js, and one wrong weight in its graph is found', async () => {
  const files = await layersModel();
  const verification = await verified(files);
  expect(verification).toMatchObject({ kind: 'agrees', how: expect.stringContaining('TensorFlow.js 4.22.0') });
  expect(verification.outputs[0]?.largestAbsolute).toBeLessThan(1e-6);
  expect(await refusal(files, model => spoilWeights(model, 0.01))).toEqual(isWrong);
});

test('a graph model agrees with TF.js, and a wrong weight or option in its graph is found', async () => {
  const files = graphModel();
  expect(await verified(files)).toMatchObject({ kind: 'agrees', rows: 16 });
  expect(await refusal(files, model => spoilWeights(model, 0.01))).toEqual(isWrong);
  const slope = (model: Uint8Array): Uint8Array => spoilAttribute(model, 'alpha', given => ({ ...given, f: 0.24 }));
  expect(await refusal(files, slope)).toEqual(isWrong);
});

test('an operator that TF.js has not is a reason not to compare, not to refuse', async () => {
  const verification = await verified(graphModel('Xdivy'));
  expect(verification).toMatchObject({ kind: 'not-compared', outputs: [] });
  expect(verification.how).toMatch(/^Not verified by an independent engine: TensorFlow.js cannot run .*Xdivy/);
});

test('real and quantised TFLite models agree with the official interpreter, and a wrong constant is found', async () => {
  const real = tfliteSum('FLOAT32');
  expect(await verified(real)).toMatchObject({ kind: 'agrees', outputs: [{ bar: { kind: 'near' } }] });
  expect(await refusal(real, model => spoilWeights(model, 0.01))).toEqual(isWrong);
  const quantised = tfliteSum('INT8');
  const verification = await verified(quantised);
  expect(verification).toMatchObject({
    kind: 'agrees',
    outputs: [{ bar: { kind: 'steps', stepSize: 1 }, elements: 6400 }],
  });
  expect(await refusal(quantised, model => spoilScale(model, 1.1))).toEqual(isWrong);
});

test.skipIf(!hasFixtures).each([
  ['graphdef/tf2onnx_regression', ['frozen.pb']],
  ['keras/cnn_digits', ['model.keras']],
  ['keras/dense_bn_iris', ['model.h5']],
  ['tfjs/layers_cnn', ['model.json', 'weights.bin']],
  ['tflite/hello_world_int8', ['hello_world_int8.tflite']],
  ['tflite/mnist_lstm_float', ['trained_lstm.tflite']],
])('%s agrees with the engine of its framework', async (folder, names) => {
  const files = names.map(name => ({ name, bytes: readFixture(`${folder}/${name}`) }));
  expect(await verified(files)).toMatchObject({ kind: 'agrees' });
});

test.skipIf(!hasFixtures)('one wrong weight of a Keras model is found, and layers TF.js lacks are named', async () => {
  const digits = readFixture('keras/cnn_digits/model.h5');
  expect(await refusal(digits, model => spoilWeights(model, 0.01))).toEqual(isWrong);
  const siamese = await verified(readFixture('keras/nested_shared_siamese/model.keras'));
  expect(siamese).toMatchObject({
    kind: 'not-compared',
    how: expect.stringMatching(/TensorFlow.js cannot run .*layer "/),
  });
});
