import { expect, test } from 'vitest';
import { learnable } from './estimate-final.ts';
import type { Observation } from './sampler.ts';

/** A trial that reported `losses` at steps 1, 2, ... */
function seen(number: number, kind: Observation['kind'], losses: readonly number[]): Observation {
  const reports = losses.map((loss, i) => ({ step: i + 1, losses: [loss] }));
  const final = kind === 'complete' ? [losses.at(-1)!] : [];
  return {
    number,
    kind,
    point: new Float64Array(1),
    losses: final,
    violation: 0,
    constraints: [],
    last: reports.at(-1),
    reports,
  };
}

test('with few complete trials the deepest step that enough trials have reached is learned', () => {
  const trials = [
    seen(0, 'complete', [5, 4, 3]),
    seen(1, 'pending', [6, 5]),
    seen(2, 'pending', [7]),
    seen(3, 'pruned', [8, 9]),
    seen(4, 'pending', []),
    seen(5, 'failed', []),
  ];
  const learned = (needed: number) => learnable(trials, needed).map(o => [o.number, o.kind, ...o.losses]);
  expect(learned(3)).toEqual([
    [0, 'complete', 4],
    [1, 'complete', 5],
    [3, 'complete', 9],
    [5, 'failed'],
  ]);
  expect(learned(4).map(t => t[2])).toEqual([5, 6, 7, 8, undefined]);
});

test('with enough complete trials the others count with the final loss that their place at their last step led to', () => {
  const trials = [
    seen(0, 'complete', [4, 1]),
    seen(1, 'complete', [6, 3]),
    seen(2, 'complete', [8, 9]),
    seen(3, 'pending', [5]),
    seen(4, 'pruned', [5]),
    seen(5, 'pending', [99]),
  ];
  // Half way between places one and two: 2; a pruned trial never beats the median, 3; beyond the worst: 9.
  expect(learnable(trials, 3).map(o => o.losses[0])).toEqual([1, 3, 9, 2, 3, 9]);
});
