import { expect, test } from 'vitest';
import { niceStep, scaleFor } from './axis-scale.ts';

test('a linear axis has round ticks inside and keeps its ends off the edge', () => {
  const scale = scaleFor([0, 10]);
  expect(scale.ticks.map(tick => tick.label)).toEqual(['0', '2', '4', '6', '8', '10']);
  expect(scale.unitOf(0)).toBeGreaterThan(0);
  expect(scale.unitOf(10)).toBeLessThan(1);
});

test('a logarithmic axis puts decades at equal distances', () => {
  const scale = scaleFor([1e-5, 1e-1], { isLog: true });
  expect(scale.ticks.map(tick => tick.label)).toEqual(['1e-5', '1e-4', '0.001', '0.01', '0.1']);
  const steps = scale.ticks.slice(1).map((tick, i) => tick.at - scale.ticks[i]!.at);
  for (const step of steps) expect(step).toBeCloseTo(steps[0]!, 10);
});

test('values at or below zero are never put on a logarithmic axis', () => {
  expect(scaleFor([0, 1], { isLog: true }).kind).toBe('linear');
});

test('texts and mixed values become categories', () => {
  const scale = scaleFor(['sgd', 'adam', 'sgd']);
  expect(scale.kind).toBe('category');
  expect(scale.ticks.map(tick => tick.label)).toEqual(['adam', 'sgd']);
  expect(scaleFor([1, 'auto']).kind).toBe('category');
});

test('one value, and none, still make an axis', () => {
  expect(scaleFor([3]).unitOf(3)).toBeCloseTo(0.5, 10);
  expect(scaleFor([]).ticks.length).toBeGreaterThan(0);
});

test.each([
  [10, 5, 2],
  [1, 5, 0.2],
  [70, 5, 20],
])('a span of %d in about %d steps has steps of %d', (span, count, step) => {
  expect(niceStep(span, count)).toBeCloseTo(step, 12);
});
