import { expect, test } from 'vitest';
import { hasFixtures, readFixture } from '../../testing/fixtures.ts';
import { testRuntime } from '../../testing/run-model.ts';
import { spoilTensorAttribute } from '../../testing/spoil-model.ts';
import { convert } from '../convert.ts';
import { drawRows } from './draw-rows.ts';
import { halfBits, halfValue } from './tensor.ts';
import { verifyConversion } from './verify-conversion.ts';

const lightgbm = new TextEncoder().encode(`tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=1
objective=regression
feature_names=a b
tree_sizes=1

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
threshold=0.5 -2
decision_type=2 2
left_child=-1 -2
right_child=1 -3
leaf_value=1 2 4

end of trees
`);

test('a converted tree agrees with a walk over its source', async () => {
  const conversion = await convert(lightgbm);
  const verification = await verifyConversion(lightgbm, conversion, { run: await testRuntime() });
  expect(verification).toMatchObject({ kind: 'agrees', outputs: [{ name: 'prediction', largestAbsolute: 0 }] });
  expect(verification.consistency).toMatch(/1 row, 0 rows and \d+ rows agree/);
});

test('a graph with one threshold a little off is refused with output, row and values', async () => {
  const conversion = await convert(lightgbm);
  const spoilt = spoilTensorAttribute(conversion.model, 'nodes_splits', bytes => bytes.setFloat64(0, 0.5000001, true));
  await expect(
    verifyConversion(lightgbm, { ...conversion, model: spoilt }, { run: await testRuntime() }),
  ).rejects.toThrow(
    expect.objectContaining({
      code: 'conversion_wrong',
      message: expect.stringMatching(/output "prediction": in row \d+ the graph says 1 where .* says [24]/),
    }),
  );
});

test('rows hit every cut, and lie just beside it on both sides', () => {
  const cuts = [-3, 0, 0.1, 7];
  const drawn = drawRows([{ kind: 'number', cuts, center: 0, spread: 1, mayMiss: false }]).map(row => Number(row[0]));
  for (const cut of cuts) {
    expect(drawn).toContain(cut);
    expect(drawn.some(value => value > cut && value - cut < 1e-6)).toBe(true);
    expect(drawn.some(value => value < cut && cut - value < 1e-6)).toBe(true);
  }
});

test.each([
  [0, 0],
  [1, 0x3c00],
  [-2, 0xc000],
  [65504, 0x7bff],
  [65520, 0x7c00],
  [2 ** -24, 1],
  [2 ** -25, 0],
  [0.1, 0x2e66],
  [Number.NEGATIVE_INFINITY, 0xfc00],
])('%d has the float16 bits %d', (value, bits) => {
  expect(halfBits(value)).toBe(bits);
});

test('every finite float16 survives the way to a number and back', () => {
  for (let bits = 0; bits < 0x10000; bits++)
    if ((bits & 0x7c00) !== 0x7c00) expect(halfBits(halfValue(bits))).toBe(bits);
});

test
  .skipIf(!hasFixtures)
  .each([
    ['sklearn/rf_digits/model.joblib'],
    ['sklearn/hgb_wine/model.joblib'],
    ['sklearn/churn_ct_onehot_logreg/model.joblib'],
    ['xgboost/pickle_xgbclassifier/model.pkl'],
    ['lightgbm/multiclass5/model.txt'],
  ])('%s agrees with a walk over its source', async path => {
  const bytes = readFixture(path);
  const verification = await verifyConversion(bytes, await convert(bytes), { run: await testRuntime() });
  expect(verification.kind).toBe('agrees');
});
