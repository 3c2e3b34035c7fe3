import type { PerformancePoint } from '@holdfast/api';
import { expect, test } from 'vitest';
import { metricNames, performanceLines } from './performance-lines.ts';

const point = (
  startMs: number,
  version: number,
  metrics: Record<string, number>,
  labelled: number,
): PerformancePoint => ({
  version,
  windowStartMs: startMs,
  windowEndMs: startMs + 10,
  predictions: 100,
  labelled,
  metrics,
  revision: 0,
});

test('each version has its line, and a window the coverage of all of them', () => {
  const points = [point(10, 2, { auc: 0.7 }, 50), point(0, 1, { auc: 0.8 }, 100), point(10, 1, {}, 0)];
  const lines = performanceLines(points, 'auc');
  expect(lines.middlesMs).toEqual([5, 15]);
  expect([...lines.byVersion]).toEqual([
    [1, [0.8, null]],
    [2, [null, 0.7]],
  ]);
  expect(lines.coverage).toEqual([1, 0.25]);
});

test('the preferred metric comes first when it was measured', () => {
  const response = { baseline: {}, points: [point(0, 1, { mae: 1, bias: 2 }, 1)] };
  expect(metricNames(response, 'mae')).toEqual(['mae', 'bias']);
  expect(metricNames(response, 'auc')).toEqual(['bias', 'mae']);
});
