import { expect, test } from 'vitest';
import { FakeTimers } from './fake-timers.ts';
import { throttle } from './throttle.ts';

test('the first ask runs at once, the rest of a burst once at the end of the interval', () => {
  const timers = new FakeTimers();
  const runs: number[] = [];
  const asked = throttle(1500, () => runs.push(timers.now()), timers);
  for (let i = 0; i < 100; i++) {
    asked.ask();
    timers.advance(10);
  }
  expect(runs).toEqual([0]);
  timers.advance(2000);
  expect(runs).toEqual([0, 1500]);
  timers.advance(5000);
  expect(runs).toHaveLength(2);
  asked.ask();
  expect(runs).toHaveLength(3);
});

test('a cancelled throttle runs no more', () => {
  const timers = new FakeTimers();
  let runs = 0;
  const asked = throttle(100, () => runs++, timers);
  asked.ask();
  asked.ask();
  asked.cancel();
  timers.advance(1000);
  expect(runs).toBe(1);
});
