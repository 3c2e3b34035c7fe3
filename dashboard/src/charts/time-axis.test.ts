import { expect, test } from 'vitest';
import { timeLabels } from './time-axis.ts';

const hour = 3_600_000;
const start = Date.UTC(2001, 1, 3, 18);

test('hours say the date where it changes', () => {
  expect(timeLabels([start, start + 3 * hour, start + 6 * hour, start + 9 * hour], 3 * hour, 'en', 'UTC')).toEqual([
    '18:00\nFeb 3',
    '21:00',
    '00:00\nFeb 4',
    '03:00',
  ]);
});

test('days, months and seconds are as short as can be told apart', () => {
  expect(timeLabels([start], 24 * hour, 'en', 'UTC')).toEqual(['Feb 3']);
  expect(timeLabels([start], 24 * hour, 'zh-CN', 'UTC')).toEqual(['2月3日']);
  expect(timeLabels([start], 31 * 24 * hour, 'en', 'UTC')).toEqual(['Feb 2001']);
  expect(timeLabels([start], 10_000, 'en', 'UTC')).toEqual(['18:00:00\nFeb 3']);
});
