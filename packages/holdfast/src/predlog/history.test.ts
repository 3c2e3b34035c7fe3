import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sampleRequest } from './sample-model.ts';
import { labelFor, openSampleWatch } from './sample-watch.ts';

const everything = {
  model: 'flights',
  version: 1,
  fromMs: 0,
  toMs: 4e12,
  columns: ['probabilities[1]', 'origin', 'hour'],
};

test('labels meet their predictions by id and by key, before and after them, and the last event time wins', async () => {
  await using both = await openSampleWatch();
  await both.labels.append('flights', [
    labelFor('p-1', 'early'),
    { predictionId: undefined, key: 'k2/1', value: 'keyed', eventMs: 5 },
  ]);
  await both.labels.append('flights', [
    labelFor('p-3', 'second', 20),
    labelFor('p-3', 'first', 10),
    labelFor('p-99', 'orphan'),
  ]);
  await both.follow();
  expect(await both.history.matchNew()).toEqual([]);
  expect(both.history.labels.pending).toBe(5);
  both.recorder.answered(sampleRequest(1));
  both.recorder.answered(sampleRequest(2, { rows: 2, key: 'k2' }));
  both.recorder.answered(sampleRequest(3));
  both.recorder.answered(sampleRequest(4));
  await both.follow();
  expect(await both.history.matchNew()).toEqual([
    { model: 'flights', version: 1, fromMs: 1_699_999_980_000, toMs: 1_700_000_040_000 },
  ]);
  const window = await both.history.scoredWindow(everything);
  expect([window.predictions, window.labelled]).toEqual([5, 3]);
  const rows = window.truth.map((truth, i) => ({
    truth,
    score: window.columns.get('probabilities[1]')?.[i],
    origin: window.columns.get('origin')?.[i],
    hour: window.columns.get('hour')?.[i],
  }));
  expect(rows.sort((a, b) => (a.truth < b.truth ? -1 : 1))).toEqual([
    { truth: 'early', score: Math.fround(0.01), origin: 'ATL', hour: 1 },
    { truth: 'keyed', score: Math.fround(0.02), origin: 'SFO', hour: 2 },
    { truth: 'second', score: Math.fround(0.03), origin: '北京', hour: 3 },
  ]);
  expect(await both.history.matchNew()).toEqual([]);
  await both.labels.append('flights', [labelFor('p-1', 'corrected', 2), labelFor('p-4', 'late')]);
  await both.follow();
  expect(await both.history.matchNew()).toHaveLength(1);
  const again = await both.history.scoredWindow(everything);
  expect(again.truth.toSorted()).toEqual(['corrected', 'keyed', 'late', 'second']);
  expect(both.history.labels.pending).toBe(1);
});

test('windows are cut by event time, and a window without predictions is empty', async () => {
  await using both = await openSampleWatch();
  for (let n = 0; n < 10; n++) both.recorder.answered(sampleRequest(n, { eventMs: n * 1000 }));
  await both.labels.append(
    'flights',
    [3, 4, 5].map(n => labelFor(`p-${n}`, `${n}`)),
  );
  await both.follow();
  await both.history.matchNew();
  const window = await both.history.scoredWindow({ ...everything, fromMs: 4000, toMs: 8000, columns: [] });
  expect(window).toMatchObject({ predictions: 4, labelled: 2 });
  expect(window.truth.toSorted()).toEqual(['4', '5']);
  const none = await both.history.scoredWindow({ ...everything, model: 'other' });
  expect(none).toMatchObject({ predictions: 0, labelled: 0, truth: [] });
});

test('sealing moves rows into files and removes the segments, and nothing is seen to change', async () => {
  await using both = await openSampleWatch();
  for (let n = 0; n < 50; n++) both.recorder.answered(sampleRequest(n, { rows: 1 + (n % 3), key: `k${n}` }));
  await both.labels.append('flights', [
    labelFor('p-3', 'x'),
    { predictionId: undefined, key: 'k12', value: 'y', eventMs: 1 },
  ]);
  await both.labels.append('flights', [labelFor('p-60', 'waits')]);
  await both.follow();
  await both.history.matchNew();
  const before = await both.history.scoredWindow(everything);
  await both.finishSegments();
  await both.follow();
  expect(await both.history.seal(both.follower.finished)).toHaveLength(2);
  expect(readdirSync(both.directory).filter(name => name.endsWith('.log'))).toEqual([]);
  expect(readdirSync(join(both.directory, 'sealed')).filter(name => name.endsWith('.parquet'))).toHaveLength(3);
  expect(await both.history.scoredWindow(everything)).toEqual(before);
  await both.restartWatcher();
  expect(await both.history.scoredWindow(everything)).toEqual(before);
  // A label that waited through seal and restart still finds its prediction, and a late one finds a sealed prediction.
  both.recorder.answered(sampleRequest(60));
  await both.labels.append('flights', [
    labelFor('p-6', 'late'),
    { predictionId: undefined, key: 'k15', value: 'late', eventMs: 1 },
  ]);
  await both.follow();
  await both.history.matchNew();
  expect((await both.history.scoredWindow(everything)).truth.toSorted()).toEqual(['late', 'late', 'waits', 'x', 'y']);
});

test('a crash between any two steps of a seal loses nothing and doubles nothing', async () => {
  for (const step of ['files-written', 'committed', 'segments-removed'] as const) {
    await using both = await openSampleWatch();
    for (let n = 0; n < 20; n++) both.recorder.answered(sampleRequest(n));
    await both.labels.append('flights', [labelFor('p-3', 'x'), labelFor('p-77', 'waits')]);
    await both.follow();
    await both.history.matchNew();
    await both.finishSegments();
    await both.follow();
    const before = await both.history.scoredWindow(everything);
    await both.crashWhileSealing(step);
    await both.follow();
    await both.history.matchNew();
    expect(await both.history.scoredWindow(everything), step).toEqual(before);
    expect(both.history.labels.pending, step).toBe(1);
    await both.history.seal(both.follower.finished);
    expect(await both.history.scoredWindow(everything), step).toEqual(before);
    expect(readdirSync(both.directory).filter(name => name.endsWith('.log'))).toEqual([]);
  }
});

test('a label reaches the champion and the shadow that answered the same request, however late the shadow is', async () => {
  await using both = await openSampleWatch();
  both.recorder.answered(sampleRequest(1, { version: 2 }));
  await both.follow();
  await both.history.matchNew();
  await both.labels.append('flights', [
    labelFor('p-7', '1'),
    { predictionId: undefined, key: 'k8', value: '0', eventMs: 1 },
  ]);
  for (const n of [7, 8]) both.recorder.answered(sampleRequest(n, { key: `k${n}` }));
  await both.follow();
  expect((await both.history.matchNew()).map(range => range.version)).toEqual([1]);
  for (const n of [7, 8]) both.recorder.answered(sampleRequest(n, { key: `k${n}`, version: 2 }));
  await both.follow();
  expect((await both.history.matchNew()).map(range => range.version)).toEqual([2]);
  for (const version of [1, 2]) {
    expect((await both.history.scoredWindow({ ...everything, version })).truth.toSorted()).toEqual(['0', '1']);
  }
});

test('segments are not sealed before labels were compared with their rows', async () => {
  await using both = await openSampleWatch();
  both.recorder.answered(sampleRequest(1));
  await both.follow();
  await both.finishSegments();
  await both.follow();
  expect(await both.history.seal(both.follower.finished)).toEqual([]);
  await both.history.matchNew();
  expect(await both.history.seal(both.follower.finished)).toHaveLength(1);
});

test('merging keeps every row, and retention removes what is older', async () => {
  await using both = await openSampleWatch();
  for (let n = 0; n < 17; n++) {
    both.time.nowMs += 10_000;
    both.recorder.answered(sampleRequest(n, { receivedMs: both.time.nowMs }));
    await both.labels.append('flights', [labelFor(`p-${n}`, `${n}`)]);
    await both.follow();
    await both.history.matchNew();
    await both.finishSegments();
    await both.follow();
    await both.history.seal(both.follower.finished);
  }
  const before = await both.history.scoredWindow(everything);
  expect(before).toMatchObject({ predictions: 17, labelled: 17 });
  await both.history.tidy();
  await both.history.tidied();
  const after = await both.history.scoredWindow(everything);
  expect(after.truth.toSorted()).toEqual(before.truth.toSorted());
  both.time.nowMs += 601_000;
  await both.history.tidy();
  await both.history.tidied();
  expect(readdirSync(join(both.directory, 'sealed')).filter(name => name.endsWith('.parquet'))).toHaveLength(6);
  both.time.nowMs += 90 * 86_400_000;
  await both.history.tidy();
  await both.history.tidied();
  expect(await both.history.scoredWindow(everything)).toMatchObject({ predictions: 0 });
  both.time.nowMs += 601_000;
  await both.history.tidy();
  await both.history.tidied();
  expect(readdirSync(join(both.directory, 'sealed')).filter(name => name.endsWith('.parquet'))).toEqual([]);
});

test('labels without a prediction are given up when they are too old or too many', async () => {
  await using both = await openSampleWatch(undefined, { pendingAgeMs: 1000, mostPending: 4 });
  await both.labels.append(
    'flights',
    [1, 2, 3, 4, 5, 6, 7].map(n => labelFor(`lost-${n}`, 'x')),
  );
  await both.follow();
  await both.history.matchNew();
  expect(both.history.labels).toMatchObject({ pending: 4, expiredTotal: 3 });
  both.time.nowMs += 2000;
  await both.history.matchNew();
  expect(both.history.labels).toMatchObject({ pending: 0, expiredTotal: 7 });
});

test('whatever the order of predictions, labels, matches, seals and restarts, each prediction has its last label', async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('predict' as const), n: fc.nat(12) }) },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('label' as const),
        n: fc.nat(12),
        by: fc.constantFrom('id', 'key'),
        value: fc.nat(99),
        eventMs: fc.nat(1000),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('match' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('seal' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async steps => {
      await using both = await openSampleWatch();
      const predicted = new Set<number>();
      const truth = new Map<number, { value: string; eventMs: number; order: number }>();
      for (const [order, one] of steps.entries()) {
        both.time.nowMs += 1;
        if (one.kind === 'predict' && !predicted.has(one.n)) {
          predicted.add(one.n);
          both.recorder.answered(sampleRequest(one.n, { key: `k${one.n}` }));
        } else if (one.kind === 'label') {
          const { n, by, eventMs } = one;
          const value = `${one.value}`;
          await both.labels.append('flights', [
            {
              predictionId: by === 'id' ? `p-${n}` : undefined,
              key: by === 'key' ? `k${n}` : undefined,
              value,
              eventMs,
            },
          ]);
          const known = truth.get(n);
          if (known === undefined || eventMs >= known.eventMs) truth.set(n, { value, eventMs, order });
        } else if (one.kind === 'match') {
          await both.follow();
          await both.history.matchNew();
        } else if (one.kind === 'seal') {
          await both.follow();
          await both.finishSegments();
          await both.follow();
          await both.history.matchNew();
          await both.history.seal(both.follower.finished);
          await both.history.tidy();
          await both.history.tidied();
        } else if (one.kind === 'restart') await both.restartWatcher();
      }
      await both.follow();
      await both.history.matchNew();
      const window = await both.history.scoredWindow({ ...everything, columns: ['distance'] });
      const seen = Object.fromEntries(
        window.truth.map((value, i) => [Number(window.columns.get('distance')![i]) / 100, value]),
      );
      const expected = Object.fromEntries(
        [...truth].filter(([n]) => predicted.has(n)).map(([n, { value }]) => [n, value]),
      );
      expect(window.predictions).toBe(predicted.size);
      expect(seen).toEqual(expected);
    }),
    { numRuns: 15, seed: 20_010_124 },
  );
}, 60_000);

test('files that no catalog entry names are removed at start', async () => {
  await using both = await openSampleWatch();
  const stray = join(both.directory, 'sealed', 'predictions-flights-1-1-00000000.parquet');
  writeFileSync(stray, 'half');
  await both.restartWatcher();
  expect(existsSync(stray)).toBe(false);
});
