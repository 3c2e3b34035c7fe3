import { expect, test } from 'vitest';
import { extrapolateCurve } from './learning-curve.ts';

const steps = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
const at = (f: (t: number) => number, end = 50) => ({
  forecast: extrapolateCurve(steps, steps.map(f), end)!,
  truth: f(end),
});

test.each([
  ['power law', (t: number) => 0.1 + 0.8 * t ** -0.75],
  ['exponential', (t: number) => 0.3 + 0.5 * Math.exp(-t / 4)],
  ['long flat power law', (t: number) => 0.2 + 0.6 * t ** -0.35],
])('%s: the limit is found within 0.02 and three deviations', (_, f) => {
  const { forecast, truth } = at(f);
  expect(Math.abs(forecast.mean - truth)).toBeLessThan(0.02);
  expect(Math.abs(forecast.mean - truth)).toBeLessThan(3 * forecast.deviation + 1e-3);
});

test('noise widens the forecast', () => {
  const noisy = at(t => 0.1 + 0.8 / t + 0.05 * Math.sin(37 * t));
  expect(noisy.forecast.deviation).toBeGreaterThan(5 * at(t => 0.1 + 0.8 / t).forecast.deviation);
});

test('a curve that rises is expected to stay, not to rise for ever', () => {
  expect(at(t => 0.5 + 0.01 * t).forecast.mean).toBeLessThan(0.61);
});

test('steps may start at 0; fewer than four points are no curve', () => {
  expect(extrapolateCurve([0, 1, 2, 3, 4], [1, 0.7, 0.6, 0.55, 0.52], 20)!.mean).toBeLessThan(0.52);
  expect(extrapolateCurve([1, 2, 3], [3, 2, 1], 9)).toBeUndefined();
});
