import type { TrialRecord } from '@holdfast/tune';
import { expect, test } from 'vitest';
import { importancesOf } from './importances-of.ts';

const settings: Parameters<typeof importancesOf>[1] = {
  space: { lr: { type: 'float', low: 0, high: 1 }, seed: { type: 'int', low: 0, high: 9 } },
  objectives: [{ name: 'accuracy', direction: 'maximize' }],
};

function complete(count: number): TrialRecord[] {
  return Array.from({ length: count }, (_, number) => {
    const lr = (number * 0.618034) % 1;
    return {
      number,
      state: 'complete',
      params: { lr, seed: number % 10 },
      origin: 'random',
      values: [1 - lr],
      reports: [],
      retries: 0,
      createdAtMs: 0,
      revision: number + 1,
    };
  });
}

test.each(['ped-anova', 'fanova', 'permutation'] as const)('%s names the parameter that decides first', method => {
  const answer = importancesOf('s', settings, complete(40), { method, objective: 0 });
  expect(answer).toMatchObject({ method, objective: 'accuracy', trials: 40 });
  expect(answer.importances[0]?.parameter).toBe('lr');
});

test('too few trials are a bad request that says how many are needed', () => {
  expect(() => importancesOf('s', settings, complete(3), { method: 'fanova', objective: 0 })).toThrow(/At least 4/);
});
