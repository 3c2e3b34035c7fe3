import { parseDurationMs } from '@holdfast/api';
import { expect, test } from 'vitest';
import { configSchema } from './config.ts';

test('an empty file is a complete configuration', () => {
  const config = configSchema.parse({});
  expect(config.port).toBe(8080);
  expect(config.recording.syncInterval).toBe(100);
  expect(config.defaults.monitors.window).toEqual({ every: 3_600_000 });
  expect(config.defaults.monitors.drift.falseAlarmRate).toBe(0.01);
});

test('an unknown key is an error that names it', () => {
  expect(() => configSchema.parse({ recording: { synch: 1 } })).toThrow(/synch/);
});

test('a window is a duration or a number of rows', () => {
  const parsed = configSchema.parse({ models: { m: { monitors: { window: { every: '7d' } } } } });
  expect(parsed.models).toMatchObject({ m: { monitors: { window: { every: 604_800_000 } } } });
  expect(() => configSchema.parse({ defaults: { monitors: { window: { every: 'often' } } } })).toThrow(/often/);
});

test.each([
  ['250ms', 250],
  ['1.5h', 5_400_000],
  ['1w', 604_800_000],
  ['', undefined],
  ['5', undefined],
  ['-1s', undefined],
])('%j is %s ms', (text, expected) => {
  expect(parseDurationMs(text)).toBe(expected);
});

test('a memory limit that no runner could live with is refused by what one needs', () => {
  const config = { defaults: { runner: { memoryBytes: 1_000_000 } } };
  expect(() => configSchema.parse(config)).toThrow(/memoryBytes.*needs 64000000/s);
});
