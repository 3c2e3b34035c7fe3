import { expect, test } from 'vitest';
import { createPredictionIds } from './prediction-id.ts';

test('an id has 20 lower-case Crockford characters: time, instance, counter', () => {
  const ids = createPredictionIds({ instance: 33, clock: { wallMs: () => 32 } });
  expect(ids.next()).toBe('00000000100011000000');
  expect(ids.next()).toBe('00000000100011000001');
});

test('ids grow as text, also within a millisecond and when the clock steps back', () => {
  const times = [5, 5, 5, 6, 6, 2, 2, 7, 1_800_000_000_000, 1_800_000_000_000, 9];
  let i = 0;
  const ids = createPredictionIds({ instance: 1, clock: { wallMs: () => times[i++]! } });
  const made = times.map(() => ids.next());
  expect(made.toSorted()).toEqual(made);
  expect(new Set(made).size).toBe(made.length);
  for (const id of made) expect(id).toMatch(/^[0-9a-hjkmnp-tv-z]{20}$/);
});

test('the counter carries over its characters', () => {
  const ids = createPredictionIds({ instance: 0, clock: { wallMs: () => 0 } });
  let last = '';
  for (let n = 0; n < 32 * 32 + 2; n++) last = ids.next();
  expect(last.slice(14)).toBe('000101');
});

test('an instance out of range is refused', () => {
  expect(() => createPredictionIds({ instance: 2 ** 20, clock: { wallMs: () => 0 } })).toThrow(RangeError);
});
