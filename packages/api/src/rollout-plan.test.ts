import { expect, test } from 'vitest';
import { parsePlan } from './rollout-plan.ts';

test('the usual plan is read as people write it', () => {
  expect(parsePlan('5% 10m -> 25% 30m -> 100%')).toEqual([
    { kind: 'canary', percent: 5, forMs: 600_000 },
    { kind: 'canary', percent: 25, forMs: 1_800_000 },
    { kind: 'canary', percent: 100, forMs: 0 },
  ]);
});

test('shadow steps, waiting steps, an A/B share without end', () => {
  expect(parsePlan('shadow 20% 1h→0% pause→0.5 % for 90s')).toEqual([
    { kind: 'shadow', percent: 20, forMs: 3_600_000 },
    { kind: 'canary', percent: 0, forMs: null },
    { kind: 'canary', percent: 0.5, forMs: 90_000 },
  ]);
  expect(parsePlan('shadow 10m -> 100%')).toMatchObject([{ percent: 100, kind: 'shadow' }, { percent: 100 }]);
});

test.each([
  ['', 'is not a step'],
  ['5%', 'says no length'],
  ['5% soon', 'neither a duration'],
  ['101% 1m', '0 to 100 %'],
  ['5.123% 1m', 'two decimals'],
  ['100% 10m', 'has no length'],
  ['100% -> 100%', 'last step'],
  ['25% 1m -> 5% 1m', 'shares grow'],
  ['5% 1m -> shadow 1m', 'before the first share'],
])('"%s" is refused with a sentence', (plan, why) => {
  expect(parsePlan(plan)).toContain(why);
});
