import { expect, test } from 'vitest';
import { hasFixtures, readFixture } from '../../testing/fixtures.ts';
import { testRuntime } from '../../testing/run-model.ts';
import { spoilAttribute, spoilTensorAttribute } from '../../testing/spoil-model.ts';
import { convert } from '../convert.ts';
import { verifyConversion } from './verify-conversion.ts';

const above = (column: number, border: number): object => ({
  split_type: 'FloatFeature',
  float_feature_index: column,
  border,
});
const isColour = (hash: number): object => ({ split_type: 'OneHotFeature', cat_feature_index: 0, value: hash });

interface Scores {
  readonly loss: string;
  /** One leaf of a tree, per row of scores. */
  leaf(seed: number): number[];
  readonly bias: readonly number[];
}

/** Two numbers (missing values of the second are above) and a colour. */
function encoded({ loss, leaf, bias }: Scores, shape: 'symmetric' | 'free'): Uint8Array {
  const value = (seed: number): number | number[] => (bias.length === 1 ? leaf(seed)[0]! : leaf(seed));
  const trees =
    shape === 'symmetric'
      ? {
          oblivious_trees: [
            {
              splits: [above(0, 0.1), isColour(-77), above(1, 3.3)],
              leaf_values: Array.from({ length: 8 }, (_, i) => leaf(i)).flat(),
            },
            { splits: [above(1, 1.5)], leaf_values: [8, 9].flatMap(leaf) },
          ],
        }
      : {
          trees: [
            {
              split: above(0, 0.5),
              left: { value: value(1), weight: 1 },
              right: {
                split: isColour(5),
                left: { value: value(2), weight: 1 },
                right: {
                  split: above(1, 3),
                  left: { value: value(3), weight: 1 },
                  right: { value: value(4), weight: 1 },
                },
              },
            },
          ],
        };
  const document = {
    model_info: { params: { loss_function: { type: loss } } },
    features_info: {
      float_features: [
        { feature_index: 0, flat_feature_index: 0, borders: [0.1], nan_value_treatment: 'AsIs' },
        { feature_index: 1, flat_feature_index: 1, borders: [1.5], nan_value_treatment: 'AsTrue' },
      ],
      categorical_features: [
        { feature_index: 0, flat_feature_index: 2, values: [-77, 5], string_values: ['red', 'blue'] },
      ],
    },
    ...trees,
    scale_and_bias: [2, bias],
  };
  return new TextEncoder().encode(JSON.stringify(document));
}

const one = (seed: number): number[] => [Math.sin(seed + 1)];
const three = (seed: number): number[] => [0, 1, 2].map(i => Math.sin(3 * seed + i + 1));
const models: readonly Scores[] = [
  { loss: 'RMSE', leaf: one, bias: [0.5] },
  { loss: 'Poisson', leaf: one, bias: [0.5] },
  { loss: 'Logloss', leaf: one, bias: [0.25] },
  { loss: 'MultiClass', leaf: three, bias: [0, 0.5, 0] },
  { loss: 'MultiClassOneVsAll', leaf: three, bias: [0, 0, 0] },
  { loss: 'MultiLogloss', leaf: three, bias: [0, 0, -0.5] },
  { loss: 'RMSEWithUncertainty', leaf: seed => three(seed).slice(1), bias: [0, 0] },
];

test.each(models)('$loss: symmetric and free trees agree with a walk over them', async scores => {
  const run = await testRuntime();
  for (const shape of ['symmetric', 'free'] as const) {
    const source = encoded(scores, shape);
    expect(await verifyConversion(source, await convert(source), { run })).toMatchObject({ kind: 'agrees' });
  }
});

test.each<[string, (model: Uint8Array) => Uint8Array]>([
  [
    'a border one float32 step off',
    model =>
      spoilTensorAttribute(model, 'nodes_splits', bytes => {
        const border = new Float32Array([bytes.getFloat64(0, true)]);
        const bits = new Uint32Array(border.buffer);
        bits[0] = bits[0]! + 1;
        bytes.setFloat64(0, border[0]!, true);
      }),
  ],
  [
    'a leaf a little off',
    model =>
      spoilTensorAttribute(model, 'leaf_weights', bytes => bytes.setFloat64(8, bytes.getFloat64(8, true) + 1e-9, true)),
  ],
  [
    'missing values sent the other way',
    model =>
      spoilAttribute(model, 'nodes_missing_value_tracks_true', attribute => ({
        ...attribute,
        ints: attribute.ints?.map(side => 1n - side) ?? new BigInt64Array(),
      })),
  ],
  [
    'another category',
    model => spoilTensorAttribute(model, 'membership_values', bytes => bytes.setFloat64(0, 1, true)),
  ],
  [
    'two categories confused',
    model =>
      spoilAttribute(model, 'keys_strings', attribute => ({
        ...attribute,
        strings: attribute.strings?.toReversed() ?? [],
      })),
  ],
])('%s is found', async (_, spoil) => {
  const source = encoded(models[0]!, 'symmetric');
  const conversion = await convert(source);
  const spoilt = { ...conversion, model: spoil(conversion.model) };
  await expect(verifyConversion(source, spoilt, { run: await testRuntime() })).rejects.toThrow(
    expect.objectContaining({ code: 'conversion_wrong' }),
  );
});

test.skipIf(!hasFixtures).each(['iris', 'multilabel'])('%s agrees with a walk over its trees', async name => {
  const source = readFixture(`catboost/${name}/model.cbm`);
  const verification = await verifyConversion(source, await convert(source), { run: await testRuntime() });
  expect(verification).toMatchObject({ kind: 'agrees' });
});
