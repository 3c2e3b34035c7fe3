import { expect, test } from 'vitest';
import { closestName } from './closest-name.ts';

const known = ['low', 'high', 'step', 'values', 'default'];

test.each([
  ['lwo', 'low'],
  ['lw', 'low'],
  ['hihg', 'high'],
  ['hig', 'high'],
  ['Value', 'values'],
  ['defualt', 'default'],
  ['epochs', undefined],
])('"%s" was probably meant to be %s', (word, meant) => {
  expect(closestName(word, known)).toBe(meant);
});
