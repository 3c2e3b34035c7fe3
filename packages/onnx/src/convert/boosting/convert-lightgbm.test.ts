import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testRuntime } from '../../testing/run-model.ts';
import { convert } from '../convert.ts';
import { verifyConversion } from '../verify/verify-conversion.ts';

const pickled = (name: string): Uint8Array => readFileSync(join(import.meta.dirname, `fixtures/${name}.pkl`));
const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

test('a pickled classifier keeps its labels and column names, and stops at its best iteration', async () => {
  const { model, report } = await convert(pickled('lightgbm-classifier'));
  expect(report).toMatchObject({
    source: { framework: 'LightGBM', modelClass: 'LGBMClassifier' },
    classes: ['no', 'yes'],
    featureNames: ['age', 'income', 'debt'],
  });
  const run = await testRuntime();
  const data = Float64Array.of(1, -1, 0.25, 2, 0, 0.5);
  const answers = await run(model, [{ name: 'X', datatype: 'FP64', shape: [2, 3], data }]);
  const shares = answers.find(answer => answer.name === 'probabilities')?.data ?? [];
  // The third tree would have turned both around.
  expect(Array.from(shares, Number)).toEqual([
    expect.closeTo(1 - logistic(-0.5 + 0.3), 14),
    expect.closeTo(logistic(-0.5 + 0.3), 14),
    expect.closeTo(1 - logistic(0.75 - 0.2), 14),
    expect.closeTo(logistic(0.75 - 0.2), 14),
  ]);
  expect(answers.find(answer => answer.name === 'label')?.data).toEqual(['no', 'yes']);
});

test.each(['lightgbm-classifier', 'lightgbm-pipeline'])('%s agrees with a walk over its trees', async name => {
  const source = pickled(name);
  const verification = await verifyConversion(source, await convert(source), { run: await testRuntime() });
  expect(verification).toMatchObject({ kind: 'agrees' });
});
