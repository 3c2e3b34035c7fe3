import { type LiveEvent, liveEventSchema, type PerformanceResponse, performanceResponseSchema } from '@holdfast/api';
import { expect, test } from 'vitest';
import { Narrator, paceLine, percentile } from './narrator.ts';

const dayMs = 86_400_000;
const start = Date.UTC(2001, 1, 1);

function windowEvent(dayNumber: number, columns: readonly string[]): LiveEvent {
  const windowStartMs = start + dayNumber * dayMs;
  const breach = (subject: string) => ({
    id: 1,
    model: 'flight-delay',
    version: 1,
    monitor: 'data-drift',
    subject,
    windowStartMs,
    windowEndMs: windowStartMs + dayMs,
    outcome: 'breached',
    test: 'two-sample KS',
    statistic: 0.2,
    pValue: 0.001,
    effectName: 'PSI',
    effect: 0.3,
    threshold: 0.1,
    baselineRows: 500_000,
    windowRows: 16_000,
    falseAlarmRate: 0.01,
    sentence: `${subject} moved.`,
    revision: 0,
    judgedAtMs: windowStartMs + dayMs,
  });
  return liveEventSchema.parse({
    kind: 'window',
    model: 'flight-delay',
    windowStartMs,
    windowEndMs: windowStartMs + dayMs,
    breaches: columns.map(breach),
  });
}

function alertEvent(state: 'pending' | 'firing' | 'resolved'): LiveEvent {
  return liveEventSchema.parse({
    kind: 'alert',
    alert: {
      id: 'a1',
      model: 'flight-delay',
      version: 1,
      monitor: 'performance',
      state,
      severity: 'warning',
      title: 'flight-delay ranks worse',
      subjects: ['roc_auc'],
      sentences: ['AUC fell from 0.77 to 0.74.'],
      sinceMs: start,
      lastWindowMs: start + dayMs,
      openedAtMs: start,
      firedAtMs: null,
      resolvedAtMs: null,
    },
  });
}

function performanceOf(labelled: number): PerformanceResponse {
  return performanceResponseSchema.parse({
    baseline: { roc_auc: 0.7685 },
    points: [
      {
        version: 1,
        windowStartMs: start,
        windowEndMs: start + 7 * dayMs,
        predictions: 1000,
        labelled,
        metrics: { roc_auc: 0.74321 },
        revision: 0,
      },
    ],
  });
}

test('a column that drifts is told once and counted in every window', () => {
  const narrator = new Narrator();
  expect(narrator.hear(windowEvent(0, ['origin']))).toEqual(['2001-02-01  drift: origin moved.']);
  expect(narrator.hear(windowEvent(1, ['origin', 'hour']))).toEqual(['2001-02-02  drift: hour moved.']);
  expect(narrator.hear(windowEvent(2, ['origin']))).toEqual([]);
  expect(narrator.drifted).toEqual([
    ['origin', 3],
    ['hour', 1],
  ]);
});

test('a window judged again replaces its first verdict', () => {
  const narrator = new Narrator();
  narrator.hear(windowEvent(0, ['origin']));
  narrator.hear(windowEvent(0, []));
  expect(narrator.drifted).toEqual([]);
});

test('a week is told once, when its labels are complete, with the columns that drifted in it', () => {
  const narrator = new Narrator();
  narrator.hear(windowEvent(1, ['origin']));
  narrator.hear(windowEvent(9, ['hour']));
  const end = start + 7 * dayMs;
  expect(narrator.hearPerformance(performanceOf(1000), end)).toEqual([]);
  expect(narrator.hearPerformance(performanceOf(900), end + dayMs)).toEqual([]);
  expect(narrator.hearPerformance(performanceOf(1000), end + dayMs)).toEqual([
    '2001-02-01  week until 2001-02-08: AUC 0.7432 (January 0.7685), drift in origin 1x',
  ]);
  expect(narrator.hearPerformance(performanceOf(1000), end + 2 * dayMs)).toEqual([]);
  expect(narrator.weeks).toHaveLength(1);
});

test('an alert is told when it fires and when it is over, with its reason', () => {
  const narrator = new Narrator();
  expect(narrator.hear(alertEvent('pending'))).toEqual([]);
  expect(narrator.hear(alertEvent('firing'))).toEqual([
    '2001-02-02  ALERT warning: flight-delay ranks worse',
    '              AUC fell from 0.77 to 0.74.',
  ]);
  expect(narrator.hear(alertEvent('firing'))).toEqual([]);
  expect(narrator.hear(alertEvent('resolved'))).toEqual(['2001-02-02  resolved: flight-delay ranks worse']);
});

test('the pace names rate, slowest hundredth and labels', () => {
  const progress = { eventMs: start, requests: 1, rows: 5, labels: 1234, labelsWaiting: 0, retries: 0 };
  const latencies = Array.from({ length: 100 }, (_, index) => index + 1);
  expect(paceLine(progress, 14_321.4, latencies)).toBe('2001-02-01  14,321 predictions/s, p99 99.0 ms, 1,234 labels');
  expect(paceLine(progress, 0, [])).toBe('2001-02-01  0 predictions/s, 1,234 labels');
  expect(percentile([3, 1, 2], 0.5)).toBe(2);
  expect(percentile([], 0.5)).toBeUndefined();
});
