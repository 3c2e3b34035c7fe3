import { expect, test } from 'vitest';
import { logExpectedImprovement } from '../gp/acquisition.ts';
import { improvementRate } from './rate.ts';

const gain = (lead: number, deviation: number): number => Math.exp(logExpectedImprovement(-lead, deviation ** 2, 0));

test('with one stage to come the rate is the expected improvement per cost', () => {
  expect(improvementRate(-0.3, [{ cost: 0.5, deviation: 0.7 }])).toBeCloseTo(gain(-0.3, 0.7) / 0.5, 9);
});

test('a first stage that tells nothing is only a cost', () => {
  const stages = [
    { cost: 0.1, deviation: 0 },
    { cost: 0.9, deviation: 0.7 },
  ];
  expect(improvementRate(-0.3, stages)).toBeCloseTo(gain(-0.3, 0.7), 9);
});

test('a cheap first stage that tells nearly everything makes a trial several times as promising', () => {
  const stages = [
    { cost: 0.1, deviation: 0.7 },
    { cost: 0.9, deviation: 0.01 },
  ];
  // Stopped unless better: the gain stays, and of the long stage only the cost of the chance that it is worth it.
  expect(improvementRate(-0.5, stages)).toBeGreaterThan(2 * gain(-0.5, 0.7));
  expect(improvementRate(-0.5, stages)).toBeLessThan(gain(-0.5, 0.7) / 0.1);
});

test('a trial far ahead is worth its lead, whatever it may still do', () => {
  expect(improvementRate(5, [{ cost: 0.25, deviation: 0.1 }])).toBeCloseTo(20, 6);
});
