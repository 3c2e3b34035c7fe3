import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createStudySchema } from '@holdfast/api';
import { createRng } from '@holdfast/stats';
import { afterAll, expect, test } from 'vitest';
import { hasPostgres, PostgresServer } from '../../packages/holdfast/src/storage/testing/postgres-server.ts';
import { openTuning } from '../../packages/holdfast/src/tuning/index.ts';
import { temporaryFolder } from './holdfast-process.ts';

const folder = temporaryFolder();
const servers = new AsyncDisposableStack();
afterAll(async () => {
  await servers.disposeAsync();
  folder[Symbol.dispose]();
});

const databases: [string, () => Promise<string>][] = [['SQLite', async () => join(folder.path, 'tune.db')]];
if (hasPostgres) databases.push(['Postgres', async () => servers.use(await PostgresServer.start()).url]);

const script = fileURLToPath(new URL('./tune-worker.ts', import.meta.url));
const workers = 8;
const planned = 30;
const mostKills = 6;

function startWorker(database: string, study: string): ChildProcess {
  return spawn(process.execPath, ['--conditions=source', script, database, study], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test.each(databases)(
  '%s: 8 workers on one study, killed at random: no trial lost, none counted twice',
  async (_, open) => {
    const database = await open();
    await using tuning = await openTuning(database, Date.now);
    const name = `killed-${randomUUID().slice(0, 8)}`;
    const settings = {
      space: { x: { type: 'float' as const, low: 0, high: 1 } },
      objectives: [{ name: 'loss', direction: 'minimize' as const }],
      sampler: 'tpe',
      pruner: 'none',
      budget: { trials: planned },
      retries: 50,
    };
    await tuning.studies.openStudy(createStudySchema.parse({ name, settings }));
    const rng = createRng(11);
    const told: number[] = [];
    let kills = 0;
    const run = async (): Promise<void> => {
      const child = startWorker(database, name);
      const ended = new Promise<NodeJS.Signals | null>(resolve =>
        child.once('exit', (_code, signal) => resolve(signal)),
      );
      if (child.stdout === null) throw new Error('the worker has no output');
      for await (const line of createInterface({ input: child.stdout })) {
        const [word, number] = line.split(' ');
        if (word === 'told') told.push(Number(number));
        else if (kills < mostKills && rng.next() < 0.3) {
          kills++;
          child.kill('SIGKILL');
        }
      }
      if ((await ended) === 'SIGKILL') await run();
    };
    await Promise.all(Array.from({ length: workers }, run));
    const { trials } = await tuning.studies.trials(name, 0);
    expect(kills).toBe(mostKills);
    // What was acknowledged is there, once.
    expect(new Set(told).size).toBe(told.length);
    const complete = trials.filter(trial => trial.state === 'complete').map(trial => trial.number);
    expect(complete).toEqual(expect.arrayContaining(told));
    // Nothing is left behind, and the budget is spent exactly.
    expect(trials.map(trial => trial.state)).toEqual(trials.map(() => 'complete'));
    expect(trials).toHaveLength(planned);
    expect(new Set(trials.map(trial => trial.params.x)).size).toBe(planned);
    expect(trials.map(trial => trial.reports.map(report => report.step))).toEqual(trials.map(() => [1, 2]));
  },
  300_000,
);
