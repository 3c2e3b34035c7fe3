import { type Alert, alertSchema } from '@holdfast/api';
import { expect, test } from 'vitest';
import { inOrder } from '../components/alert-list.tsx';
import { alertBars } from './alert-timeline.tsx';

function alert(id: string, state: Alert['state'], sinceMs: number, lastWindowMs: number): Alert {
  return alertSchema.parse({
    id,
    model: 'm',
    version: 1,
    monitor: 'data-drift',
    state,
    severity: 'warning',
    title: 't',
    subjects: [],
    sentences: [],
    sinceMs,
    lastWindowMs,
    openedAtMs: 0,
    firedAtMs: null,
    resolvedAtMs: null,
  });
}

test('a resolved alert ends at its last window, an open one reaches the end of what is shown', () => {
  const shown = { fromMs: 0, toMs: 1000 };
  const bars = alertBars([alert('a', 'resolved', 100, 300), alert('b', 'firing', 500, 600)], shown);
  expect(bars.map(({ left, width }) => [left, width])).toEqual([
    [10, 20],
    [50, 50],
  ]);
});

test('alerts are cut at the range, and those outside are left out', () => {
  const shown = { fromMs: 200, toMs: 400 };
  const bars = alertBars(
    [alert('a', 'resolved', 0, 300), alert('b', 'firing', 500, 600), alert('c', 'resolved', 0, 100)],
    shown,
  );
  expect(bars.map(({ alert: { id }, left, width }) => [id, left, width])).toEqual([['a', 0, 50]]);
});

test('firing alerts stand before pending and resolved ones, the latest first', () => {
  const alerts = [
    alert('r', 'resolved', 0, 9),
    alert('old', 'firing', 0, 1),
    alert('p', 'pending', 0, 5),
    alert('new', 'firing', 0, 2),
  ];
  expect(inOrder(alerts).map(({ id }) => id)).toEqual(['new', 'old', 'p', 'r']);
});
