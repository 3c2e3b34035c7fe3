import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkModel } from '../../check/check-model.ts';
import { OnnxError } from '../../onnx-error.ts';
import { damagedJson } from '../../testing/damage-json.ts';
import { hasFixtures, readFixture } from '../../testing/fixtures.ts';
import { flatbuffer, int8, int32, ints, table, tables, text, texts, vector } from '../../testing/flat-writer.ts';
import { convert } from '../convert.ts';

async function run(
  model: Uint8Array,
  numbers: readonly (readonly number[])[],
  categories?: readonly string[],
): Promise<Record<string, number[]>> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(model, { logSeverityLevel: 4 });
  const results = await session.run({
    X: new Tensor('float32', Float32Array.from(numbers.flat()), [numbers.length, numbers[0]?.length ?? 0]),
    ...(categories === undefined ? {} : { categories: new Tensor('string', [...categories], [categories.length, 1]) }),
  });
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, result]) => {
      if (typeof result.data === 'string') throw new TypeError('no numbers');
      return [name, Array.from(result.data, Number)];
    }),
  );
}

const above = (column: number, border: number): object => ({
  split_type: 'FloatFeature',
  float_feature_index: column,
  border,
  split_index: 0,
});
const isRed = { split_type: 'OneHotFeature', cat_feature_index: 0, value: -77, split_index: 2 };

/** Two numbers (the second sends missing values up) and a colour, two symmetric trees, scale 2 and bias 0.5. */
const document = {
  model_info: { params: { loss_function: { type: 'RMSE' } }, catboost_version_info: 'CatBoost release v1.2.5' },
  features_info: {
    float_features: [
      { feature_index: 0, flat_feature_index: 0, borders: [0.1], feature_id: 'age', nan_value_treatment: 'AsIs' },
      { feature_index: 1, flat_feature_index: 1, borders: [1.5], feature_id: 'income', nan_value_treatment: 'AsTrue' },
    ],
    categorical_features: [
      { feature_index: 0, flat_feature_index: 2, feature_id: 'colour', values: [-77], string_values: ['red'] },
    ],
    ctrs: [{ elements: [{ cat_feature_index: 0, combination_element: 'cat_feature_value' }], borders: [0.5] }],
  },
  oblivious_trees: [
    { splits: [above(0, 0.1), isRed], leaf_values: [1, 2, 4, 8] },
    { splits: [above(1, 1.5)], leaf_values: [0.25, 16] },
  ],
  scale_and_bias: [2, [0.5]],
};
const encoded = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const missing = Number.NaN;

test('borders compare in float32, missing values and categories go where CatBoost sends them', async () => {
  const { model, report } = await convert(encoded(document));
  checkModel(model);
  expect(report.featureNames).toEqual(['age', 'income', 'colour']);
  expect(report.source.frameworkVersion).toBe('1.2.5');
  const border = Math.fround(0.1);
  const rows: readonly (readonly [readonly [number, number], string, number])[] = [
    [[border, 0], 'blue', 1 + 0.25],
    [[border + 2 ** -27, 0], 'blue', 2 + 0.25],
    [[0, 2], 'red', 4 + 16],
    [[1, 2], 'red', 8 + 16],
    [[missing, missing], 'never seen', 1 + 16],
  ];
  const { prediction } = await run(
    model,
    rows.map(([numbers]) => numbers),
    rows.map(([, colour]) => colour),
  );
  expect(prediction).toEqual(rows.map(([, , sum]) => 2 * sum + 0.5));
});

test('trees of free form and several scores per row', async () => {
  const { model, report } = await convert(
    encoded({
      ...document,
      model_info: {
        params: { loss_function: { type: 'MultiClass' } },
        class_params: '{"class_names": ["no", "yes"]}',
      },
      oblivious_trees: undefined,
      trees: [
        {
          split: above(0, 0.5),
          left: { value: [1, 0], weight: 1 },
          right: { split: above(1, 3), left: { value: [0, 1], weight: 1 }, right: { value: [0, 3], weight: 1 } },
        },
      ],
      scale_and_bias: [1, [0, 0]],
    }),
  );
  expect(report.classes).toEqual(['no', 'yes']);
  const { probabilities } = await run(
    model,
    [
      [0, 9],
      [1, 3],
      [1, 4],
    ],
    ['x', 'x', 'x'],
  );
  const softmax = (a: number, b: number): number[] => [1 / (1 + Math.exp(b - a)), 1 / (1 + Math.exp(a - b))];
  [...softmax(1, 0), ...softmax(0, 1), ...softmax(0, 3)].forEach((p, i) => {
    expect(probabilities?.[i]).toBeCloseTo(p, 14);
  });
});

test('target statistics are refused with the name of their feature', async () => {
  const counted = {
    ...document,
    oblivious_trees: [{ splits: [{ split_type: 'OnlineCtr', split_index: 3 }], leaf_values: [0, 1] }],
  };
  await expect(convert(encoded(counted))).rejects.toThrow(/target statistics .* "colour"/);
});

test('a loss of the user is refused by name', async () => {
  const custom = { ...document, model_info: { params: { loss_function: { type: 'PythonUserDefinedPerObject' } } } };
  await expect(convert(encoded(custom))).rejects.toThrow(/PythonUserDefinedPerObject/);
});

/** The same features as a .cbm with one symmetric or one free tree. */
function cbm(shape: 'symmetric' | 'free' | 'counted'): Uint8Array {
  const core = flatbuffer(
    {
      0: text('FlabuffersModel_v1'),
      1: table({
        0: int32(1),
        1: shape === 'free' ? ints(0, 1, 0, 0, 0) : shape === 'counted' ? ints(2) : ints(0, 1),
        2: shape === 'free' ? ints(5) : shape === 'counted' ? ints(1) : ints(2),
        3: ints(0),
        4: tables([{ 0: int32(0), 1: int32(1), 2: text('colour') }]),
        5: tables([{ 1: int32(0), 2: int32(0), 3: vector(Float32Array.of(0.5)), 4: text('age'), 5: int8(2) }]),
        6: tables([{ 0: int32(0), 1: ints(-77), 2: texts(['red']) }]),
        7:
          shape === 'counted'
            ? tables([{ 0: table({ 0: table({ 0: table({ 0: ints(0) }) }) }), 1: vector(Float32Array.of(0.5)) }])
            : undefined,
        8: vector(shape === 'counted' ? Float64Array.of(0, 1) : Float64Array.of(1, 2, 4, 8)),
        // Left and right steps: node 0 splits on age, its right child (1 further) on colour, then leaves.
        10:
          shape === 'free'
            ? {
                kind: 'bytes',
                value: Uint8Array.of(2, 0, 1, 0, 2, 0, 3, 0, ...new Array<number>(12).fill(0)),
                itemBytes: 4,
              }
            : undefined,
        11: shape === 'free' ? ints(0, 0, 0, 1, 3) : undefined,
      }),
      2: tables([{ 0: text('params'), 1: text('{"loss_function":{"type":"RMSE"}}') }]),
    },
    '\0\0\0\0',
  );
  const file = new Uint8Array(8 + core.length);
  file.set(new TextEncoder().encode('CBM1'));
  new DataView(file.buffer).setUint32(4, core.length, true);
  file.set(core, 8);
  return file;
}

test('the binary format gives symmetric and free trees', async () => {
  const rows = [[0], [1], [0], [1], [missing]];
  const colours = ['blue', 'blue', 'red', 'red', 'blue'];
  const symmetric = await run((await convert(cbm('symmetric'))).model, rows, colours);
  expect(symmetric.prediction).toEqual([1, 2, 4, 8, 2]);
  const free = await run((await convert(cbm('free'))).model, rows, colours);
  expect(free.prediction).toEqual([1, 2, 1, 8, 2]);
  await expect(convert(cbm('counted'))).rejects.toThrow(/target statistics .* "colour"/);
});

test.skipIf(!hasFixtures)('real models answer what CatBoost answers', async () => {
  for (const name of ['iris', 'multilabel']) {
    const { model } = await convert(readFixture(`catboost/${name}/model.cbm`));
    const reference: { rows: { features: number[]; prob?: number[]; multi_prob?: number[]; class?: number }[] } =
      JSON.parse(new TextDecoder().decode(readFixture(`catboost/${name}/io/reference.json`)));
    const ours = await run(
      model,
      reference.rows.map(row => row.features),
    );
    const theirs = reference.rows.flatMap(row => row.prob ?? row.multi_prob ?? []);
    expect(Math.max(...theirs.map((p, i) => Math.abs(p - ours.probabilities![i]!)))).toBeLessThanOrEqual(1e-12);
    if (name === 'iris') expect(ours.label).toEqual(reference.rows.map(row => row.class));
  }
});

test.each(['symmetric', 'free'] as const)('a mutated %s model gives a model or an OnnxError', async shape => {
  const original = cbm(shape);
  const edit = fc.tuple(fc.nat(original.length - 1), fc.integer({ min: 0, max: 255 }));
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
    { seed: 31, numRuns: 300 },
  );
});

test('a damaged JSON document gives a model or an OnnxError', async () => {
  await fc.assert(
    fc.asyncProperty(damagedJson(document), async text => {
      try {
        await convert(new TextEncoder().encode(text));
      } catch (error) {
        if (!(error instanceof OnnxError)) throw error;
      }
    }),
    { seed: 37, numRuns: 1500 },
  );
});
