import { expect, test } from 'vitest';
import { fixturePath } from './fixtures/targets.ts';
import { measureLatencyMs } from './measure-latency.ts';

test('a larger request of the same model takes longer', async () => {
  const one = await measureLatencyMs(fixturePath('mlp-30-64-1'), { runs: 21 });
  const many = await measureLatencyMs(fixturePath('mlp-30-64-1'), { rows: 20_000, runs: 21 });
  expect(one).toBeGreaterThan(0);
  expect(many).toBeGreaterThan(one);
});

test('rows that a model has no room for, and runs without end, are refused', async () => {
  const slow = measureLatencyMs(fixturePath('mlp-30-64-1'), { runs: 1_000_000, timeoutMs: 200 });
  await expect(slow).rejects.toThrow(/1000000 runs took more than 0.2 s/);
});
