import { pino } from 'pino';
import { expect, test } from 'vitest';
import { MonitoringReader } from './reader.ts';
import { SampleLog, SampleTruth, sampleBaseline, sampleDatabase, sampleModel, sampleRows } from './sample-log.ts';
import { openWatcher, type WatcherOptions } from './watcher.ts';

const silent = pino({ level: 'silent' });
const hourMs = 3_600_000;
const start = Date.UTC(2024, 0, 1);
const baseline = sampleBaseline(sampleRows(1, 6000, start - 100 * hourMs, 60_000));

async function settle(
  options: Partial<WatcherOptions> & Pick<WatcherOptions, 'db' | 'follower' | 'models'>,
): Promise<void> {
  const watcher = await openWatcher({
    truth: new SampleTruth(),
    clock: () => start,
    log: silent,
    emit: () => {},
    ...options,
  });
  while (await watcher.step());
}

test('a moved column is found, named and explained, and quiet ones stay quiet', async () => {
  await using db = await sampleDatabase();
  const log = new SampleLog();
  log.predictions(sampleRows(2, 1000, start, 3600));
  log.predictions(sampleRows(3, 1000, start + hourMs, 3600, { shift: 8 }));
  log.predictions(sampleRows(4, 100, start + 2 * hourMs, 3600));
  const models = [sampleModel({ baseline })];
  await settle({ db, follower: log, models: () => models });
  const reader = new MonitoringReader(db);
  const verdicts = await reader.verdicts('sample', { monitor: 'data-drift' });
  const breached = verdicts.filter(verdict => verdict.outcome === 'breached');
  expect(verdicts).toHaveLength(6);
  expect(breached.map(verdict => [verdict.subject, verdict.windowStartMs])).toEqual([['amount', start + hourMs]]);
  expect(breached[0]?.sentence).toMatch(
    /^amount drifted: the median moved from 10 to 18\.7 \(Wasserstein distance \d\.\d+\); KS distance 0\.\d+ against a threshold of 0\.1\d* \(1,000 rows against 6,000\); such an alarm is raised in at most 1 % of quiet windows\.$/,
  );
});
