import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { configSchema } from '../config/index.ts';
import { BlobStore } from '../registry/index.ts';
import { createLog } from '../telemetry/index.ts';
import { ModelRepository } from './model-repository.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

const pollMs = 60_000;

/** Lets the next look begin, and waits until the one after it is planned. */
async function look(): Promise<void> {
  await vi.advanceTimersToNextTimerAsync();
  while (vi.getTimerCount() === 0) await new Promise(setImmediate);
}

test('a folder that is gone before it was taken up is not looked for again and again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-repository-'));
  const unused = async (): Promise<never> => {
    throw new Error('nothing is served');
  };
  const blobs = await BlobStore.open(mkdtempSync(join(tmpdir(), 'holdfast-blobs-')), { maximumBytes: 10 });
  await using repository = await ModelRepository.open({
    folder,
    pollMs,
    isExplicit: false,
    configOf: () => configSchema.parse({}).defaults,
    log: createLog('test', 'silent'),
  });
  const timers = vi.spyOn(globalThis, 'setTimeout');
  await repository.start(
    {
      registry: { aliases: unused, history: unused, isHeld: unused, modelNames: unused },
      blobs,
      publisher: { publish: unused, publishEnsemble: unused, isRegistered: unused, describe: unused },
      fleet: { announce: unused, load: unused, moveAlias: unused, unload: unused },
    },
    () => {},
  );
  const copy = join(folder, 'half-copied');
  mkdirSync(copy);
  writeFileSync(join(copy, 'part'), '');
  await look();
  expect(timers.mock.lastCall?.[1]).toBeLessThan(pollMs);
  rmSync(copy, { recursive: true });
  await look();
  expect(timers.mock.lastCall?.[1]).toBe(pollMs);
});
