import { expect, test } from 'vitest';
import { describeDuration, describeNumber, describeShare, describeText } from './describe.ts';

test.each([
  [0.123456, '0.123'],
  [-5e-324, '0'],
  [1234.5, '1,235'],
  [0.000012345, '0.0000123'],
  [-12.04, '-12'],
])('the number %d is written %s', (value, text) => {
  expect(describeNumber(value)).toBe(text);
});

test.each([
  [0.01, '1 %'],
  [0.1234, '12.3 %'],
  [0.00123, '0.123 %'],
  [1, '100 %'],
])('the share %d is written %s', (share, text) => {
  expect(describeShare(share)).toBe(text);
});

test.each([
  [3_600_000, '1 hour'],
  [604_800_000, '1 week'],
  [90_000, '90 seconds'],
  [172_800_000, '2 days'],
  [1500, '1,500 ms'],
])('%d ms is written %s', (ms, text) => {
  expect(describeDuration(ms)).toBe(text);
});

test("text from a user's data stays on its line and short", () => {
  expect(describeText('a\n b')).toBe('"a b"');
  expect(describeText('x'.repeat(100))).toHaveLength(62);
});
