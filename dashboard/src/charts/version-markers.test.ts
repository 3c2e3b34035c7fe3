import { type AliasMove, aliasMoveSchema, type TrafficPoint } from '@holdfast/api';
import { expect, test } from 'vitest';
import { markersOfHistory, markersOfPoints } from './version-markers.ts';

function move(alias: string, toVersion: number | null, atMs: number): AliasMove {
  return aliasMoveSchema.parse({ alias, fromVersion: null, toVersion, generation: 1, atMs, actor: 'a', reason: '' });
}

test('wall-clock models are marked where the champion moved', () => {
  const history = [
    move('champion', 2, 20),
    move('challenger', 3, 15),
    move('champion', null, 12),
    move('champion', 1, 10),
  ];
  expect(markersOfHistory(history)).toEqual([
    { atMs: 10, version: 1 },
    { atMs: 20, version: 2 },
  ]);
});

test('event-clock models are marked where another version answers most rows', () => {
  const point = (startMs: number, version: number, rows: number): TrafficPoint => ({
    startMs,
    version,
    rows,
    requests: rows,
    errors: 0,
    p50Ms: null,
    p90Ms: null,
    p99Ms: null,
  });
  const points = [point(30, 2, 9), point(10, 1, 9), point(20, 1, 5), point(20, 2, 4), point(40, 2, 9), point(50, 1, 9)];
  expect(markersOfPoints(points)).toEqual([
    { atMs: 10, version: 1 },
    { atMs: 30, version: 2 },
    { atMs: 50, version: 1 },
  ]);
});
