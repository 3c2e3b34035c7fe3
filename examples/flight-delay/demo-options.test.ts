import { expect, test } from 'vitest';
import { DemoUsageError, parseDemoOptions } from './demo-options.ts';

test('without options February to June pass in three minutes', () => {
  const options = parseDemoOptions([]);
  expect(options).toMatchObject({ once: false, json: false, data: '.holdfast/demo' });
  expect(options?.fromMs).toBe(Date.UTC(2001, 1));
  expect(options?.untilMs).toBe(Date.UTC(2001, 6));
  const seconds = (Date.UTC(2001, 6) - Date.UTC(2001, 1)) / 1000 / (options?.speed ?? Number.NaN);
  expect(seconds).toBe(180);
});

test.each([
  [['--speed', '0'], '--speed takes a number above 0, not "0"'],
  [['--speed', 'fast'], '--speed takes a number above 0, not "fast"'],
  [['--until', '2001-02-30x'], '--until takes a day such as 2001-03-01'],
  [['--until', '2001-01-31'], '--until must be later than --from'],
  [['--port', '70000'], '--port takes a port from 0 to 65535'],
  [['--unknown'], 'unknown'],
])('%j is refused with a reason', (args, reason) => {
  expect(() => parseDemoOptions(args)).toThrow(DemoUsageError);
  expect(() => parseDemoOptions(args)).toThrow(reason);
});

test('help asks for nothing else', () => {
  expect(parseDemoOptions(['--help', '--speed', '1'])).toBeUndefined();
});
