import { type Verdict, verdictSchema } from '@holdfast/api';
import { expect, test } from 'vitest';
import { toleratedLimit } from './limits.ts';

function verdict(parts: Partial<Verdict>): Verdict {
  return verdictSchema.parse({
    id: 1,
    model: 'm',
    version: 1,
    monitor: 'performance',
    subject: 'roc_auc',
    windowStartMs: 0,
    windowEndMs: 1,
    outcome: 'stable',
    test: 't',
    statistic: 0.75,
    pValue: null,
    effectName: 'loss against the baseline',
    effect: 0.05,
    threshold: 0.02,
    baselineRows: 1,
    windowRows: 1,
    falseAlarmRate: 0.01,
    sentence: 's',
    revision: 0,
    judgedAtMs: 0,
    ...parts,
  });
}

test('a metric that is better high may fall by the tolerance', () => {
  expect(toleratedLimit([verdict({})], 'roc_auc', 0.8)).toBeCloseTo(0.78);
  expect(toleratedLimit([verdict({ statistic: 0.82, effect: -0.02 })], 'roc_auc', 0.8)).toBeCloseTo(0.78);
});

test('a relative loss of a metric that is better low may rise by its share of the baseline', () => {
  const worse = verdict({
    subject: 'mae',
    statistic: 12,
    effect: 0.2,
    threshold: 0.1,
    effectName: 'relative loss against the baseline',
  });
  expect(toleratedLimit([worse], 'mae', 10)).toBeCloseTo(11);
});

test('no verdict that shows the direction, no limit', () => {
  expect(toleratedLimit([], 'roc_auc', 0.8)).toBeUndefined();
  expect(toleratedLimit([verdict({ threshold: null })], 'roc_auc', 0.8)).toBeUndefined();
  expect(toleratedLimit([verdict({ statistic: 0.8, effect: 0 })], 'roc_auc', 0.8)).toBeUndefined();
});
