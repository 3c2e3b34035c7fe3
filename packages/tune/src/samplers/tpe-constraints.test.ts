import { expect, test } from 'vitest';
import { float } from '../space/params.ts';
import { createStudy } from '../study/create-study.ts';
import type { Observation } from './sampler.ts';
import { tpe } from './tpe.ts';
import { splitObservations } from './tpe-split.ts';

function seen(number: number, kind: Observation['kind'], losses: readonly number[], violation = 0): Observation {
  const last = kind === 'pruned' ? { step: number, losses: [1, 1] } : undefined;
  return { number, kind, point: new Float64Array(1), losses, violation, constraints: [], last, reports: [] };
}

test('the good trials are feasible ones, then pruned ones by depth, then infeasible ones by violation', () => {
  const trials = [
    seen(0, 'complete', [1], 3),
    seen(1, 'complete', [5]),
    seen(2, 'complete', [1], 2),
    seen(3, 'pruned', []),
    seen(4, 'pruned', []),
    seen(5, 'failed', []),
    seen(6, 'pending', []),
  ];
  const below = (count: number): number[] => splitObservations(trials, count, true).below.map(o => o.number);
  expect([below(1), below(2), below(3), below(4)]).toEqual([[1], [1, 4], [1, 3, 4], [1, 2, 3, 4]]);
  expect(splitObservations(trials, 2, true).above.map(o => o.number)).toContain(6);
  expect(splitObservations(trials, 2, false).above.map(o => o.number)).not.toContain(6);
});

test('the last front is cut by the hypervolume that its members add', () => {
  // One rank; with the reference (11, 11) the middle adds most, then the left end (10 x 2 against 2.2 x 10 less overlap).
  const front = [seen(0, 'complete', [1, 10]), seen(1, 'complete', [4, 4]), seen(2, 'complete', [4.5, 3.9])];
  expect(splitObservations(front, 1, true).below.map(o => o.number)).toEqual([1]);
  expect(splitObservations(front, 2, true).below.map(o => o.number)).toEqual([0, 1]);
});

test('constrained search ends at the border of what is allowed', () => {
  const study = createStudy({ space: { x: float(0, 1) }, sampler: tpe(), seed: 2 });
  for (let i = 0; i < 60; i++) {
    const ask = study.ask();
    if (ask.kind !== 'trial') break;
    const { x } = ask.trial.params;
    study.tell(ask.trial.number, { kind: 'complete', values: [x], constraints: [0.7 - x] });
  }
  expect(study.best()?.values?.[0]).toBeGreaterThanOrEqual(0.7);
  expect(study.best()?.values?.[0]).toBeLessThan(0.72);
});
