import type { Trial } from '@holdfast/api';
import { expect, test } from 'vitest';
import { bestSoFar, influencesOf, parametersOf, paramOf, standingOf } from './study-data.ts';

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

test('a parameter that decides explains nearly everything, one that does not nearly nothing', () => {
  const parameters = parametersOf({
    strong: { type: 'float', low: 0, high: 1 },
    weak: { type: 'categorical', values: ['a', 'b'] },
  });
  const trials = Array.from({ length: 40 }, (_, i) =>
    trial(i, { strong: i / 40, weak: i % 2 === 0 ? 'a' : 'b' }, (i / 40) ** 2),
  );
  const [first, second] = influencesOf(trials, parameters, loss, 0);
  expect(first?.name).toBe('strong');
  expect(first?.share).toBeGreaterThan(0.9);
  expect(second?.share).toBeLessThan(0.05);
  expect(influencesOf(trials.slice(0, 5), parameters, loss, 0)).toEqual([]);
});
