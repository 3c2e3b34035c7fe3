import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFault } from '@holdfast/api';
import { expect, test } from 'vitest';
import { type LabelLogOptions, openLabelLog, type ReceivedLabel } from './label-log.ts';
import { followLog } from './log-follower.ts';
import { freshDirectory, silentLog } from './sample-model.ts';

function options(directory: string, more: Partial<LabelLogOptions> = {}): LabelLogOptions {
  return { directory, instance: 'gateway-0', clock: () => 5000, log: silentLog, ...more };
}

function label(n: number): ReceivedLabel {
  return {
    predictionId: n % 2 === 0 ? `p-${n}` : undefined,
    key: n % 2 === 0 ? undefined : `k-${n}`,
    value: `${n}`,
    eventMs: n,
  };
}

test('labels come back as they were given, and concurrent callers share a sync', async () => {
  const directory = freshDirectory();
  await using labels = await openLabelLog(options(directory));
  await Promise.all(Array.from({ length: 50 }, (_, n) => labels.append(n < 25 ? 'a' : 'b', [label(n)])));
  expect(labels.stats.labelsTotal).toBe(50);
  const chunks = await followLog({ directory, log: silentLog }).readNew();
  expect(chunks.length).toBeLessThan(10);
  const seen = chunks.flatMap(chunk =>
    chunk.kind === 'labels'
      ? chunk.values.map((value, i) => ({
          model: chunk.model,
          predictionId: chunk.predictionIds[i],
          key: chunk.keys[i],
          value,
          eventMs: chunk.eventMs[i],
        }))
      : [],
  );
  expect(seen).toEqual(Array.from({ length: 50 }, (_, n) => ({ model: n < 25 ? 'a' : 'b', ...label(n) })));
});

test('a disk that cannot be written refuses labels, and accepts them once it can', async () => {
  const directory = join(freshDirectory(), 'log');
  await using labels = await openLabelLog(options(directory));
  rmSync(directory, { recursive: true });
  writeFileSync(directory, 'in the way');
  const refusal = await labels.append('a', [label(1)]).catch((error: unknown) => error);
  expect(isFault(refusal) && refusal.code).toBe('internal');
  rmSync(directory);
  const again = await openLabelLog(options(directory));
  await again.append('a', [label(2)]);
  await labels.append('a', [label(3)]);
  await again[Symbol.asyncDispose]();
  expect(labels.stats).toMatchObject({ labelsTotal: 1, isReadOnly: false });
});

test('more labels than may wait are refused at once', async () => {
  await using labels = await openLabelLog(options(freshDirectory(), { mostWaiting: 3 }));
  const first = labels.append('a', [label(1), label(2)]);
  await expect(labels.append('a', [label(3), label(4)])).rejects.toThrow('The queue is full');
  await first;
  expect(labels.stats.labelsTotal).toBe(2);
});
