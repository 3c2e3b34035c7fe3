import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testRuntime } from '../../testing/run-model.ts';
import { spoilEachTable } from '../../testing/spoil-model.ts';
import { convert } from '../convert.ts';
import { verifyConversion } from './verify-conversion.ts';

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
])('%s agrees with a walk over it: %s', async name => {
  const source = trained(name);
  const verification = await verifyConversion(source, await convert(source), { run: await testRuntime() });
  expect(verification).toMatchObject({ kind: 'agrees' });
});
