import { expect, test, vi } from 'vitest';
import { Deadlines } from './deadlines.ts';

test('a deadline in a year is no timer that fires at once', () => {
  const timers = vi.spyOn(globalThis, 'setTimeout');
  const deadlines = new Deadlines({ monotonicMs: () => 0 });
  deadlines.add({ deadlineMs: 365 * 86_400_000, expire: () => {} });
  expect(timers.mock.lastCall?.[1]).toBe(2 ** 31 - 1);
  deadlines.close();
  timers.mockRestore();
});
