import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OnnxError } from '../onnx-error.ts';
import { damagedJson } from '../testing/damage-json.ts';
import { hasFixtures, readFixture } from '../testing/fixtures.ts';
import { convert } from './convert.ts';

const models = [
  'sklearn/logreg_iris/model.pkl',
  'sklearn/churn_ct_onehot_logreg/model.joblib',
  'sklearn/dt_reg_diabetes/model.pkl',
  'sklearn/tfidf_logreg_text/model.joblib',
  'xgboost/leaves_gblinear/model.bst',
  'xgboost/leaves_agaricus_binary/model.bst',
  'xgboost/mlserver_mushroom_json/model.json',
  'xgboost/reg_diabetes/model.ubj',
  'lightgbm/mlserver_iris/model.txt',
  'lightgbm/breast_cancer_dart/model.txt',
  'onnx/go_example_multitype/example_multitype.onnx',
  'onnx/skl2onnx_treecl3/treecl3.onnx',
  'catboost/iris/model.cbm',
  'xgboost/pickle_xgbclassifier/model.pkl',
  'torch/mlp_digits/state_dict.pt',
  'torch/mlp_digits/state_dict_legacy.pth',
  'torch/mlp_digits/traced.pt',
  'hostile/safetensors_overlap.safetensors',
  'hostile/joblib_zlib_payload.joblib',
];

/** What became of a damaged file: `model`, `refused`, or the error that should not be. */
async function outcomeOf(bytes: Uint8Array): Promise<string> {
  try {
    await convert(bytes);
    return 'model';
  } catch (error) {
    return error instanceof OnnxError ? 'refused' : String(error instanceof Error ? error.stack : error);
  }
}

async function survivesDamage(original: Uint8Array): Promise<void> {
  const edit = fc.tuple(fc.nat(original.length - 1), fc.nat(255));
  const cut = fc.option(fc.nat(original.length - 1), { freq: 4, nil: original.length });
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), cut, async (edits, length) => {
      const damaged = original.slice(0, length);
      for (const [at, value] of edits) if (at < length) damaged[at] = value;
      expect(await outcomeOf(damaged)).toMatch(/^(model|refused)$/);
    }),
    { seed: 41, numRuns: 60 },
  );
}

test.skipIf(!hasFixtures).each(models)('%s with bytes flipped or cut off is a model or refused', path =>
  survivesDamage(readFixture(path)),
);

test.each([
  ['a pickled LightGBM classifier', 'boosting/fixtures/lightgbm-classifier.pkl'],
  ['a pipeline with LightGBM', 'boosting/fixtures/lightgbm-pipeline.pkl'],
])('%s with bytes flipped or cut off is a model or refused', (_, path) =>
  survivesDamage(new Uint8Array(readFileSync(join(import.meta.dirname, path)))),
);

test('a bare NumPy array with bytes flipped or cut off is refused', async () => {
  const header = `${"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 2), }".padEnd(117)}\n`;
  const array = Uint8Array.of(
    0x93,
    ...Buffer.from('NUMPY'),
    1,
    0,
    header.length,
    0,
    ...Buffer.from(header),
    ...new Uint8Array(32),
  );
  expect(await outcomeOf(array)).toBe('refused');
  await survivesDamage(array);
});

test.skipIf(!hasFixtures)('an XGBoost document with other or missing values is a model or refused', async () => {
  const text = new TextDecoder().decode(readFixture('xgboost/mlserver_mushroom_json/model.json'));
  const document: unknown = JSON.parse(text);
  if (typeof document !== 'object' || document === null) throw new TypeError('the fixture is no document');
  await fc.assert(
    fc.asyncProperty(damagedJson(document), async damaged => {
      expect(await outcomeOf(new TextEncoder().encode(damaged))).toMatch(/^(model|refused)$/);
    }),
    { seed: 43, numRuns: 300 },
  );
});
