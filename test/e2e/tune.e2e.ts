import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { studyDetailSchema, trialSchema } from '@holdfast/api';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually, HoldfastProcess, runCli, startCli, temporaryFolder } from './holdfast-process.ts';

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const exportSchema = studyDetailSchema.extend({ trials: z.array(trialSchema) });

/** Reports four steps, writes a checkpoint before each, and goes on from it. */
const trainer = `
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
const { x } = JSON.parse(process.env.HOLDFAST_PARAMS);
const checkpoint = process.env.HOLDFAST_CHECKPOINT_DIR + '/step';
let step = existsSync(checkpoint) ? Number(readFileSync(checkpoint, 'utf8')) : 0;
console.log('starting after step ' + step);
while (step < 4) {
  writeFileSync(checkpoint, String(++step));
  console.log(JSON.stringify({ step, loss: (x - 0.3) ** 2 + 1 / step }));
}
writeFileSync(process.env.HOLDFAST_TRIAL_DIR + '/model.txt', String(x));
`;

let places = 0;

/** A fresh folder with a trainer and a definition; what is given replaces parts of the definition. */
function place(definition: object = {}, files: Readonly<Record<string, string>> = {}): string {
  const path = join(folder.path, `place-${places++}`);
  mkdirSync(path);
  const whole = {
    name: 'demo',
    objectives: { loss: 'minimize' },
    space: { x: { type: 'float', low: 0, high: 1 }, k: { type: 'int', low: 1, high: 3 } },
    sampler: { name: 'tpe', startupTrials: 3 },
    budget: { trials: 6 },
    seed: 4,
    command: ['node', 'train.mjs'],
    ...definition,
  };
  writeFileSync(join(path, 'holdfast.tune.json'), JSON.stringify(whole));
  for (const [name, text] of Object.entries({ 'train.mjs': trainer, ...files })) writeFileSync(join(path, name), text);
  return path;
}

const argumentsOf = (path: string, file = 'holdfast.tune.json'): string[] => [
  'tune',
  join(path, file),
  '--data',
  join(path, 'data'),
];

async function studyIn(path: string): Promise<z.infer<typeof exportSchema>> {
  const { stdout, stderr } = await runCli('studies', 'export', 'demo', '--data', join(path, 'data'));
  expect(stderr).toBe('');
  return exportSchema.parse(JSON.parse(stdout));
}

/** What a run must not change: numbers, parameters, states, values, every report. */
function storyOf({ trials }: z.infer<typeof exportSchema>): unknown {
  return trials.map(({ number, params, state, values, reports, origin }) => ({
    number,
    params,
    state,
    values,
    reports,
    origin,
  }));
}

/** Starts a run and sends a signal once the trial of this number has ended. */
async function interrupted(path: string, signal: NodeJS.Signals, afterTrial: number): Promise<number | null> {
  const { child, output, finished } = startCli(argumentsOf(path));
  child.stderr?.on('data', () => {
    if (output.stderr.includes(`trial ${afterTrial} `)) child.kill(signal);
  });
  return (await finished).code;
}

test('a command is tuned to its budget, and stopping or killing the run changes neither suggestions nor results', async () => {
  const calm = place();
  const run = await runCli(...argumentsOf(calm), '--json');
  expect(run.code).toBe(0);
  const end = z.object({ end: z.object({ kind: z.string(), because: z.string() }) }).parse(JSON.parse(run.stdout));
  expect(end.end).toEqual({ kind: 'finished', because: 'trials' });
  const expected = storyOf(await studyIn(calm));

  const stopped = place();
  expect(await interrupted(stopped, 'SIGINT', 2)).toBe(130);
  const killed = place();
  expect(await interrupted(killed, 'SIGKILL', 2)).toBe(null);
  for (const path of [stopped, killed]) {
    const resumed = await runCli(...argumentsOf(path));
    expect(resumed.code).toBe(0);
    expect(storyOf(await studyIn(path))).toEqual(expected);
  }
});

test('parameters arrive as words, as a file and as variables; what is printed is kept', async () => {
  const script = `
import { readFileSync } from 'node:fs';
const file = JSON.parse(readFileSync(process.env.HOLDFAST_PARAMS_FILE, 'utf8'));
const [, , x, model, file2] = process.argv;
if (Number(x) !== file.x || model !== 'svm' || process.env.HOLDFAST_PARAM_MODEL_SVM_C !== String(file.model.C)) process.exit(3);
if (JSON.parse(readFileSync(file2, 'utf8')).fixed !== 'yes' || process.env.HOLDFAST_PARAM_FIXED !== 'yes') process.exit(4);
console.log('a line that is no metric');
console.log(JSON.stringify({ loss: file.x, cost: 2 }));
`;
  const path = place(
    {
      space: {
        x: { type: 'float', low: 0, high: 1 },
        fixed: { type: 'constant', value: 'yes' },
        model: { type: 'choice', options: { svm: { C: { type: 'float', low: 1, high: 9 } } } },
      },
      command: 'node "train.mjs" {x} {model} {@params}',
      budget: { cost: 5 },
    },
    { 'train.mjs': script },
  );
  const run = await runCli(...argumentsOf(path));
  expect([run.code, run.stderr]).toEqual([0, expect.stringContaining('trial 2 loss')]);
  const { trials, summary } = await studyIn(path);
  expect(summary.finishedBecause).toBe('cost');
  expect(trials.map(trial => trial.cost)).toEqual([2, 2, 2]);
  expect(readFileSync(join(path, 'data', 'tune', 'demo', 'trials', '0', 'output.log'), 'utf8')).toContain('no metric');
});

test('a running command is killed when the pruner gives up on it', async () => {
  const script = `
console.log(JSON.stringify({ step: 1, loss: 9 }));
process.on('SIGTERM', () => {});
setInterval(() => {}, 1000);
`;
  const path = place(
    { budget: { trials: 1 }, pruner: { name: 'threshold', upper: 5 }, grace: '200ms' },
    { 'train.mjs': script },
  );
  const run = await runCli(...argumentsOf(path));
  expect(run.stderr).toContain('trial 0 pruned at step 1, loss 9');
  expect((await studyIn(path)).trials.map(trial => trial.state)).toEqual(['pruned']);
});

test('paused trials are promoted and go on from their checkpoint', async () => {
  const path = place({
    sampler: 'random',
    pruner: { name: 'asha', minSteps: 1, maxSteps: 4, eta: 2 },
    budget: { trials: 5 },
  });
  const run = await runCli(...argumentsOf(path));
  expect(run.code).toBe(0);
  const { trials } = await studyIn(path);
  const resumed = trials.filter(trial => trial.state === 'complete' && trial.reports.length === 4);
  expect(resumed.length).toBeGreaterThan(0);
  expect(resumed.map(trial => trial.reports.map(report => report.step))).toEqual(resumed.map(() => [1, 2, 3, 4]));
});

test('a function of a TypeScript module is tuned in processes of its own, with reports and pruning', async () => {
  const module = `
import { writeFileSync } from 'node:fs';
export const study = {
  name: 'demo',
  objectives: { loss: 'minimize' },
  space: { x: { type: 'float', low: 0, high: 1 }, bad: { type: 'categorical', values: [true, false] } },
  sampler: 'random',
  pruner: { name: 'threshold', upper: 5 },
  budget: { trials: 6 },
  concurrency: 2,
  async objective({ x, bad }: { x: number; bad: boolean }, trial: { report(s: number, v: number): Promise<void>; directory: string }): Promise<number> {
    console.log(JSON.stringify({ loss: -1000 }));
    await trial.report(1, bad ? 10 : 1);
    writeFileSync(trial.directory + '/pid', String(process.pid));
    return x;
  },
};
`;
  const path = place({}, { 'study.ts': module });
  const run = await runCli(...argumentsOf(path, 'study.ts'));
  expect(run.code).toBe(0);
  const { trials } = await studyIn(path);
  for (const { params, state, values } of trials) {
    expect(state).toBe(params.bad === true ? 'pruned' : 'complete');
    expect(values).toEqual(params.bad === true ? undefined : [params.x]);
  }
  expect(existsSync(join(path, 'data', 'tune', 'demo', 'trials', '0'))).toBe(true);
});

test('a trial fails with the reason that its errors give', async () => {
  const path = place({ budget: { trials: 1 } }, { 'train.mjs': 'throw new TypeError("no such column");' });
  const run = await runCli(...argumentsOf(path));
  expect([run.code, run.stdout]).toEqual([1, expect.stringContaining('All 1 of its trials failed; see ')]);
  const [trial] = (await studyIn(path)).trials;
  expect([trial?.state, trial?.reason]).toEqual([
    'failed',
    'The command failed: it ended with exit code 1: TypeError: no such column',
  ]);
});

test('a study that was removed leaves no checkpoint that a new one of its name would go on from', async () => {
  const path = place();
  await runCli(...argumentsOf(path));
  const first = storyOf(await studyIn(path));
  await runCli('studies', 'remove', 'demo', '--data', join(path, 'data'));
  await runCli(...argumentsOf(path));
  expect(storyOf(await studyIn(path))).toEqual(first);
});

test('what a command starts in a session of its own ends with the command', async () => {
  const train = `
    import { spawn } from 'node:child_process';
    import { writeFileSync } from 'node:fs';
    const child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    child.unref();
    writeFileSync(process.env.HOLDFAST_TRIAL_DIR + '/pid', String(child.pid));
    console.log('{"loss":1}');
  `;
  const path = place({ budget: { trials: 1 } }, { 'train.mjs': train });
  expect((await runCli(...argumentsOf(path))).code).toBe(0);
  const pid = Number(readFileSync(join(path, 'data', 'tune', 'demo', 'trials', '0', 'pid'), 'utf8'));
  // Its parent is gone too, so it may stay in the table of processes until somebody collects it.
  await eventually(async () => {
    const state = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] : 'Z';
    return state === 'Z' || undefined;
  });
});

test('a command that does not exist ends the run with a sentence, and its trial waits', async () => {
  const path = place({ command: 'no-such-program --x {x}' });
  const run = await runCli(...argumentsOf(path));
  expect([run.code, run.stderr]).toEqual([1, expect.stringContaining('no program "no-such-program"')]);
  expect((await studyIn(path)).trials.map(trial => trial.state)).toEqual(['waiting']);
});

test('another space on resume is refused, and accepted with --evolve where trials keep their meaning', async () => {
  const path = place({ budget: { trials: 2 } });
  await runCli(...argumentsOf(path));
  const file = join(path, 'holdfast.tune.json');
  const change = (space: object): void =>
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), space, budget: { trials: 4 } }));
  change({ x: { type: 'float', low: 0, high: 2 }, k: { type: 'int', low: 1, high: 3 } });
  const refused = await runCli(...argumentsOf(path));
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('"x" has changed')]);
  expect((await runCli(...argumentsOf(path), '--evolve')).code).toBe(0);
  change({ x: { type: 'float', low: 0, high: 2 } });
  const breaking = await runCli(...argumentsOf(path), '--evolve');
  expect([breaking.code, breaking.stderr]).toEqual([1, expect.stringContaining('"k" is gone')]);
  expect((await studyIn(path)).trials).toHaveLength(4);
});

test('through a running Holdfast: a study is tuned over its API, announced live, and its best trial deployed with its parameters', async () => {
  const onnx = fileURLToPath(new URL('../../packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx', import.meta.url));
  const script = `
import { copyFileSync } from 'node:fs';
copyFileSync(${JSON.stringify(onnx)}, process.env.HOLDFAST_TRIAL_DIR + '/model.onnx');
console.log(JSON.stringify({ loss: Number(process.argv[2]) }));
`;
  const path = place(
    { command: 'node train.mjs {x}', model: 'model.onnx', budget: { trials: 3 } },
    { 'train.mjs': script },
  );
  await using holdfast = await HoldfastProcess.up(['--data', join(path, 'data')]);
  const control = new AbortController();
  const heard: string[] = [];
  const hearing = (async () => {
    for await (const event of holdfast.control.events(control.signal))
      if (event.kind === 'study') heard.push(event.study);
  })().catch(() => {});
  expect((await runCli(...argumentsOf(path))).code).toBe(0);
  const detail = await holdfast.control.call('readStudy', { params: { study: 'demo' } });
  expect(detail.summary).toMatchObject({ state: 'finished', counts: { complete: 3 } });
  const file = ['--file', join(path, 'holdfast.tune.json'), '--data', join(path, 'data')];
  const deployed = await runCli('tune', 'deploy', 'best', '--name', 'tuned', ...file);
  expect([deployed.code, deployed.stdout]).toEqual([0, expect.stringMatching(/is tuned version 1, ready as champion/)]);
  const version = await holdfast.control.call('readVersion', { params: { model: 'tuned', version: 1 } });
  const { trials } = await holdfast.control.call('studyTrials', { params: { study: 'demo' } });
  const best = trials.find(trial => trial.number === detail.best[0]);
  expect(version.provenance).toMatchObject({
    study: 'demo',
    trial: String(best?.number),
    'parameter.x': String(best?.params.x),
  });
  await eventually(async () => (heard.includes('demo') ? true : undefined));
  control.abort();
  await hearing;
  await expect(
    holdfast.control.call('tellTrial', {
      params: { study: 'demo', number: 0 },
      body: { claim: 9, outcome: { kind: 'failed', reason: 'late' } },
    }),
  ).rejects.toMatchObject({ code: 'trial_not_held', status: 409 });
});
