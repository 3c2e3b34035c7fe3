import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { studyDetailSchema, trialSchema } from '@holdfast/api';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { FakeCluster } from '../../packages/holdfast/src/jobs/kubernetes/testing/fake-cluster.ts';
import { eventually, runCli, startCli, temporaryFolder } from './holdfast-process.ts';

const folder = temporaryFolder();
const clusters = new AsyncDisposableStack();
afterAll(async () => {
  await clusters.disposeAsync();
  folder[Symbol.dispose]();
});

const exportSchema = studyDetailSchema.extend({ trials: z.array(trialSchema) });

/**
 * Reports steps, goes on from its checkpoint, and says how often it was started. The step of the checkpoint is reported
 * again: who was killed may have written it and not said so.
 */
const trainer = `
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
const { x } = JSON.parse(readFileSync(process.env.HOLDFAST_PARAMS_FILE, 'utf8'));
const folder = process.env.HOLDFAST_TRIAL_DIR;
const checkpoint = process.env.HOLDFAST_CHECKPOINT_DIR + '/step';
appendFileSync(folder + '/starts', 'start\\n');
let step = existsSync(checkpoint) ? Number(readFileSync(checkpoint, 'utf8')) : 0;
const last = Number(process.argv[2]);
const report = () => console.log(JSON.stringify({ step, loss: (x - 0.3) ** 2 + 1 / step }));
if (step > 0) report();
while (step < last) {
  await new Promise(resolve => setTimeout(resolve, 40));
  writeFileSync(checkpoint, String(++step));
  report();
}
`;

interface Place {
  readonly path: string;
  readonly cluster: FakeCluster;
  readonly argumentsOfTune: string[];
  /** How often the command of a trial was started. */
  starts(trial: number): number;
}

let places = 0;

async function place(definition: object, steps: number): Promise<Place> {
  const path = join(folder.path, `place-${places++}`);
  mkdirSync(path);
  const cluster = clusters.use(await FakeCluster.start(join(path, 'volumes')));
  writeFileSync(join(path, 'kubeconfig'), cluster.kubeconfig());
  writeFileSync(join(path, 'train.mjs'), trainer);
  const whole = {
    name: 'demo',
    objectives: { loss: 'minimize' },
    space: { x: { type: 'float', low: 0, high: 1 } },
    sampler: 'random',
    pruner: 'none',
    command: [process.execPath, join(path, 'train.mjs'), String(steps)],
    jobs: {
      backend: 'kubernetes',
      image: 'trainer:1',
      kubeconfig: join(path, 'kubeconfig'),
      storage: { claim: 'trials', subPath: 'data' },
    },
    ...definition,
  };
  writeFileSync(join(path, 'holdfast.tune.json'), JSON.stringify(whole));
  return {
    path,
    cluster,
    argumentsOfTune: ['tune', join(path, 'holdfast.tune.json'), '--data', join(path, 'data')],
    starts(trial) {
      const file = join(path, 'volumes/trials/data/tune/demo/trials', String(trial), 'starts');
      return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n').length : 0;
    },
  };
}

async function studyIn({ path }: Place): Promise<z.infer<typeof exportSchema>> {
  const { stdout, stderr } = await runCli('studies', 'export', 'demo', '--data', join(path, 'data'));
  expect(stderr).toBe('');
  return exportSchema.parse(JSON.parse(stdout));
}

test('trials run as Kubernetes Jobs, several at once, are paused and promoted from their checkpoints, and leave none behind', async () => {
  const pruner = { name: 'asha', minSteps: 1, maxSteps: 4, eta: 2 };
  const where = await place({ budget: { trials: 6 }, concurrency: 3, pruner }, 4);
  const run = await runCli(...where.argumentsOfTune);
  expect([run.code, run.stderr]).toEqual([0, expect.stringContaining('best so far')]);
  const { trials } = await studyIn(where);
  const full = trials.filter(trial => trial.state === 'complete');
  expect(full.length).toBeGreaterThan(0);
  expect(full.map(trial => trial.reports.map(report => report.step))).toEqual(full.map(() => [1, 2, 3, 4]));
  expect([where.cluster.jobs.list(), where.cluster.pods.list()]).toEqual([[], []]);
});

test('a pruned trial loses its pod', async () => {
  const where = await place({ budget: { trials: 1 }, pruner: { name: 'threshold', upper: 0.1 }, grace: '1s' }, 500);
  const run = await runCli(...where.argumentsOfTune);
  expect(run.stderr).toMatch(/trial 0 pruned at step \d+/);
  expect((await studyIn(where)).trials.map(trial => trial.state)).toEqual(['pruned']);
  expect(where.cluster.pods.list()).toEqual([]);
});

test('a killed worker leaves its Job running; the next one takes it over and misses nothing', async () => {
  const where = await place({ budget: { trials: 1 } }, 60);
  const { child, finished } = startCli(where.argumentsOfTune);
  const log = join(where.path, 'data/tune/demo/trials/0/output.log');
  await eventually(async () => {
    try {
      return readFileSync(log, 'utf8').includes('"step":3') ? true : undefined;
    } catch {
      return undefined;
    }
  });
  child.kill('SIGKILL');
  await finished;
  expect((await runCli(...where.argumentsOfTune)).code).toBe(0);
  const { trials } = await studyIn(where);
  expect(trials.map(trial => [trial.state, trial.reports.length])).toEqual([['complete', 60]]);
  expect(where.starts(0)).toBe(1);
  expect(where.cluster.jobs.list()).toEqual([]);
});

test('a trial whose pod is taken away is run again from its checkpoint, without counting as failed', async () => {
  const where = await place({ budget: { trials: 1 } }, 30);
  const { finished } = startCli(where.argumentsOfTune);
  await eventually(async () => (where.starts(0) === 1 ? true : undefined));
  where.cluster.deletePod(where.cluster.pods.list()[0]?.metadata.name ?? '');
  expect((await finished).code).toBe(0);
  const { trials } = await studyIn(where);
  expect(trials.map(trial => [trial.number, trial.state, trial.reports.length])).toEqual([[0, 'complete', 30]]);
  expect(where.starts(0)).toBe(2);
});

test('Ctrl-C deletes the Jobs and keeps the trials; the same line goes on', async () => {
  const where = await place({ budget: { trials: 1 } }, 30);
  const { child, finished } = startCli(where.argumentsOfTune);
  await eventually(async () => where.cluster.pods.list().find(({ status }) => status.phase === 'Running'));
  child.kill('SIGINT');
  expect((await finished).code).toBe(130);
  expect(where.cluster.jobs.list()).toEqual([]);
  expect((await runCli(...where.argumentsOfTune)).code).toBe(0);
  expect((await studyIn(where)).trials.map(trial => [trial.state, trial.reports.length])).toEqual([['complete', 30]]);
});

test('a cluster that refuses ends the run at once with its words, and the trial waits', async () => {
  const where = await place({ budget: { trials: 1 } }, 3);
  where.cluster.denied.add('create jobs');
  const run = await runCli(...where.argumentsOfTune);
  expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('jobs.batch is forbidden')]);
  expect((await studyIn(where)).trials.map(trial => trial.state)).toEqual(['waiting']);
});
