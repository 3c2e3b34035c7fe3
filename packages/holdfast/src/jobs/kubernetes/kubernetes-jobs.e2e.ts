import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { JobSpec } from '../job.ts';
import { kubernetesJobs } from './kubernetes-jobs.ts';
import { kubernetesSettingsSchema } from './settings.ts';
import { FakeCluster } from './testing/fake-cluster.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-kubernetes-'));
const clusters = new AsyncDisposableStack();
afterAll(async () => {
  await clusters.disposeAsync();
  rmSync(folder, { recursive: true });
});
let count = 0;

interface Place {
  readonly cluster: FakeCluster;
  /** Stands for the volumes; a claim is a folder of its name in it. */
  readonly volumes: string;
  readonly settings: (more?: object) => ReturnType<typeof kubernetesSettingsSchema.parse>;
}

async function place(token?: string): Promise<Place> {
  const volumes = join(folder, `volumes-${count}`);
  const cluster = clusters.use(await FakeCluster.start(volumes));
  const kubeconfig = join(folder, `config-${count++}`);
  writeFileSync(kubeconfig, cluster.kubeconfig(token));
  const settings = (more = {}) =>
    kubernetesSettingsSchema.parse({ backend: 'kubernetes', image: 'trainer:1', kubeconfig, ...more });
  return { cluster, volumes, settings };
}

function specOf(script: string, more: Partial<JobSpec> = {}): JobSpec {
  return {
    name: `demo-${count++}`,
    command: [process.execPath, '-e', script],
    cwd: folder,
    environment: {},
    timeoutMs: 60_000,
    graceMs: 1000,
    logPath: join(folder, `log-${count++}`),
    ...more,
  };
}

/** Starts a job and collects its lines; `enough` resolves when one of them contains the text. */
async function started({ settings }: Place, spec: JobSpec, more?: object) {
  const lines: string[] = [];
  const waits = new Map<string, () => void>();
  const jobs = clusters.use(kubernetesJobs(settings(more), 'test'));
  const job = await jobs.start(spec, async line => {
    lines.push(line);
    waits.get(line)?.();
  });
  const saw = (line: string): Promise<void> =>
    new Promise(resolve => (lines.includes(line) ? resolve() : waits.set(line, resolve)));
  return { job, lines, saw };
}

const counting = `let i = 0; const t = setInterval(() => { console.log('line ' + ++i); if (i === 12) { clearInterval(t); } }, 25);`;

test('lines arrive in order once each, also when watches and logs are cut and the history is forgotten', async () => {
  const where = await place();
  const { job, lines, saw } = await started(where, specOf(counting));
  await saw('line 2');
  where.cluster.cutStreams();
  await saw('line 5');
  where.cluster.jobs.forgetHistory();
  where.cluster.pods.forgetHistory();
  where.cluster.cutStreams();
  expect(await job.ended).toMatchObject({ end: { kind: 'exited', code: 0 } });
  expect(lines).toEqual(Array.from({ length: 12 }, (_, i) => `line ${i + 1}`));
  await job.forget();
  expect(where.cluster.jobs.list()).toEqual([]);
});

test('words, variables and parameters arrive as they are, dollar signs and all', async () => {
  const where = await place();
  const script = `
    const { readFileSync } = require('node:fs');
    console.log(process.argv[1]);
    console.log(process.env.PLAIN);
    console.log(readFileSync(process.env.FILE, 'utf8'));
    console.log(process.env.HOLDFAST_REPORT_URL);`;
  const environment = {
    PLAIN: '$(HOME) $$ 5$',
    FILE: '/etc/holdfast/parameters.json',
    HOLDFAST_REPORT_URL: 'http://x',
  };
  const spec = specOf(script, { environment, parameters: '{"lr":0.1}' });
  const { job, lines } = await started(where, { ...spec, command: [...spec.command, '$(PLAIN)'] });
  await job.ended;
  expect(lines).toEqual(['$(PLAIN)', '$(HOME) $$ 5$', '{"lr":0.1}', 'undefined']);
});

test('a folder on a claim outlives the pod; the Job carries limits, labels and the time limit', async () => {
  const where = await place();
  const script = `require('node:fs').writeFileSync('/holdfast/job/checkpoint/weights', '7');`;
  const spec = specOf(script, {
    folder: 'tune/churn/trials/3',
    labels: { study: 'churn', trial: '3' },
    memoryBytes: 64e6,
  });
  const { job } = await started(where, spec, { storage: { claim: 'shared' }, resources: { requests: { cpu: 2 } } });
  await job.ended;
  expect(readFileSync(join(where.volumes, 'shared/tune/churn/trials/3/checkpoint/weights'), 'utf8')).toBe('7');
  const [manifest] = where.cluster.jobs.list();
  expect(manifest).toMatchObject({
    metadata: { labels: { 'holdfast.dev/study': 'churn', 'holdfast.dev/trial': '3' } },
    spec: {
      backoffLimit: 0,
      activeDeadlineSeconds: 60,
      template: { spec: { containers: [{ resources: { requests: { cpu: 2 }, limits: { memory: 64e6 } } }] } },
    },
  });
});

/** Says that it is ready only once it can be asked to end. */
const waiting = `process.on('SIGTERM', () => { console.log('bye'); process.exit(0); }); setInterval(() => {}, 1000); console.log('ready');`;

test('stopping deletes the Job, and ends once its pod has ended, with its last lines', async () => {
  const where = await place();
  const { job, lines, saw } = await started(where, specOf(waiting));
  await saw('ready');
  job.stop();
  expect((await job.ended).end).toEqual({ kind: 'stopped' });
  expect(lines).toEqual(['ready', 'bye']);
  expect([where.cluster.jobs.list(), where.cluster.pods.list()]).toEqual([[], []]);
});

test('a job that another process left running is taken over with its log from the beginning, and the other lets go of it', async () => {
  const where = await place();
  const go = join(folder, `go-${count++}`);
  const asked = `if (require('node:fs').existsSync(${JSON.stringify(go)})) { console.log('done'); process.exit(3); }`;
  const spec = specOf(`${waiting} setInterval(() => { ${asked} }, 20);`);
  const first = await started(where, spec);
  await first.saw('ready');
  const second = await started(where, { ...spec, environment: { HOLDFAST_RESUME_FROM: '4' } });
  expect((await first.job.ended).end).toEqual({ kind: 'stopped' });
  await first.job.forget();
  writeFileSync(go, '');
  expect(await second.job.ended).toMatchObject({ end: { kind: 'exited', code: 3 } });
  expect(second.lines).toEqual(['ready', 'done']);
  expect(where.cluster.calls.filter(call => call.startsWith('POST'))).toHaveLength(2);
  expect(where.cluster.pods.list()).toHaveLength(1);
});

test('an earlier job of the same name that did other work has ended before the next one starts', async () => {
  const where = await place();
  const over = JSON.stringify(join(folder, `over-${count++}`));
  const spec = specOf(`process.on('exit', () => require('node:fs').writeFileSync(${over}, '')); ${waiting}`);
  const first = await started(where, spec);
  await first.saw('ready');
  const other = specOf(`console.log(require('node:fs').existsSync(${over}) ? 'after' : 'beside')`, { name: spec.name });
  const second = await started(where, other);
  expect(await second.job.ended).toMatchObject({ end: { kind: 'exited', code: 0 } });
  expect(second.lines).toEqual(['after']);
});

test('a pod that is taken away makes its job lost', async () => {
  const where = await place();
  const { job, saw } = await started(where, specOf(waiting));
  await saw('ready');
  where.cluster.deletePod(where.cluster.pods.list()[0]?.metadata.name ?? '');
  expect((await job.ended).end).toMatchObject({ kind: 'lost' });
});

test('a Job that somebody deletes is lost', async () => {
  const where = await place();
  const { job, saw } = await started(where, specOf(waiting));
  await saw('ready');
  where.cluster.jobs.remove(job.id);
  expect((await job.ended).end).toEqual({ kind: 'lost', why: 'its Job was deleted' });
});

test('the exit code, the deadline and silence end a job with their reason', async () => {
  const where = await place();
  const failed = await started(where, specOf(`console.error('RangeError: too wide'); process.exit(9)`));
  const late = await started(where, specOf(waiting, { timeoutMs: 900 }));
  const silent = await started(where, specOf(waiting, { silenceMs: 300 }));
  expect(await failed.job.ended).toEqual({ end: { kind: 'exited', code: 9 }, errors: 'RangeError: too wide\n' });
  expect((await late.job.ended).end).toEqual({ kind: 'timed-out', afterMs: 900 });
  expect((await silent.job.ended).end).toEqual({ kind: 'silent', afterMs: 300 });
});

test.each<[string, object, Partial<JobSpec>, RegExp]>([
  [
    'an image that cannot be pulled',
    { image: 'no-such-image:1', startTimeout: '1s' },
    {},
    /ImagePullBackOff: Back-off/,
  ],
  ['a program that the image lacks', {}, { command: ['no-such-program'] }, /StartError: exec: "no-such-program"/],
])('%s is told as such, and its Job does not stay', async (_, more, spec, why) => {
  const where = await place();
  const { job } = await started(where, specOf('', spec), more);
  await expect(job.ended).rejects.toMatchObject({ code: 'job_not_started', message: expect.stringMatching(why) });
  await job.forget();
  expect(where.cluster.jobs.list()).toEqual([]);
});

test('what the API server refuses is told in its own words', async () => {
  const where = await place();
  where.cluster.denied.add('create jobs');
  await expect(started(where, specOf(''))).rejects.toMatchObject({
    code: 'job_not_started',
    message: expect.stringContaining('cannot create resource "jobs" in API group "batch"'),
  });
  await expect(started(await place('wrong'), specOf(''))).rejects.toMatchObject({
    code: 'job_not_started',
    message: expect.stringContaining('Unauthorized'),
  });
  const logs = await place();
  logs.cluster.denied.add('get pods/log');
  const { job } = await started(logs, specOf(waiting));
  await expect(job.ended).rejects.toMatchObject({ message: expect.stringContaining('resource "pods/log"') });
  expect(logs.cluster.jobs.list()).toEqual([]);
});
