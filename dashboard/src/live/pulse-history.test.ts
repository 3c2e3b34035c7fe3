import { type ModelSummary, modelSummarySchema } from '@holdfast/api';
import { expect, test } from 'vitest';
import { type PulseHistory, pulsesKept, withPulse } from './pulse-history.ts';

function model(name: string, requestsPerSecond: number): ModelSummary {
  return modelSummarySchema.parse({
    name,
    champion: 1,
    state: 'ready',
    task: 'none',
    versions: 1,
    traffic: { requestsPerSecond, rowsPerSecond: 0, errorsPerSecond: 0, p50Ms: null, p99Ms: null },
    drift: 'unwatched',
    driftedColumns: [],
    performance: 'unwatched',
    leadingMetric: null,
    firingAlerts: 0,
  });
}

test('the history holds the last two minutes, however long the page is open', () => {
  let history: PulseHistory = new Map();
  for (let i = 0; i < 10_000; i++) history = withPulse(history, [model('a', i)]);
  expect(history.get('a')).toHaveLength(pulsesKept);
  expect(history.get('a')?.at(-1)).toBe(9999);
  expect(history.get('a')?.[0]).toBe(10_000 - pulsesKept);
});

test('a removed model is forgotten', () => {
  const history = withPulse(withPulse(new Map(), [model('a', 1), model('b', 2)]), [model('b', 3)]);
  expect([...history.keys()]).toEqual(['b']);
});
