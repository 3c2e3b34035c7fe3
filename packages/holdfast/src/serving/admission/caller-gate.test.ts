import { expect, test } from 'vitest';
import { callersSchema } from '../../config/index.ts';
import { MetricRegistry } from '../../telemetry/index.ts';
import { Refusal } from '../refusal.ts';
import { CallerGate } from './caller-gate.ts';

function setUp(callers: object) {
  const clock = { nowMs: 0, monotonicMs: (): number => clock.nowMs };
  const registry = new MetricRegistry();
  const gate = new CallerGate({ callers: callersSchema.parse(callers), clock, registry, random: () => 0 });
  const enter = (key?: string) => gate.enter({ header: name => (name === 'x-holdfast-key' ? key : undefined) });
  /** Admitted, or the seconds to wait. */
  const outcome = (key?: string): 'admitted' | number | undefined => {
    try {
      enter(key);
      return 'admitted';
    } catch (error) {
      if (error instanceof Refusal && error.status === 429) return error.retryAfterSeconds;
      throw error;
    }
  };
  return { gate, enter, outcome, clock, registry };
}

test('a caller gets its burst, then its rate; another caller is not touched', () => {
  const { outcome, clock } = setUp({ requestsPerSecond: 0.5, burst: 2 });
  expect([outcome('a'), outcome('a'), outcome('a'), outcome('b')]).toEqual(['admitted', 'admitted', 2, 'admitted']);
  clock.nowMs = 2000;
  expect([outcome('a'), outcome('a')]).toEqual(['admitted', 2]);
  clock.nowMs = 1e9;
  expect([outcome('a'), outcome('a'), outcome('a')]).toEqual(['admitted', 'admitted', 2]);
});

test('a listed caller has an allowance of its own, and metrics name it without its key', () => {
  const known = [{ name: 'nightly', key: 'secret', burst: 3 }];
  const { outcome, registry } = setUp({ requestsPerSecond: 1, burst: 1, known });
  expect(Array.from({ length: 4 }, () => outcome('secret'))).toEqual(['admitted', 'admitted', 'admitted', 1]);
  const shown = registry.render();
  expect(shown).toContain('holdfast_caller_requests_total{caller="nightly",outcome="admitted"} 3');
  expect(shown).toContain('holdfast_caller_requests_total{caller="nightly",outcome="limited"} 1');
  expect(shown).not.toContain('secret');
});

test('no more than the concurrent requests are inside at a time', () => {
  const { gate, enter, outcome } = setUp({ concurrent: 1 });
  const first = enter('a');
  expect(outcome('a')).toBe(1);
  gate.leave(first);
  expect(outcome('a')).toBe('admitted');
});

test('unknown callers can be made to share one allowance', () => {
  const { outcome } = setUp({ requestsPerSecond: 1, burst: 1, shareUnknown: true });
  expect([outcome('a'), outcome('b')]).toEqual(['admitted', 1]);
});

test('thousands of keys do not grow the memory without bound, and who is inside is kept', () => {
  const { enter, outcome } = setUp({ concurrent: 1 });
  enter('stays');
  for (let i = 0; i < 10_050; i++) outcome(`key ${i}`);
  expect(outcome('stays')).toBe(1);
});
