import { expect, test } from 'vitest';
import { bucketLength, windowStart } from './window-grid.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

test.each([
  ['an hour starts on the hour', '2024-05-15T13:59:59Z', hourMs, '2024-05-15T13:00:00Z'],
  ['a day starts at midnight UTC', '2024-05-15T13:59:59Z', dayMs, '2024-05-15T00:00:00Z'],
  ['a week starts on Monday', '2024-05-15T13:59:59Z', 7 * dayMs, '2024-05-13T00:00:00Z'],
  ['the start belongs to its window', '2024-05-13T00:00:00Z', 7 * dayMs, '2024-05-13T00:00:00Z'],
  ['times before 1970 too', '1969-12-31T23:59:59Z', dayMs, '1969-12-31T00:00:00Z'],
])('%s', (_, time, lengthMs, start) => {
  expect(new Date(windowStart(Date.parse(time), lengthMs)).toISOString()).toBe(new Date(start).toISOString());
});

test('buckets are minutes unless windows are not made of them', () => {
  expect(bucketLength([hourMs, 7 * dayMs])).toBe(60_000);
  expect(bucketLength([])).toBe(60_000);
  expect(bucketLength([90_000])).toBe(30_000);
  expect(bucketLength([hourMs, 10_000])).toBe(10_000);
  expect(bucketLength([250])).toBe(1000);
});
