import type { Trial } from '@holdfast/api';
import { expect, test } from 'vitest';
import { bestSoFar, parametersOf, paramOf, standingOf } from './study-data.ts';

function trial(number: number, params: Trial['params'], value?: number): Trial {
  const base = { number, params, origin: 'random', reports: [], retries: 0, createdAtMs: 0, revision: number };
  return value === undefined ? { ...base, state: 'pruned' } : { ...base, state: 'complete', values: [value] };
}

const loss = [{ name: 'loss', direction: 'minimize' as const }];
const auc = [{ name: 'auc', direction: 'maximize' as const }];

test('nested and conditional parameters are listed by their flat names, constants are not', () => {
  const parameters = parametersOf({
    lr: { type: 'float', low: 1e-4, high: 1, log: true },
    fixed: { type: 'constant', value: 1 },
    model: { type: 'choice', options: { linear: {}, svm: { C: { type: 'int', low: 1, high: 9 } } } },
  });
  expect(parameters).toEqual([
    { name: 'lr', isLog: true, names: undefined },
    { name: 'model', isLog: false, names: ['linear', 'svm'] },
    { name: 'model.svm.C', isLog: false, names: undefined },
  ]);
  expect(paramOf(trial(0, { lr: 0.1, model: 'linear' }), parameters[2]!)).toBeUndefined();
});

test('the best so far follows the direction and ignores trials without values', () => {
  const trials = [trial(0, {}, 3), trial(1, {}), trial(2, {}, 5), trial(3, {}, 1)];
  expect(bestSoFar(trials, loss, 0).map(point => point.value)).toEqual([3, 3, 1]);
  expect(bestSoFar(trials, auc, 0).map(point => point.value)).toEqual([3, 5, 5]);
  expect([...standingOf(trials, auc, 0)]).toEqual([
    [2, 0],
    [0, 0.5],
    [3, 1],
  ]);
});
