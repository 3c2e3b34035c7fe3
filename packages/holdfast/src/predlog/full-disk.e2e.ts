import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFault } from '@holdfast/api';
import { expect, test } from 'vitest';
import { openLabelLog } from './label-log.ts';
import { followLog } from './log-follower.ts';
import { openRecorder } from './recorder.ts';
import { freshDirectory, sampleRequest, silentLog } from './sample-model.ts';

/** A file system of 1 MiB, or undefined where this user may not mount one. */
function mountSmallDisk(): ({ readonly path: string } & Disposable) | undefined {
  const path = freshDirectory();
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path]);
  if (status !== 0) return undefined;
  return { path, [Symbol.dispose]: () => void spawnSync('umount', ['-l', path]) };
}

test('on a full disk labels are refused as such, predictions wait or are counted, and all goes on when space returns', async context => {
  using disk = mountSmallDisk();
  if (disk === undefined) return context.skip('mounting a small file system needs more rights than this user has');
  const options = { directory: join(disk.path, 'log'), instance: 'g', clock: Date.now, log: silentLog };
  await using recorder = await openRecorder({ ...options, bufferBytes: 200_000, syncIntervalMs: 60_000 });
  await using labels = await openLabelLog(options);
  recorder.answered(sampleRequest(1));
  await recorder.flush();
  await labels.append('flights', [{ predictionId: 'p-1', key: undefined, value: 'before', eventMs: 1 }]);

  const ballast = join(disk.path, 'ballast');
  expect(() => writeFileSync(ballast, Buffer.alloc(2_000_000))).toThrow('ENOSPC');
  const refusal = await labels
    .append('flights', [{ predictionId: 'p-2', key: undefined, value: 'x'.repeat(20_000), eventMs: 1 }])
    .catch((error: unknown) => error);
  expect(isFault(refusal) && refusal.code).toBe('storage_full');
  for (let n = 10; n < 2000; n++) recorder.answered(sampleRequest(n));
  await recorder.flush();
  const full = recorder.stats;
  expect(full).toMatchObject({ recordedTotal: 1, trouble: 'ENOSPC' });
  expect(full.droppedTotal).toBeGreaterThan(0);

  rmSync(ballast);
  await recorder.flush();
  await labels.append('flights', [{ predictionId: 'p-3', key: undefined, value: 'after', eventMs: 1 }]);
  expect(recorder.stats).toMatchObject({ trouble: null, recordedTotal: 1 + 1990 - full.droppedTotal });
  const ids: string[] = [];
  const values: string[] = [];
  for (const chunk of await followLog({ directory: options.directory, log: silentLog }).readNew()) {
    if (chunk.kind === 'predictions') ids.push(...chunk.requests.ids);
    if (chunk.kind === 'labels') values.push(...chunk.values);
  }
  expect(new Set(ids).size).toBe(recorder.stats.recordedTotal);
  expect(ids).toHaveLength(recorder.stats.recordedTotal);
  expect(values).toEqual(['before', 'after']);
});
