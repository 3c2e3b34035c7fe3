import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { convert } from '../convert.ts';

interface Values {
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}

interface Reference {
  readonly rows: Values;
  readonly answers: Readonly<Record<string, Values>>;
}

const folder = join(import.meta.dirname, 'fixtures');
const outputOf: Readonly<Record<string, readonly string[]>> = {
  predict: ['label', 'prediction'],
  predict_proba: ['probabilities'],
  decision_function: ['scores'],
  transform: ['transformed'],
};

function numbers(values: Values): readonly (number | string)[] {
  return values.data.map(value => (value === 'nan' ? Number.NaN : value));
}

test.each([
  ['hist-category.two', 'a category with a fraction counts as its whole number, one below zero as missing'],
  ['hist-missing.three', 'missing and unknown categories go to the same side'],
  ['svc-ovo.three', 'one-versus-one scores stay one per pair of classes'],
  ['sgd-log.three', 'probabilities are divided by their sum also where each is far below 1e-16'],
  ['ridge.two-texts', 'classes are found in the binarizer of older versions'],
  ['ridge-cv.three', 'classes are found in the binarizer of older versions, in a search for the penalty too'],
  ['pls.two-numbers', 'coefficients of older versions apply to scaled columns'],
  ['ada-samme.three', 'scores of older versions add up the weights of the hits'],
  ['quantiles-normal.transform', 'normal scores are those of the quantile function'],
])('%s: %s', async name => {
  const reference: Reference = JSON.parse(readFileSync(join(folder, `${name}.0.json`), 'utf8'));
  const { model } = await convert(readFileSync(join(folder, `${name}.0.pkl`)));
  const session = await InferenceSession.create(model, { logSeverityLevel: 3 });
  const rows = new Tensor(Float64Array.from(numbers(reference.rows), Number), reference.rows.shape);
  const got = await session.run({ X: rows });
  for (const [method, answer] of Object.entries(reference.answers)) {
    // The scores behind probabilities are no output.
    if (method === 'decision_function' && got.probabilities !== undefined) continue;
    const name = outputOf[method]?.find(one => one in got);
    const output = name === undefined ? undefined : got[name];
    const wanted = numbers(answer);
    const have = Array.from<unknown, number | string>(output?.data ?? [], one =>
      typeof one === 'string' ? one : Number(one),
    );
    expect(have).toEqual(wanted.map(one => (typeof one === 'number' ? expect.closeTo(one, 9) : one)));
  }
  await session.release();
});
