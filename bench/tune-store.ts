/**
 * CPU of one round trip through the store (ask, then tell) after 100 and 1,000 trials, and 32 processes that ask, report
 * and tell on one SQLite file at the same time.
 *
 *   npm run bench -- tune-store [--database postgres://...] [--processes 32] [--trials 8]
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createStudySchema } from '@holdfast/api';
import { z } from 'zod';
import { newWorkerId, openTuning, type Studies } from '../packages/holdfast/src/tuning/index.ts';

const { values } = parseArgs({
  options: {
    database: { type: 'string' },
    processes: { type: 'string', default: '32' },
    trials: { type: 'string', default: '8' },
    worker: { type: 'boolean' },
  },
});
const trialsEach = Number(values.trials);
const name = 'bench-tune-store';
const range = { type: 'float', low: 0, high: 1 } as const;

async function freshStudy(studies: Studies): Promise<void> {
  await studies.remove(name).catch(() => {});
  const settings = {
    space: { a: range, b: range, c: range, d: range, e: range },
    objectives: [{ name: 'loss', direction: 'minimize' as const }],
    sampler: 'random',
    pruner: 'none',
  };
  await studies.openStudy(createStudySchema.parse({ name, settings }));
}

async function evaluate(studies: Studies, worker: string, reports: boolean): Promise<void> {
  const study = studies.study(name);
  const asked = await study.ask(worker);
  if (asked.kind !== 'trial') throw new Error(`no trial: ${asked.kind}`);
  const loss = Number(asked.flat.a);
  if (reports) await study.report(asked.number, asked.claim, 1, [loss]);
  await study.tell(asked.number, asked.claim, { kind: 'complete', values: [loss] });
}

async function work(database: string): Promise<void> {
  await using tuning = await openTuning(database, Date.now);
  const worker = newWorkerId();
  for (let i = 0; i < trialsEach; i++) await evaluate(tuning.studies, worker, true);
}

async function roundTrips(database: string): Promise<void> {
  await using tuning = await openTuning(database, Date.now);
  await freshStudy(tuning.studies);
  const worker = newWorkerId();
  let done = 0;
  for (const history of [100, 1000]) {
    for (; done < history; done++) await evaluate(tuning.studies, worker, false);
    const before = process.cpuUsage();
    const startedAt = performance.now();
    const repeats = 200;
    for (let i = 0; i < repeats; i++, done++) await evaluate(tuning.studies, worker, false);
    const used = process.cpuUsage(before);
    const cpu = (used.user + used.system) / 1000 / repeats;
    const wall = (performance.now() - startedAt) / repeats;
    console.log(`ask + tell after ${history} trials: ${cpu.toFixed(2)} ms CPU (bar 2), ${wall.toFixed(2)} ms wall`);
  }
}

async function contention(database: string): Promise<void> {
  await using tuning = await openTuning(database, Date.now);
  await freshStudy(tuning.studies);
  const processes = Number(values.processes);
  const startedAt = performance.now();
  const args = ['--worker', '--database', database, '--trials', String(trialsEach)];
  const codes = await Promise.all(
    Array.from(
      { length: processes },
      () =>
        new Promise<number>(resolve => {
          fork(fileURLToPath(import.meta.url), args).once('exit', code => resolve(code ?? 1));
        }),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const { trials } = await tuning.studies.trials(name, 0);
  const complete = trials.filter(trial => trial.state === 'complete').length;
  const distinct = new Set(trials.map(trial => JSON.stringify(trial.params))).size;
  const failed = codes.filter(code => code !== 0).length;
  const wanted = processes * trialsEach;
  console.log(
    `${processes} processes, ${trialsEach} trials each: ${complete} of ${wanted} complete, ${distinct} distinct, ` +
      `${failed} processes failed (bar 0), ${(wanted / seconds).toFixed(0)} trials a second, ${seconds.toFixed(1)} s`,
  );
}

if (values.worker === true) await work(z.string().parse(values.database));
else {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  try {
    const database = values.database ?? join(folder, 'tune.db');
    await roundTrips(database);
    await contention(database);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
