import { expect, test } from 'vitest';
import { float } from '../space/params.ts';
import { createStudy } from '../study/create-study.ts';
import { gp } from './gp/gp.ts';

/** Trials of a quadratic bowl in so many floats, in the order they ran, and their values. */
function run(
  dimensions: number,
  trials: number,
  planned = trials,
): { readonly flat: readonly number[]; readonly value: number }[] {
  const space = Object.fromEntries(Array.from({ length: dimensions }, (_, i) => [`x${i}`, float(0, 1)]));
  const study = createStudy({ space, sampler: gp(), seed: 5, budget: { trials: planned } });
  return Array.from({ length: trials }, () => {
    const ask = study.ask();
    if (ask.kind !== 'trial') throw new Error(ask.kind);
    const flat = Object.values(ask.trial.flat).map(Number);
    const value = flat.reduce((s, x, i) => s + (x - (i % 2 ? 0.3 : 0.65)) ** 2 + 0.1 * Math.sin(20 * x), 0);
    study.tell(ask.trial.number, value);
    return { flat, value };
  });
}

/** Which numbers of a trial differ from the best of those before it. */
function changedBy(trials: ReturnType<typeof run>, number: number): readonly number[] {
  const best = trials.slice(0, number).reduce((a, b) => (b.value < a.value ? b : a));
  return [...best.flat.keys()].filter(i => trials[number]!.flat[i] !== best.flat[i]);
}

test('with six numbers each is changed once from the best trial so far, in turn', () => {
  const trials = run(6, 7);
  expect([1, 2, 3, 4, 5, 6].map(n => changedBy(trials, n))).toEqual([[0], [1], [2], [3], [4], [5]]);
});

test('with five numbers the start spreads over the space', () => {
  expect(changedBy(run(5, 3), 2)).toHaveLength(5);
});

test('when the budget is short for so many numbers the search stays near the best trial', () => {
  const trials = run(8, 18, 40);
  for (let n = 9; n < trials.length; n++) {
    const best = trials.slice(0, n).reduce((a, b) => (b.value < a.value ? b : a));
    expect(Math.max(...trials[n]!.flat.map((x, i) => Math.abs(x - best.flat[i]!)))).toBeLessThan(0.18);
  }
});
