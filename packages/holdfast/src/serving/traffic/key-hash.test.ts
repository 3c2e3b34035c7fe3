import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseByChance, chooseByKey, hashText } from './key-hash.ts';

const keys = Array.from({ length: 4000 }, (_, i) => hashText(`caller-${i}`));
const named = (weights: Readonly<Record<string, number>>) =>
  Object.entries(weights).map(([name, weight]) => ({ seed: hashText(name), weight }));

test('the same key is always dealt the same', () => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 0, max: 10_000 }), (text, weight) => {
      const choices = named({ champion: 10_000 - weight, challenger: weight });
      expect(chooseByKey(hashText(text), choices)).toBe(chooseByKey(hashText(text), choices));
    }),
  );
});

test('a growing share keeps every key it had and only wins new ones', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9999 }), fc.integer({ min: 1, max: 9999 }), (a, b) => {
      const [small, large] = [Math.min(a, b), Math.max(a, b)];
      const before = named({ champion: 10_000 - small, challenger: small });
      const after = named({ champion: 10_000 - large, challenger: large });
      for (const key of keys.slice(0, 300)) {
        if (chooseByKey(key, before) === 1) expect(chooseByKey(key, after)).toBe(1);
      }
    }),
    { numRuns: 50 },
  );
});

test('of three arms, a change of one moves keys only to or from that one', () => {
  const before = named({ a: 5000, b: 3000, c: 2000 });
  const after = named({ a: 5000, b: 3000, c: 4000 });
  const moved = keys.filter(key => chooseByKey(key, before) !== chooseByKey(key, after));
  expect(moved.length).toBeGreaterThan(0);
  expect(moved.every(key => chooseByKey(key, after) === 2)).toBe(true);
});

test.each([100, 500, 2500, 5000])('%i ten-thousandths of the keys go to a share of that size', weight => {
  const choices = named({ champion: 10_000 - weight, challenger: weight });
  const share = keys.filter(key => chooseByKey(key, choices) === 1).length / keys.length;
  // Four standard errors of a share of 4000 keys.
  expect(Math.abs(share - weight / 10_000)).toBeLessThan(4 * Math.sqrt(0.25 / keys.length));
});

test('another salt deals anew: two releases share no pattern', () => {
  const both = keys.filter((_, i) => {
    const one = hashText(`caller-${i}`, hashText('one'));
    const two = hashText(`caller-${i}`, hashText('two'));
    const choices = named({ champion: 5000, challenger: 5000 });
    return chooseByKey(one, choices) === chooseByKey(two, choices);
  });
  expect(Math.abs(both.length / keys.length - 0.5)).toBeLessThan(0.04);
});

test('a share of nothing gets nothing, by key or by chance', () => {
  const choices = named({ champion: 10_000, challenger: 0 });
  expect(keys.every(key => chooseByKey(key, choices) === 0)).toBe(true);
  expect([0, 0.5, 0.999_999].map(uniform => chooseByChance(uniform, choices))).toEqual([0, 0, 0]);
  expect(chooseByKey(1, [])).toBe(-1);
});

test('by chance the shares lie side by side', () => {
  const choices = named({ champion: 7500, challenger: 2500 });
  expect([0, 0.749, 0.751, 0.99].map(uniform => chooseByChance(uniform, choices))).toEqual([0, 0, 1, 1]);
});
