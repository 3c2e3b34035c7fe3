import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkModel } from '../check/check-model.ts';
import { OnnxError } from '../onnx-error.ts';
import { hasFixtures, readFixture } from '../testing/fixtures.ts';
import { readLightgbm } from './boosting/read-lightgbm.ts';
import { readXgboostDocument } from './boosting/read-xgboost-json.ts';
import { readUbjson } from './boosting/ubjson.ts';
import { convert } from './convert.ts';
import { sumTrees } from './trees/evaluate-tree.ts';

/** A LightGBM model with a default side, a zero-as-missing split and a category set. */
const lightgbmText = `tree
version=v4
num_class=1
num_tree_per_iteration=1
max_feature_idx=2
objective=regression
feature_names=a b c
tree_sizes=1 1

Tree=0
num_leaves=4
num_cat=1
split_feature=0 1 2
threshold=0.5 -2 0
decision_type=10 6 1
left_child=1 -1 -3
right_child=2 -2 -4
leaf_value=1 2 4 8
cat_boundaries=0 1
cat_threshold=10

Tree=1
num_leaves=1
num_cat=0
leaf_value=0.25

end of trees
`;

async function predict(
  model: Uint8Array,
  rows: readonly (readonly number[])[],
  type: 'float32' | 'float64',
): Promise<number[]> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(model, { logSeverityLevel: 4 });
  const shape = [rows.length, rows[0]?.length ?? 3];
  const x =
    type === 'float32'
      ? new Tensor('float32', Float32Array.from(rows.flat()), shape)
      : new Tensor('float64', Float64Array.from(rows.flat()), shape);
  const { prediction } = await session.run({ X: x });
  await session.release();
  if (prediction === undefined || typeof prediction.data === 'string') throw new Error('no prediction');
  return Array.from(prediction.data, Number);
}

const value = fc.oneof(
  fc.constantFrom(Number.NaN, 0, -0, 0.5, -2, 1e-36, 1, 2, 3, 4, 31, 32, -1),
  fc.double({ noNaN: true, min: -10, max: 10 }),
);

/** LightGBM's decision rule, written once more without any tree structure of ours. */
function lightgbmByHand([a, b, c]: readonly number[]): number {
  const goesLeft = Number.isNaN(a!) ? true : a! <= 0.5;
  if (goesLeft) {
    const isMissing = Number.isNaN(b!) || Math.abs(b!) <= 1e-35;
    return (isMissing || b! <= -2 ? 1 : 2) + 0.25;
  }
  const category = Math.trunc(c!);
  return (!Number.isNaN(c!) && (category === 1 || category === 3) ? 4 : 8) + 0.25;
}

test('a LightGBM model decides missing values, zeros and categories as LightGBM does', async () => {
  const { model, report } = await convert(new TextEncoder().encode(lightgbmText));
  expect(report.featureNames).toEqual(['a', 'b', 'c']);
  expect(checkModel(model)).toEqual({ leftToRuntime: [] });
  const rows = fc.sample(fc.tuple(value, value, value), { seed: 11, numRuns: 500 });
  expect(await predict(model, rows, 'float64')).toEqual(rows.map(lightgbmByHand));
});

test('CRLF line ends and a cut file are told apart', async () => {
  const crlf = await convert(new TextEncoder().encode(lightgbmText.replaceAll('\n', '\r\n')));
  const plain = await convert(new TextEncoder().encode(lightgbmText));
  expect(crlf.report.outputs).toEqual(plain.report.outputs);
  expect(() => readLightgbm(lightgbmText.slice(0, 300))).toThrow(expect.objectContaining({ code: 'truncated' }));
});

const xgboostDocument = {
  version: [1, 7, 4],
  learner: {
    feature_names: [],
    attributes: {},
    objective: { name: 'reg:squarederror' },
    learner_model_param: { base_score: '5E-1', num_class: '0', num_feature: '3', num_target: '1' },
    gradient_booster: {
      name: 'gbtree',
      model: {
        gbtree_model_param: { num_parallel_tree: '1', num_trees: '1' },
        tree_info: [0],
        trees: [
          {
            left_children: [1, -1, 3, -1, -1],
            right_children: [2, -1, 4, -1, -1],
            split_indices: [0, 0, 2, 0, 0],
            split_conditions: [0.5, 1, 0, 2, 4],
            default_left: [1, 0, 0, 0, 0],
            split_type: [0, 0, 1, 0, 0],
            categories: [1, 3],
            categories_nodes: [2],
            categories_segments: [0],
            categories_sizes: [2],
            tree_param: { size_leaf_vector: '0' },
          },
        ],
      },
    },
  },
};

test('an XGBoost model is strict below its threshold and sends listed categories right', async () => {
  const { model } = await convert(new TextEncoder().encode(JSON.stringify(xgboostDocument)));
  const rows = fc
    .sample(fc.tuple(value, value, fc.constantFrom(Number.NaN, 0, 1, 2, 3, 4)), { seed: 5, numRuns: 300 })
    .map(row => row.map(Math.fround));
  const byHand = rows.map(
    ([a, , c]) => 0.5 + (Number.isNaN(a!) || a! < 0.5 ? 1 : c === 1 || c === 3 || Number.isNaN(c!) ? 4 : 2),
  );
  expect(await predict(model, rows, 'float32')).toEqual(byHand);
});

test('an unknown objective, an impossible feature and a foreign document are refused by name', async () => {
  const edited = (edit: (document: typeof xgboostDocument) => void): Uint8Array => {
    const document = structuredClone(xgboostDocument);
    edit(document);
    return new TextEncoder().encode(JSON.stringify(document));
  };
  await expect(
    convert(
      edited(document => {
        document.learner.objective.name = 'my:custom';
      }),
    ),
  ).rejects.toThrow(/my:custom/);
  await expect(
    convert(
      edited(document => {
        document.learner.gradient_booster.model.trees[0]!.split_indices[0] = 99;
      }),
    ),
  ).rejects.toThrow(/feature 99/);
  await expect(
    convert(
      edited(document => {
        document.learner.gradient_booster.model.trees[0]!.left_children[2] = 0;
      }),
    ),
  ).rejects.toThrow(/two parents/);
  await expect(convert(new TextEncoder().encode('{"a": 1}'))).rejects.toThrow(/learner/);
});

test.skipIf(!hasFixtures)(
  'a forest agrees with a walk over its source trees on inputs that cross every split',
  async () => {
    const document = readXgboostDocument(readUbjson(readFixture('xgboost/reg_diabetes/model.ubj')));
    if (document.booster.kind !== 'trees') throw new Error('expected trees');
    const { trees } = document.booster;
    const thresholds = trees.flatMap(tree =>
      [...tree.threshold.keys()]
        .filter(node => tree.left[node]! >= 0)
        .map(node => [tree.feature[node]!, tree.threshold[node]!] as const),
    );
    const rows = thresholds
      .slice(0, 400)
      .flatMap(([feature, threshold]) =>
        [threshold, Math.fround(threshold - 1e-6), Number.NaN].map(x =>
          Array.from({ length: document.features }, (_, i) => (i === feature ? x : 0.01 * i)),
        ),
      );
    const { model } = await convert(readFixture('xgboost/reg_diabetes/model.ubj'));
    const ours = await predict(model, rows, 'float32');
    rows.forEach((row, i) => {
      const expected = Math.fround(sumTrees(trees, 1, row.map(Math.fround))[0]! + document.baseScore[0]!);
      expect(Math.abs(ours[i]! - expected)).toBeLessThanOrEqual(4e-5);
    });
  },
);

test.skipIf(!hasFixtures)(
  'no rows, one row and many rows agree, and converting twice gives the same bytes',
  async () => {
    const { InferenceSession, Tensor } = await import('onnxruntime-node');
    for (const path of [
      'sklearn/rf_digits/model.joblib',
      'sklearn/knn_iris/model.joblib',
      'sklearn/svc_rbf_iris_proba/model.joblib',
      'sklearn/voting_soft_cancer/model.joblib',
    ]) {
      const { model } = await convert(readFixture(path));
      expect(Buffer.compare(model, (await convert(readFixture(path))).model)).toBe(0);
      const session = await InferenceSession.create(model, { logSeverityLevel: 4 });
      const meta = session.inputMetadata[0]!;
      const width = meta.isTensor ? Number(meta.shape[1]) : 0;
      const row = Float64Array.from({ length: width }, (_, i) => (i * 7) % 5);
      const one = await session.run({ X: new Tensor('float64', row, [1, width]) });
      const many = await session.run({
        X: new Tensor(
          'float64',
          Float64Array.from({ length: width * 300 }, (_, i) => row[i % width]!),
          [300, width],
        ),
      });
      const classes = one.probabilities!.dims[1]!;
      // A parallel sum over trees may round differently from a single one, in the last digit.
      Array.from(many.probabilities!.data.slice(299 * classes), Number).forEach((p, i) => {
        expect(p, path).toBeCloseTo(Number(one.probabilities!.data[i]), 13);
      });
      expect(many.label!.data[299], path).toEqual(one.label!.data[0]);
      await session.release();
    }
  },
);

test.skipIf(!hasFixtures)('a mutated source gives a model or an OnnxError, never another exception', async () => {
  for (const path of [
    'sklearn/scaler_logreg_cancer/model.joblib',
    'sklearn/churn_ct_only_transform/model.pkl',
    'sklearn/dt_reg_diabetes/model.pkl',
    'xgboost/binary_hinge/model.ubj',
  ]) {
    const original = readFixture(path);
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
      { seed: 23, numRuns: 150 },
    );
  }
});

test
  .skipIf(!hasFixtures)
  .each(['pickle_os_system_p0.pkl', 'pickle_os_system_p4.pkl', 'pickle_inst_opcode.pkl', 'joblib_zlib_payload.joblib'])(
  '%s is refused by what it would run',
  async name => {
    await expect(convert(readFixture(`hostile/${name}`))).rejects.toThrow(
      expect.objectContaining({ code: 'unsafe_code', message: expect.stringContaining('system') }),
    );
  },
);

test('several models at once are refused by name, because nobody can know which is meant', async () => {
  const model = new TextEncoder().encode('tree\nversion=v3\n');
  const files = ['a.txt', 'b/c.txt'].map(name => ({ name, bytes: model }));
  await expect(convert(files)).rejects.toThrow('There are 2 models here: a.txt, b/c.txt. Give one of them');
});
