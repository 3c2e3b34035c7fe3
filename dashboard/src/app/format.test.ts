import { expect, test } from 'vitest';
import { formatFor } from './format.ts';

const en = formatFor('en');
const zh = formatFor('zh-CN');

test.each([
  [null, '–'],
  [0, '0 ms'],
  [1.8391, '1.84 ms'],
  [999, '999 ms'],
  [1250, '1.25 s'],
])('a latency of %s ms is written %s', (ms, text) => {
  expect(en.ms(ms)).toBe(text);
});

test.each([
  [0, '0%'],
  [0.00042, '0.042%'],
  [0.0213, '2.13%'],
  [0.2134, '21.3%'],
  [1, '100%'],
  [4.2, '420%'],
])('a share of %s is written %s', (share, text) => {
  expect(en.percent(share)).toBe(text);
});

test('metrics keep four digits while small', () => {
  expect(en.metric(0.7685)).toBe('0.7685');
  expect(en.metric(0.7)).toBe('0.7000');
  expect(en.metric(1234.567)).toBe('1,234.6');
});

test('lengths of time and distances in time follow the language', () => {
  expect(en.duration(86_400_000)).toBe('1 day');
  expect(en.duration(7 * 86_400_000)).toBe('7 days');
  expect(en.ago(0, 120_000)).toBe('2 min. ago');
  expect(zh.duration(7 * 86_400_000)).toBe('7天');
  expect(zh.ago(0, 120_000)).toBe('2分钟前');
});

test('bytes and times are written in the given time zone and language', () => {
  const atMs = Date.UTC(2001, 1, 3, 14, 5);
  expect(en.dateTime(atMs, 'UTC')).toBe('Feb 3, 2001, 14:05');
  expect(en.time(atMs, 'Asia/Shanghai')).toBe('22:05');
  expect(zh.dateTime(atMs, 'UTC')).toBe('2001年2月3日 14:05');
  expect(en.bytes(184_320)).toBe('184 kB');
  expect(en.bytes(12)).toBe('12 byte');
});
