import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkModel } from '../../check/check-model.ts';
import { OnnxError } from '../../onnx-error.ts';
import { hasFixtures, readFixture } from '../../testing/fixtures.ts';
import { convert, type SourceFile } from '../convert.ts';

interface Values {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data?: readonly number[];
  readonly file?: string;
}

interface Case {
  readonly inputs: Readonly<Record<string, Values>>;
  readonly outputs: Readonly<Record<string, Values>>;
}

function readCase(folder: string): Case {
  const value: Case = JSON.parse(new TextDecoder().decode(readFixture(`${folder}/io/case0.json`)));
  return value;
}

function numbers(folder: string, { data, file }: Values): Float32Array {
  if (data !== undefined) return Float32Array.from(data);
  return new Float32Array(readFixture(`${folder}/io/${file}`).slice().buffer);
}

async function run(
  model: Uint8Array,
  inputs: readonly { readonly shape: readonly number[]; readonly data: Float32Array }[],
) {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(model, { logSeverityLevel: 4 });
  const feeds = Object.fromEntries(
    session.inputNames.map((name, i) => {
      const meta = session.inputMetadata[i];
      const { shape, data } = inputs[i]!;
      const type = meta?.isTensor === true ? meta.type : '';
      return [
        name,
        type === 'int32'
          ? new Tensor('int32', Int32Array.from(data), [...shape])
          : new Tensor('float32', data, [...shape]),
      ];
    }),
  );
  const results = await session.run(feeds);
  await session.release();
  return Object.values(results).map(value => ({ dims: value.dims, data: Float32Array.from(value.data, Number) }));
}

const saved = [
  'bilstm_lstm_digits',
  'cnn_digits',
  'dense_bn_iris',
  'embedding_conv1d_text',
  'nested_shared_siamese',
  'normalization_mlp_reg',
  'shape_ops_timedistributed',
];

test.skipIf(!hasFixtures).each(saved)(
  '%s answers as Keras from both of its files, for any number of rows',
  async name => {
    const folder = `keras/${name}`;
    const { inputs, outputs } = readCase(folder);
    const given = Object.values(inputs).map(values => ({ shape: values.shape, data: numbers(folder, values) }));
    const expected = Object.values(outputs).map(values => numbers(folder, values));
    for (const file of ['model.h5', 'model.keras']) {
      const { model } = await convert(readFixture(`${folder}/${file}`));
      expect(checkModel(model)).toEqual({ leftToRuntime: [] });
      expect(Buffer.compare(model, (await convert(readFixture(`${folder}/${file}`))).model)).toBe(0);
      const results = await run(model, given);
      results.forEach(({ data }, i) => {
        data.forEach((value, at) => {
          expect(Math.abs(value - expected[i]![at]!)).toBeLessThan(1e-5);
        });
      });
      const rows = given[0]!.shape[0]!;
      const some = await run(
        model,
        given.map(({ shape, data }) => ({ shape: [1, ...shape.slice(1)], data: data.slice(0, data.length / rows) })),
      );
      const none = await run(
        model,
        given.map(({ shape }) => ({ shape: [0, ...shape.slice(1)], data: new Float32Array() })),
      );
      some.forEach(({ data }, i) => {
        data.forEach((value, at) => {
          expect(Math.abs(value - expected[i]![at]!)).toBeLessThan(1e-5);
        });
      });
      expect(none.map(({ dims }) => dims[0])).toEqual(none.map(() => 0));
    }
  },
);

test.skipIf(!hasFixtures)('TF.js weight files are taken from what was given, whole and from inside only', async () => {
  const folder = 'tfjs/layers_cnn';
  const json: SourceFile = { name: 'model.json', bytes: readFixture(`${folder}/model.json`) };
  const bin = readFixture(`${folder}/weights.bin`);
  await expect(convert([json])).rejects.toThrow(expect.objectContaining({ code: 'missing_file' }));
  await expect(convert([json, { name: 'weights.bin', bytes: bin.subarray(8) }])).rejects.toThrow(
    expect.objectContaining({ code: 'truncated' }),
  );
  const { report } = await convert([json, { name: 'weights.bin', bytes: bin }]);
  expect(report.source.framework).toBe('TensorFlow.js layers');
});

test.skipIf(!hasFixtures)('layers that do not convert are named with their class', async () => {
  await expect(convert(readFixture('keras/lambda_layer_refuse/model.keras'))).rejects.toThrow(/"lambda" \(Lambda\)/);
  await expect(convert(readFixture('hostile/keras_custom_layer.keras'))).rejects.toThrow(/MyFancyLayer/);
  await expect(convert(readFixture('hostile/keras_weight_shape_mismatch.keras'))).rejects.toThrow(
    /"dense".*\[4, 64\].*\[4, 16\]/,
  );
});

test.skipIf(!hasFixtures)('a changed file gives a model or an OnnxError, never another exception', async () => {
  for (const path of ['keras/cnn_digits/model.keras', 'keras/nested_shared_siamese/model.h5']) {
    const original = readFixture(path);
    const edit = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async edits => {
        const bytes = original.slice();
        for (const [at, byte] of edits) bytes[at] = byte;
        try {
          await convert(bytes);
        } catch (error) {
          if (!(error instanceof OnnxError)) throw error;
        }
      }),
      { seed: 7, numRuns: 120 },
    );
  }
});
