import type { TrafficPoint } from '@holdfast/api';
import { expect, test } from 'vitest';
import { rateUnitOf, trafficLines } from './traffic-lines.ts';

function point(startMs: number, version: number, rows: number, parts: Partial<TrafficPoint> = {}): TrafficPoint {
  return { startMs, version, rows, requests: rows, errors: 0, p50Ms: 1, p90Ms: 2, p99Ms: 3, ...parts };
}

const stepMs = 1000;

test('a step without traffic is zero rows and no latency', () => {
  const lines = trafficLines({ stepMs, points: [point(0, 1, 4), point(3000, 1, 8)] });
  expect(lines.startsMs).toEqual([0, 1000, 2000, 3000]);
  expect(lines.rows.get(1)).toEqual([4, 0, 0, 8]);
  expect(lines.p50Ms).toEqual([1, null, null, 1]);
  expect(lines.errorShare).toEqual([0, null, null, 0]);
});

test('a version has no line before its first and after its last rows', () => {
  const points = [point(0, 1, 4), point(1000, 1, 2), point(1000, 2, 2, { p99Ms: 9 }), point(2000, 2, 5)];
  const lines = trafficLines({ stepMs, points });
  expect(lines.rows.get(1)).toEqual([4, 2, null]);
  expect(lines.rows.get(2)).toEqual([null, 2, 5]);
  expect(lines.p99Ms).toEqual([3, 9, 3]);
  expect([...trafficLines({ stepMs, points }, { version: 2 }).rows.keys()]).toEqual([2]);
});

test('the last step is left out while it is still filling', () => {
  const points = [0, 1000, 2000, 3000, 4000].map(startMs => point(startMs, 1, 10));
  expect(trafficLines({ stepMs, points }, { endMs: 4500 }).startsMs).toHaveLength(4);
  expect(trafficLines({ stepMs, points }, { endMs: 5000 }).startsMs).toHaveLength(5);
});

test('errors are a share of the requests of all versions', () => {
  const points = [point(0, 1, 6, { errors: 1 }), point(0, 2, 4, { errors: 1 })];
  expect(trafficLines({ stepMs, points }).errorShare).toEqual([0.2]);
});

test('a grid never has more than a few thousand steps', () => {
  const points = [point(0, 1, 1), point(1e9, 1, 1)];
  expect(trafficLines({ stepMs, points }).startsMs).toHaveLength(4000);
});

test('nothing measured is nothing drawn', () => {
  expect(trafficLines({ stepMs, points: [] }).startsMs).toEqual([]);
});

test.each([
  [5, 'second'],
  [0.2, 'minute'],
  [0.004, 'hour'],
  [0.0002, 'day'],
  [0, 'second'],
])('%s rows per second are written per %s', (rows, unit) => {
  expect(rateUnitOf(trafficLines({ stepMs, points: [point(0, 1, rows)] })).unit).toBe(unit);
});
