import { expect, test } from 'vitest';
import { monitorsSchema } from '../../config/index.ts';
import { ServiceProfile } from '../profiles/service-profile.ts';
import { judgeServiceLevel } from './judge-service.ts';
import { type EarlierWindow, judgeVolume } from './judge-volume.ts';

const config = monitorsSchema.parse({ serviceLevel: { p99Ms: 50 } });

function served(requests: number, slow: number, errors: number): ServiceProfile {
  const service = new ServiceProfile();
  for (let i = 0; i < requests; i++) service.addRequest(i < slow ? 90_000 : 5000);
  if (errors > 0) service.addErrors('overloaded', errors);
  if (errors > 3) service.addErrors('deadline_exceeded', 1);
  return service;
}

test.each<[string, ServiceProfile, readonly string[]]>([
  ['all is well', served(2000, 0, 0), ['stable', 'stable']],
  ['a few errors may be chance', served(200, 0, 3), ['stable', 'stable']],
  ['errors above the limit', served(2000, 0, 60), ['breached', 'stable']],
  ['slow answers', served(2000, 60, 0), ['stable', 'breached']],
  ['one slow answer in a hundred', served(2000, 20, 0), ['stable', 'stable']],
  ['hardly any request', served(5, 5, 5), ['undecided', 'undecided']],
])('%s', (_, service, outcomes) => {
  const findings = judgeServiceLevel(service, config.serviceLevel, 0.01);
  expect(findings.map(finding => finding.subject)).toEqual(['error_ratio', 'p99_ms']);
  expect(findings.map(finding => finding.outcome)).toEqual(outcomes);
});

test('a breach says how many failed and why most did', () => {
  const [errors] = judgeServiceLevel(served(2000, 0, 60), config.serviceLevel, 0.01);
  expect(errors?.sentence).toBe(
    '2.96 % of 2,061 requests failed, 1 % allowed, mostly with overloaded; such an alarm is raised in at most 1 % of quiet windows.',
  );
});

test('a service profile survives being stored, and merges', () => {
  const merged = ServiceProfile.decode(served(100, 5, 5).encode()).merge(served(50, 0, 1));
  expect(merged).toMatchObject({ requests: 150, errors: 7, latencySumUs: 5 * 90_000 + 145 * 5000 });
  expect([...merged.errorCodes]).toEqual([
    ['deadline_exceeded', 1],
    ['overloaded', 6],
  ]);
  expect(merged.latency().quantile(0.5)! / 5000).toBeCloseTo(1, 1);
});

const hourMs = 3_600_000;
const hours = (count: number, rowsOf: (hour: number) => number): EarlierWindow[] =>
  Array.from({ length: count }, (_, hour) => ({ startMs: hour * hourMs, rows: rowsOf(hour) }));

const volume = (hour: number, rows: number, earlier: readonly EarlierWindow[]) =>
  judgeVolume({ startMs: hour * hourMs, endMs: (hour + 1) * hourMs, rows }, earlier, config.volume)[0]!;

test('traffic far below or above the median of earlier windows is a breach', () => {
  const earlier = hours(20, hour => 900 + 10 * hour);
  expect(volume(20, 100, earlier)).toMatchObject({ outcome: 'breached', sentence: expect.stringContaining('is low') });
  expect(volume(20, 0, earlier).outcome).toBe('breached');
  expect(volume(20, 9000, earlier)).toMatchObject({
    outcome: 'breached',
    sentence: expect.stringContaining('is high'),
  });
  expect(volume(20, 500, earlier).outcome).toBe('stable');
});

test('the quiet hours of the day are compared with the quiet hours of other days', () => {
  const earlier = hours(24 * 5, hour => (hour % 24 < 6 ? 10 : 1000));
  expect(volume(24 * 5 + 3, 9, earlier).outcome).toBe('stable');
  expect(volume(24 * 5 + 12, 9, earlier).outcome).toBe('breached');
});

test('traffic that always varied that much is no breach', () => {
  expect(
    volume(
      10,
      20,
      hours(10, hour => (hour % 3 === 0 ? 15 : 1000)),
    ).outcome,
  ).toBe('stable');
});

test('too few earlier windows say nothing', () => {
  expect(
    volume(
      2,
      0,
      hours(2, () => 100),
    ),
  ).toMatchObject({ outcome: 'undecided', because: 'too-few-windows' });
});
