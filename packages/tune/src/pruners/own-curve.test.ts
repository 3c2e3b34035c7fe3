import { createRng } from '@holdfast/stats';
import { expect, test } from 'vitest';
import { learningCurvePruner } from './learning-curve.ts';
import type { PruneDecision, Pruner, ReportedTrial } from './pruner.ts';
import { wilcoxonPruner } from './wilcoxon.ts';

const trial = (
  number: number,
  losses: readonly number[],
  state: ReportedTrial['state'] = 'complete',
): ReportedTrial => ({
  number,
  state,
  reports: losses.map((loss, i) => ({ step: i + 1, losses: [loss] })),
});
const judge = (pruner: Pruner, ...trials: readonly ReportedTrial[]): PruneDecision['kind'] =>
  pruner.judge({ trial: trials.at(-1)!, trials, rng: createRng(1) }).kind;

const folds = trial(0, [0.1, 0.5, 0.2, 0.4, 0.3, 0.25, 0.35, 0.45]);

test('wilcoxon: a little worse on every fold is stopped although folds differ by far more', () => {
  expect(judge(wilcoxonPruner(), folds, trial(1, [0.11, 0.52, 0.23, 0.44], 'running'))).toBe('prune');
});

test('wilcoxon: one bad fold is no evidence', () => {
  expect(judge(wilcoxonPruner(), folds, trial(1, [0.9, 0.49, 0.19, 0.39], 'running'))).toBe('continue');
});

test('wilcoxon: a trial whose mean so far is better than that of the best goes on', () => {
  const eager = wilcoxonPruner({ pThreshold: 0.6, startupSteps: 1 });
  expect(judge(eager, folds, trial(1, [0.2], 'running'))).toBe('continue');
  expect(judge(eager, folds, trial(1, [0.4], 'running'))).toBe('prune');
});

const curve = (limit: number, speed: number, until: number): readonly number[] =>
  Array.from({ length: until }, (_, i) => limit + (1 - limit) * Math.exp(-(i + 1) / speed));
const best = trial(0, curve(0.2, 5, 50));

test('learning curve: what levels off above the best is stopped early', () => {
  const pruner = learningCurvePruner({ maxSteps: 50 });
  expect(judge(pruner, best, trial(1, curve(0.5, 3, 10), 'running'))).toBe('prune');
});

test('learning curve: a slow starter that will win goes on although the best was far ahead at its step', () => {
  const pruner = learningCurvePruner({ maxSteps: 50 });
  expect(judge(pruner, best, trial(1, curve(0.05, 12, 10), 'running'))).toBe('continue');
});

test('learning curve: nothing is judged before there is a best trial or enough of a curve', () => {
  const pruner = learningCurvePruner({ maxSteps: 50 });
  expect(judge(pruner, trial(1, curve(0.5, 3, 10), 'running'))).toBe('continue');
  expect(judge(pruner, best, trial(1, curve(0.5, 3, 4), 'running'))).toBe('continue');
});
