import { expect, test } from 'vitest';
import { MonthScores, summaryOf, summaryText } from './demo-summary.ts';
import { type FakeFlight, fakeFlights } from './fake-flights.ts';
import { Narrator } from './narrator.ts';

const march = Date.UTC(2001, 2, 1);

function scored(flights: readonly FakeFlight[], late: readonly number[]): MonthScores {
  const months = new MonthScores();
  months.add({ eventMs: flights[0]!.departedMs, key: 'k', flights: fakeFlights(flights) }, Float32Array.from(late));
  return months;
}

const months = scored(
  [
    { departedMs: march - 1, late: 1 },
    { departedMs: march, late: 0 },
    { departedMs: march, late: 1 },
    { departedMs: march, late: 0 },
    { departedMs: march, late: 0 },
  ],
  [0.5, 0.9, 0.6, 0.2, 0.3],
);

test('answers are scored in the month of their departure, beside what is known about it', () => {
  expect(months.summary()).toEqual([
    {
      month: 'February',
      flights: 1,
      latePercent: 100,
      auc: Number.NaN,
      expectedLatePercent: 23.3,
      expectedAuc: 0.7656,
    },
    { month: 'March', flights: 4, latePercent: 25, auc: 0.6667, expectedLatePercent: 21, expectedAuc: 0.7473 },
  ]);
});

test('the summary counts what was sent and what the server kept', () => {
  const summary = summaryOf({
    progress: { eventMs: march, requests: 2, rows: 5, labels: 4, labelsWaiting: 1, retries: 0 },
    latencies: [4, 1],
    seconds: 2.04,
    months,
    narrator: new Narrator(),
    alerts: [],
    recording: { recordedTotal: 5, droppedTotal: 0, labelsTotal: 4, lastSyncedMs: null },
  });
  expect(summary).toMatchObject({ predictions: 5, labels: 4, seconds: 2, predictionsPerSecond: 2, p50Ms: 1, p99Ms: 4 });
  expect(summaryText(summary).split('\n')).toEqual([
    '5 predictions in 2 s: 2 per second, p50 1.0 ms, p99 4.0 ms',
    '  February         1 flights  100.0 % late  AUC NaN',
    '  March            4 flights  25.0 % late  AUC 0.6667',
    'drifted: nothing',
    'alerts: none',
    'recorded: 5 predictions, 0 dropped, 4 labels',
  ]);
});
