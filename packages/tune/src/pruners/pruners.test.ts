import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { spearman } from '../maths/rank-correlation.ts';
import { asha } from './asha.ts';
import { bracketSizes, hyperband } from './hyperband.ts';
import { patientPruner } from './patient.ts';
import { medianPruner, percentilePruner } from './percentile.ts';
import type { PruneDecision, Pruner, ReportedTrial } from './pruner.ts';
import { correlationAt, rankGuard } from './rank-guard.ts';
import { rungSteps } from './rungs.ts';
import { successiveHalving } from './successive-halving.ts';
import { thresholdPruner } from './threshold.ts';

type State = ReportedTrial['state'];
const trial = (
  number: number,
  losses: readonly (number | readonly number[])[],
  state: State = 'complete',
): ReportedTrial => ({
  number,
  state,
  reports: losses.map((l, i) => ({ step: i + 1, losses: typeof l === 'number' ? [l] : l })),
});

/** Judges the last of the trials. */
const judge = (pruner: Pruner, ...trials: readonly ReportedTrial[]): PruneDecision['kind'] =>
  pruner.judge({ trial: trials.at(-1)!, trials, rng: createRng(1) }).kind;

const finished = [1, 2, 3, 4, 5].map((loss, i) => trial(i, [loss, loss]));

test('median: the best value so far must not be worse than the median at the same step', () => {
  expect(judge(medianPruner(), ...finished, trial(9, [3.1], 'running'))).toBe('prune');
  expect(judge(medianPruner(), ...finished, trial(9, [3], 'running'))).toBe('continue');
  expect(judge(medianPruner(), ...finished, trial(9, [2, 8], 'running'))).toBe('continue');
});

test('median: start-up trials and warm-up steps are left alone', () => {
  expect(judge(medianPruner(), ...finished.slice(1), trial(9, [9], 'running'))).toBe('continue');
  expect(judge(medianPruner({ warmupSteps: 1 }), ...finished, trial(9, [9], 'running'))).toBe('continue');
});

test('percentile: 25 keeps only the best quarter', () => {
  const strict = percentilePruner({ percentile: 25 });
  expect(judge(strict, ...finished, trial(9, [2.1], 'running'))).toBe('prune');
  expect(judge(strict, ...finished, trial(9, [2], 'running'))).toBe('continue');
});

test('pruning works with several objectives: a dominated trial goes, a new extreme stays', () => {
  const front = [
    [1, 5],
    [2, 4],
    [3, 3],
    [4, 2],
    [5, 1],
  ].map((l, i) => trial(i, [l]));
  expect(judge(medianPruner(), ...front, trial(9, [[6, 6]], 'running'))).toBe('prune');
  expect(judge(medianPruner(), ...front, trial(9, [[0.5, 9]], 'running'))).toBe('continue');
});

test('threshold: fixed bounds, after the warm-up', () => {
  expect(judge(thresholdPruner({ upper: 2 }), trial(0, [2.5], 'running'))).toBe('prune');
  expect(judge(thresholdPruner({ lower: 0 }), trial(0, [-1], 'running'))).toBe('prune');
  expect(judge(thresholdPruner({ upper: 2, warmupSteps: 1 }), trial(0, [2.5], 'running'))).toBe('continue');
  expect(() => thresholdPruner({})).toThrow(expect.objectContaining({ code: 'bad_option' }));
});

test('patient: stops only after reports without progress, and asks the wrapped pruner first', () => {
  const early = patientPruner({ patience: 2, minDelta: 0.1 });
  expect(judge(early, trial(0, [3, 2, 1.95, 1.95], 'running'))).toBe('prune');
  expect(judge(early, trial(0, [3, 2, 1.8, 1.95], 'running'))).toBe('continue');
  const lenient = patientPruner({ patience: 2 }, thresholdPruner({ upper: 100 }));
  expect(judge(lenient, trial(0, [3, 3, 3, 3], 'running'))).toBe('continue');
});

test('rungs grow by eta and stop before the full budget', () => {
  expect(rungSteps({ minSteps: 1, maxSteps: 27, eta: 3 })).toEqual([1, 3, 9]);
  expect(() => rungSteps({ maxSteps: 0.5 })).toThrow(expect.objectContaining({ code: 'bad_option' }));
});

test('asha: the first arrivals pause and the best third is promoted, highest rung first', () => {
  const pruner = asha({ maxSteps: 9, eta: 3 });
  expect(judge(pruner, trial(0, [1], 'running'))).toBe('pause');
  const paused = [5, 3, 4].map((l, i) => trial(i, [l], 'paused'));
  expect(pruner.promote?.(paused)).toBe(1);
  expect(judge(pruner, ...paused, trial(3, [4], 'running'))).toBe('pause');
  expect(judge(pruner, ...paused, trial(3, [1], 'running'))).toBe('continue');
  expect(pruner.promote?.([trial(1, [3, 3, 3], 'running'), ...paused.filter(t => t.number !== 1)])).toBeUndefined();
});

test('successive halving: a cohort waits for its last member, then a third goes on and the rest is retired', () => {
  const pruner = successiveHalving({ maxSteps: 9, eta: 3, cohort: 9 });
  const eight = [8, 7, 6, 5, 4, 3, 2, 1].map((l, i) => trial(i, [l], 'paused'));
  expect(pruner.promote?.(eight)).toBeUndefined();
  const nine = [...eight, trial(8, [0], 'paused')];
  expect(pruner.promote?.(nine)).toBe(8);
  expect(pruner.retire?.(nine)).toHaveLength(6);
});

test('hyperband: bracket sizes follow the paper for R = 81, eta = 3', () => {
  // Li et al. 2018, table 1: brackets start with 81, 34, 15, 8 and 5 configurations.
  expect(bracketSizes(4, 3)).toEqual([81, 34, 15, 8, 5]);
});

test('hyperband: a trial of the last bracket is never judged', () => {
  const pruner = hyperband({ maxSteps: 3, eta: 3 });
  // Two brackets of 3 and 2 trials: numbers 3 and 4 run to their end.
  expect(judge(pruner, trial(4, [9], 'running'))).toBe('continue');
  expect(judge(pruner, trial(0, [9], 'running'))).toBe('pause');
});

test('spearman equals published values', () => {
  // Wikipedia, Spearman's rank correlation, the IQ and television example: rho = -29/165.
  const iq = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110];
  const hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17];
  expect(spearman(iq, hours)).toBeCloseTo(-29 / 165, 12);
  expect(spearman([1, 1, 1], [1, 2, 3])).toBe(0);
});

test('the rank guard holds a pruner back where early losses mislead, and lets it act where they rank well', () => {
  const misleading = Array.from({ length: 10 }, (_, i) => trial(i, [9 - i, i, i]));
  expect(correlationAt(misleading, 1)).toBeCloseTo(-1, 12);
  const guarded = rankGuard(medianPruner());
  expect(judge(guarded, ...misleading, trial(20, [99], 'running'))).toBe('continue');
  expect(judge(guarded, ...misleading, trial(20, [99, 99], 'running'))).toBe('prune');
  expect(judge(guarded, ...misleading.slice(0, 7), trial(20, [99, 99], 'running'))).toBe('continue');
});
