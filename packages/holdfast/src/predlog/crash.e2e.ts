import { appendFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readEverything, runAndKill } from './killed-writer.ts';
import { openLabelLog } from './label-log.ts';
import { recoverLog } from './log-recovery.ts';
import { openRecorder } from './recorder.ts';
import { freshDirectory, silentLog } from './sample-model.ts';

const syncIntervalMs = 100;
/** On a machine that does other work too, the kernel may not give the writer the processor at once. */
const schedulingMs = 150;

test('20 times kill -9 under load: no acknowledged label lost, no prediction older than the sync interval lost, nothing corrupt', async () => {
  const directory = freshDirectory();
  const acknowledged: number[] = [];
  let first = 0;
  const mustBeThere: { from: number; to: number }[] = [];
  for (let kill = 0; kill < 20; kill++) {
    const witness = await runAndKill(directory, first, 70 + ((kill * 37) % 100));
    acknowledged.push(...witness.acknowledged);
    const last = witness.handed.at(-1);
    expect(last).toBeDefined();
    const old = witness.handed.filter(({ atMs }) => atMs <= last!.atMs - syncIntervalMs - schedulingMs).at(-1);
    if (old !== undefined) mustBeThere.push({ from: first, to: old.n });
    first = last!.n + 1_000_000;
  }
  // What a power cut can leave and a kill cannot: half a chunk at the end of an open segment.
  const torn = readdirSync(directory).filter(name => name.endsWith('.open'));
  expect(torn.length).toBeGreaterThan(0);
  for (const name of torn) appendFileSync(join(directory, name), Buffer.from('HFL1 and then nothing'));
  const cut = await recoverLog(directory);
  expect(cut.truncatedBytes).toBeGreaterThanOrEqual(21 * torn.length);

  const { predictions, labels, damagedBytes } = await readEverything(directory);
  expect(damagedBytes).toBe(0);
  expect(acknowledged.length).toBeGreaterThan(200);
  expect(acknowledged.filter(n => labels.get(String(n)) !== 1)).toEqual([]);
  expect(mustBeThere.length).toBeGreaterThan(10);
  const lost = mustBeThere.flatMap(({ from, to }) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i).filter(n => !predictions.has(`p-${n}`)),
  );
  expect(lost).toEqual([]);
  expect([...predictions.values()].every(count => count === 1)).toBe(true);
});

test('a writer that starts again finishes what its killed predecessor left open, and goes on in a new segment', async () => {
  const directory = freshDirectory();
  const { acknowledged } = await runAndKill(directory, 0, 40);
  const options = { directory, instance: 'gateway-1', clock: Date.now, log: silentLog };
  const recorder = await openRecorder(options);
  const labels = await openLabelLog(options);
  expect(readdirSync(directory).filter(name => name.endsWith('.open'))).toEqual([]);
  await labels.append('flights', [{ predictionId: 'p-0', key: undefined, value: 'after', eventMs: 0 }]);
  await labels[Symbol.asyncDispose]();
  await recorder[Symbol.asyncDispose]();
  const seen = await readEverything(directory);
  expect(seen.labels.get('after')).toBe(1);
  expect(acknowledged.every(n => seen.labels.get(String(n)) === 1)).toBe(true);
});
