import { expect, test } from 'vitest';
import type { Observation } from '../sampler.ts';
import { sidesOf, trustRegion } from './trust-region.ts';

function history(losses: readonly number[]): readonly Observation[] {
  return losses.map((loss, number) => ({
    number,
    kind: 'complete',
    point: Float64Array.of(number / 10, 0.5),
    losses: [loss],
    violation: 0,
    constraints: [],
    last: undefined,
    reports: [],
  }));
}

test.each([
  // TuRBO's rule with 4 failures to shrink (two dimensions), 3 improvements to grow.
  ['starts at 0.8', [5], 0.8],
  ['doubles after three improvements', [5, 4, 3, 2], 1.6],
  ['stays after two improvements and a failure', [5, 4, 3, 6], 0.8],
  ['halves after four failures', [5, 6, 6, 6, 6], 0.4],
  ['starts over when it has become tiny', [5, ...new Array<number>(28).fill(6)], 0.8],
])('the region %s', (_, losses, side) => {
  expect(trustRegion(history(losses), 1, 2)?.side).toBeCloseTo(side, 12);
});

test('the region lies around the best trial and inside the space', () => {
  const region = trustRegion(history([5, 1, 6]), 1, 2)!;
  expect(region.centre[0]).toBe(0.1);
  expect(sidesOf(region, 0)).toEqual([0, 0.5]);
});
