import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createStudySchema, type StudySettingsInput } from '@holdfast/api';
import { afterAll, expect, test } from 'vitest';
import { type FakeCommand, fakeJobs } from './fake-jobs.ts';
import { openTuning } from './open-tuning.ts';
import type { Studies } from './studies.ts';
import { runStudy, type StudyRunEnd } from './study-run.ts';
import type { MeasuredObjective } from './trial-run.ts';
import { newWorkerId } from './worker-id.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-tuning-'));
afterAll(() => rmSync(folder, { recursive: true }));
let runs = 0;

interface Run {
  readonly studies: Studies;
  readonly end: StudyRunEnd;
}

/** Runs a study of one parameter with a command that is a function. */
async function run(
  command: FakeCommand,
  settings: Partial<StudySettingsInput> = {},
  plan: {
    readonly retries?: number;
    readonly lostRetries?: number;
    readonly stopAfterFailures?: number;
    readonly concurrency?: number;
    readonly latency?: MeasuredObjective;
  } = {},
): Promise<Run> {
  const { studies } = await openTuning(':memory:', Date.now);
  const whole = {
    space: { x: { type: 'float', low: 0, high: 1 } },
    objectives: [{ name: 'loss', direction: 'minimize' }],
    sampler: 'random',
    budget: { trials: 1 },
    ...settings,
  } satisfies StudySettingsInput;
  await studies.openStudy(createStudySchema.parse({ name: 'demo', settings: whole }));
  const end = await runStudy({
    study: studies.study('demo'),
    worker: newWorkerId(),
    concurrency: plan.concurrency ?? 1,
    stopAfterFailures: plan.stopAfterFailures ?? 10,
    signal: new AbortController().signal,
    onProgress: () => {},
    plan: {
      command: ['train', '{x}'],
      cwd: folder,
      environment: {},
      objectives: whole.objectives.map(objective => objective.name),
      readsOutput: true,
      seed: 0,
      timeoutMs: 1000,
      graceMs: 100,
      retries: plan.retries ?? 0,
      lostRetries: plan.lostRetries ?? 0,
      leaseMs: 60_000,
      directory: join(folder, String(runs++)),
      latency: plan.latency,
      backend: fakeJobs(command),
    },
  });
  return { studies, end };
}

async function trialsOf({ studies }: Run) {
  return (await studies.trials('demo', 0)).trials;
}

const well = { end: { kind: 'exited', code: 0 } } as const;

const printing =
  (...lines: readonly string[]): FakeCommand =>
  async (_, print) => {
    for (const line of lines) await print(line);
    return well;
  };

test('the result is the last line without a step, or else the last step', async () => {
  const stated = await run(printing('{"step":1,"loss":3}', '{"loss":2}', 'bye', '{"loss":1.5,"cost":7}'));
  expect(await trialsOf(stated)).toMatchObject([{ state: 'complete', values: [1.5], cost: 7 }]);
  const stepped = await run(printing('{"step":1,"loss":3}', '{"step":2,"loss":2}'));
  expect(await trialsOf(stepped)).toMatchObject([
    { state: 'complete', values: [2], reports: [{ step: 1 }, { step: 2 }] },
  ]);
});

test.each<[string, FakeCommand, RegExp]>([
  ['it reports nothing', printing('epoch 1'), /never reported its metrics; print a line such as \{"loss":0.42\}/],
  [
    'it reports under another name',
    printing('{"epoch":1,"los":2}'),
    /never reported .* It printed \{"epoch":1,"los":2\}/,
  ],
  ['a constraint is NaN', printing('{"loss":1,"constraints":[NaN]}'), /A value is NaN/],
  ['its result is NaN, as Python writes it', printing('{"loss": NaN}'), /A value is NaN/],
  ['its result is NaN, as JavaScript writes it', printing('{"loss":null}'), /A value is NaN/],
  ['a step is infinite', printing('{"step": 1, "loss": -Infinity}'), /The value at step 1 is -Infinity/],
  ['a metric is no number', printing('{"loss":"high"}'), /"loss" is missing or no number/],
  ['a step is negative', printing('{"step":-1,"loss":1}'), /"step" must be a number from 0/],
  ['a step goes back', printing('{"loss":{}}'), /no number/],
  [
    'it ends with an error',
    async () => ({ end: { kind: 'exited', code: 2 }, errors: 'Traceback\nValueError: bad lr\n' }),
    /exit code 2: ValueError: bad lr/,
  ],
  ['it is killed', async () => ({ end: { kind: 'killed', signal: 'SIGSEGV' } }), /ended by signal SIGSEGV/],
  ['it takes too long', async () => ({ end: { kind: 'timed-out', afterMs: 1500 } }), /time limit of 1.5 s/],
  ['it is silent', async () => ({ end: { kind: 'silent', afterMs: 500 } }), /reported nothing for 0.5 s/],
  ['its node is lost', async () => ({ end: { kind: 'lost', why: 'node gone' } }), /it was lost: node gone/],
])('a trial fails with its reason when %s', async (_, command, reason) => {
  const ran = await run(command);
  expect(await trialsOf(ran)).toMatchObject([{ state: 'failed', reason: expect.stringMatching(reason) }]);
});

test('a failing command is run again in its trial as often as it may', async () => {
  let calls = 0;
  const flaky: FakeCommand = async (_, print) => {
    if (++calls < 3) return { end: { kind: 'exited', code: 1 } };
    await print('{"loss":1}');
    return well;
  };
  const ran = await run(flaky, {}, { retries: 2 });
  expect(await trialsOf(ran)).toMatchObject([{ state: 'complete', number: 0 }]);
  expect(calls).toBe(3);
});

test('a job that its place has lost is run again from where it was, and is no failure of the command', async () => {
  const starts: (string | undefined)[] = [];
  const lostTwice: FakeCommand = async (spec, print) => {
    starts.push(spec.environment.HOLDFAST_RESUME_FROM);
    await print(JSON.stringify({ step: starts.length, loss: 1 }));
    return starts.length < 3 ? { end: { kind: 'lost', why: 'evicted' } } : well;
  };
  const ran = await run(lostTwice, {}, { lostRetries: 2 });
  expect(await trialsOf(ran)).toMatchObject([{ state: 'complete', reports: [{ step: 1 }, { step: 2 }, { step: 3 }] }]);
  expect(starts).toEqual([undefined, '1', '2']);
});

test('trials that fail in a row end the run instead of the whole budget', async () => {
  const ran = await run(printing(), { budget: { trials: 50 } }, { stopAfterFailures: 3 });
  expect(ran.end).toMatchObject({ kind: 'failing', failures: 3 });
  expect(await trialsOf(ran)).toHaveLength(3);
});

test('reports that come between the decision to pause and the end are counted when the trial goes on', async () => {
  const starts: (string | undefined)[] = [];
  const command: FakeCommand = async (spec, print) => {
    starts.push(spec.environment.HOLDFAST_RESUME_FROM);
    for (const step of [1, 2, 3, 4]) await print(JSON.stringify({ step, loss: Number(spec.command[1]) + 1 / step }));
    return well;
  };
  const asha = { name: 'asha', minSteps: 1, maxSteps: 4, eta: 2 };
  const ran = await run(command, { pruner: asha, budget: { trials: 8 } });
  const full = (await trialsOf(ran)).filter(trial => trial.state === 'complete');
  expect(full.length).toBeGreaterThan(0);
  expect(full.map(trial => trial.reports.map(report => report.step))).toEqual(full.map(() => [1, 2, 3, 4]));
});

test('with freeze-thaw the sampler goes on with some paused trials, on two workers, to the end of their budget', async () => {
  const command: FakeCommand = async (spec, print) => {
    for (let step = Number(spec.environment.HOLDFAST_RESUME_FROM ?? 0) + 1; step <= 9; step++)
      await print(JSON.stringify({ step, loss: (Number(spec.command[1]) - 0.7) ** 2 + 1 / step }));
    return well;
  };
  const pruner = { name: 'freeze-thaw', maxSteps: 9 };
  const ran = await run(command, { sampler: 'auto', pruner, budget: { trials: 12 } }, { concurrency: 2 });
  expect(ran.end).toEqual({ kind: 'finished', because: 'trials' });
  const trials = await trialsOf(ran);
  expect(trials).toHaveLength(12);
  const states = new Set(trials.map(trial => trial.state));
  expect(states).toEqual(new Set(['paused', 'complete']));
});

test('every configuration of a finite space is tried once, several at a time, and then the study is exhausted', async () => {
  const command: FakeCommand = async (spec, print) => {
    await print(JSON.stringify({ loss: Number(spec.command[1]) }));
    return well;
  };
  const space = { x: { type: 'int', low: 1, high: 7 } } as const;
  const ran = await run(command, { space, budget: {} }, { concurrency: 3 });
  expect(ran.end).toEqual({ kind: 'finished', because: 'exhausted' });
  const trials = await trialsOf(ran);
  expect(trials.map(trial => trial.params.x).sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
  expect(await ran.studies.read('demo')).toMatchObject({
    summary: { state: 'finished', finishedBecause: 'exhausted' },
  });
});

test('a study ends before its budget when going on no longer pays, and stays ended until its settings change', async () => {
  const command: FakeCommand = async (spec, print) => {
    await print(JSON.stringify({ loss: (Number(spec.command[1]) - 0.3) ** 2 }));
    return well;
  };
  const settings = {
    sampler: 'sobol',
    terminator: { name: 'regret', tolerance: 0.2, minTrials: 5, interval: 50 },
    budget: { trials: 12 },
  };
  const ran = await run(command, settings, { concurrency: 3 });
  expect(ran.end).toEqual({ kind: 'finished', because: 'terminator' });
  const { length } = await trialsOf(ran);
  expect(length).toBeLessThan(9);
  const detail = await ran.studies.read('demo');
  expect(detail).toMatchObject({ summary: { state: 'finished', finishedBecause: 'terminator' } });
  expect(detail.events[0]).toMatchObject({ kind: 'finished', text: expect.stringContaining('no longer pays') });
  const again = await ran.studies.study('demo').ask('host/1/x');
  expect(again).toEqual({ kind: 'finished', because: 'terminator' });
  const { terminator: _, ...without } = detail.settings;
  await ran.studies.openStudy(createStudySchema.parse({ name: 'demo', settings: without }));
  expect(await ran.studies.study('demo').ask('host/1/x')).toMatchObject({ kind: 'trial', number: length });
});

test('members of a population go on from the checkpoint of the one they take over, and are stopped after their interval', async () => {
  const begun: string[] = [];
  const command: FakeCommand = async (spec, print) => {
    const { HOLDFAST_CHECKPOINT_DIR: folder = '', HOLDFAST_RESUME_FROM: from = '0' } = spec.environment;
    const file = join(folder, 'step');
    const saved = existsSync(file) ? readFileSync(file, 'utf8') : '0';
    begun.push(`${saved} ${from}`);
    for (let step = Number(saved) + 1; step <= 20; step++) {
      writeFileSync(file, String(step));
      await print(JSON.stringify({ step, loss: Math.abs(Number(spec.command[1]) - 0.3) }));
      if (String(step) === spec.environment.HOLDFAST_UNTIL_STEP) break;
    }
    return { end: { kind: 'killed', signal: 'SIGTERM' } };
  };
  const sampler = { name: 'pbt', size: 4, intervalSteps: 2, maxSteps: 6 };
  const ran = await run(command, { sampler, budget: {} });
  expect(ran.end).toEqual({ kind: 'finished', because: 'sampler' });
  const trials = await trialsOf(ran);
  expect(trials.map(trial => trial.state)).toEqual(trials.map(() => 'complete'));
  expect(begun).toEqual(trials.map(({ lineage }) => `${lineage?.fromStep} ${lineage?.fromStep}`));
  expect(trials.map(trial => trial.reports.at(-1)?.step)).toEqual(trials.map(trial => trial.lineage?.toStep));
  expect(trials.some(({ lineage }) => trials[lineage?.startTrial ?? 0]?.lineage?.member !== lineage?.member)).toBe(
    true,
  );
});

test.each<[Partial<StudySettingsInput>, RegExp]>([
  [{ pruner: 'asha' }, /pbt itself stops/],
  [
    {
      objectives: [
        { name: 'a', direction: 'minimize' },
        { name: 'b', direction: 'minimize' },
      ],
    },
    /one objective/,
  ],
  [{ sampler: { name: 'pbt', intervalSteps: 2 } }, /takes size, intervalSteps, maxSteps/],
  [{ sampler: { name: 'pbt', intervalSteps: 2, maxSteps: 8, size: 3 } }, /"size" must be a whole number from 4/],
])('a population that cannot be is refused: %j', async (settings, why) => {
  const sampler = { name: 'pbt', intervalSteps: 2, maxSteps: 8 };
  await expect(run(printing(), { sampler, ...settings })).rejects.toThrow(why);
});

test('several objectives are reported as vectors and end in a front', async () => {
  const command: FakeCommand = async (spec, print) => {
    const x = Number(spec.command[1]);
    await print(JSON.stringify({ step: 1, loss: x, size: 1 - x }));
    return well;
  };
  const objectives = [
    { name: 'loss', direction: 'minimize' },
    { name: 'size', direction: 'maximize' },
  ] as const;
  const ran = await run(command, { objectives: [...objectives], budget: { trials: 5 } });
  const detail = await ran.studies.read('demo');
  // Both objectives want x small: one trial beats all others.
  expect(detail).toMatchObject({ summary: { best: null, frontSize: 1 }, best: [expect.any(Number)] });
});

const withLatency = {
  objectives: [
    { name: 'latency_ms', direction: 'minimize' },
    { name: 'loss', direction: 'minimize' },
  ],
} satisfies Partial<StudySettingsInput>;

test('latency is measured on the model file that the command leaves, beside what it reports', async () => {
  const command: FakeCommand = async (spec, print) => {
    writeFileSync(join(spec.environment.HOLDFAST_TRIAL_DIR ?? '', 'm.onnx'), '2.5');
    await print('{"step": 1, "loss": 0.9}');
    await print('{"loss": 0.4}');
    return well;
  };
  const measure = async (path: string): Promise<number> => Number(readFileSync(path, 'utf8'));
  const [trial] = await trialsOf(
    await run(command, withLatency, { latency: { objective: 'latency_ms', model: 'm.onnx', measure } }),
  );
  expect(trial).toMatchObject({ state: 'complete', values: [2.5, 0.4] });
});

test('a command that leaves no model file to measure fails with the name of the file', async () => {
  const measure = async (): Promise<number> => 1;
  const latency = { objective: 'latency_ms', model: 'm.onnx', measure };
  const [trial] = await trialsOf(await run(printing('{"loss": 0.4}'), withLatency, { latency }));
  expect(trial).toMatchObject({ state: 'failed', reason: 'The command left no "m.onnx" in its directory to measure.' });
});
