import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testRuntime } from '../../testing/run-model.ts';
import { spoilEachTable, spoilTensorAttribute } from '../../testing/spoil-model.ts';
import { convert } from '../convert.ts';
import { PyGlobal, PyObject } from '../pickle/python-values.ts';
import { Estimator } from '../sklearn/records.ts';
import { sklearnClasses } from '../sklearn/registry.ts';
import { verifyConversion } from './verify-conversion.ts';
import { transformerOf } from './walk-composition.ts';
import { predictorOf } from './walk-sklearn.ts';
import { NotWalkable } from './walked-answer.ts';

const trained = (name: string): Uint8Array => readFileSync(join(import.meta.dirname, `fixtures/${name}.0.pkl`));

const aLittle = 1.001;
/** What only labels tell must be further off to be seen in a few rows. */
const much = 2;

test.each([
  ['svc-linear.three', 'linear kernel, probabilities coupled from pairs', aLittle],
  ['svc-poly.two-texts', 'polynomial kernel, two classes', aLittle],
  ['nu-svc.three-texts', 'radial kernel, one score per class from pairs', aLittle],
  ['one-class-svm.none', 'outliers by the sign of a score', aLittle],
  ['centroid.three', 'nearest centroid', much],
  ['mixture.none', 'shares of components', aLittle],
  ['calibrated.two-texts', 'sigmoids over scores', aLittle],
  ['stacking-through.two-texts', 'answers and the row side by side', aLittle],
  ['qda.two', 'a covariance per class', aLittle],
  ['regressor-chain.two-numbers', 'outputs that see the outputs before them', aLittle],
  ['logistic-outputs.several', 'one classifier per output', aLittle],
  ['one-vs-rest-svc.three', 'the surest of several', aLittle],
  ['text-tfidf-logistic', 'counts, frequencies and a linear model', aLittle],
  ['boosting-from-ridge.number', 'trees upon a fitted start', aLittle],
])('%s agrees with a walk over it, and no table may be off: %s', async (name, _, factor) => {
  const run = await testRuntime();
  const source = trained(name);
  const conversion = await convert(source);
  const verification = await verifyConversion(source, conversion, { run });
  expect(verification).toMatchObject({ kind: 'agrees' });
  const spoilt = spoilEachTable(conversion.model, factor);
  expect(spoilt).not.toHaveLength(0);
  for (const model of spoilt) {
    await expect(verifyConversion(source, { ...conversion, model }, { run })).rejects.toThrow(
      expect.objectContaining({ code: 'conversion_wrong' }),
    );
  }
});

test('path lengths of an isolation forest may not be off', async () => {
  const run = await testRuntime();
  const source = trained('isolation.none');
  const conversion = await convert(source);
  expect(await verifyConversion(source, conversion, { run })).toMatchObject({ kind: 'agrees' });
  const model = spoilTensorAttribute(conversion.model, 'leaf_weights', leaves => {
    for (let at = 0; at < leaves.byteLength; at += 8) leaves.setFloat64(at, leaves.getFloat64(at, true) + 0.01, true);
  });
  await expect(verifyConversion(source, { ...conversion, model }, { run })).rejects.toThrow(
    expect.objectContaining({ code: 'conversion_wrong' }),
  );
});

test.each([
  ['text-char-wb', 'characters within words, blanks only around words'],
  ['text-hashing-binary', 'presence by hash, whatever its sign'],
  ['text-stop-words', 'n-grams over removed words'],
  ['voting.two-texts', 'the most votes'],
  ['ada-logistic.three', 'centred log probabilities'],
  ['bagging-columns.two', 'members of some columns each'],
  ['calibrated-isotonic.two', 'curves over scores'],
  ['quantiles.transform', 'shares by interpolation from both sides'],
  ['yeo-johnson.transform', 'powers by column'],
  ['bins-one-hot.transform', 'bins as columns'],
  ['ada-samme.three', 'weighted votes'],
  ['forest-outputs.several', 'several class outputs of one leaf'],
  ['isotonic.number', 'a curve through points'],
  ['from-forest.transform', 'columns by how much they reduce impurity'],
  ['from-elastic-net.transform', 'columns above the mean coefficient, for the penalty is not of absolute values alone'],
  ['one-hot-rare-dropped.transform', 'rare categories together, the first of each column left out'],
  ['one-hot-rare-of-1.5', 'the dropped group by its place after grouping, unknown categories among the rare'],
  ['ordinal-missing.transform', 'codes, missing ones and unknown ones'],
  ['target-encoder-of-1.5', 'means of three targets per category'],
  ['text-imputed', 'missing text filled before it is encoded'],
  ['xgboost-member.two-texts', 'float32 boosting as one vote'],
])('%s agrees with a walk over it: %s', async name => {
  const source = trained(name);
  const verification = await verifyConversion(source, await convert(source), { run: await testRuntime() });
  expect(verification).toMatchObject({ kind: 'agrees' });
});

test('every scikit-learn class that converts has a walk', () => {
  const isUnknown = (name: string, walk: (estimator: Estimator) => unknown): boolean => {
    try {
      walk(new Estimator(new PyObject(new PyGlobal('sklearn', name), []), name));
    } catch (error) {
      // An object without attributes is no model; what counts is that the class was looked for and not found.
      return error instanceof NotWalkable && error.message === name;
    }
    return false;
  };
  const unknown = [...sklearnClasses].flatMap(([name, { predict, transform }]) => [
    ...(predict !== undefined && isUnknown(name, one => predictorOf(one, 1002)) ? [`${name}.predict`] : []),
    ...(transform !== undefined && isUnknown(name, transformerOf) ? [`${name}.transform`] : []),
  ]);
  expect(unknown).toEqual([]);
});
