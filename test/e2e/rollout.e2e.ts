import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { champion, parseModelName, type RolloutDetail, type StartRollout } from '@holdfast/api';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  attribute,
  initializer,
  model,
  node,
  type Proto,
  value,
} from '../../packages/holdfast/src/runtime/fixtures/onnx-bytes.ts';
import { eventually, HoldfastProcess, runCli, temporaryFolder } from './holdfast-process.ts';

const folder = temporaryFolder();
const name = parseModelName('double');
let holdfast: HoldfastProcess;
let load: Load | undefined;

interface Answer {
  readonly status: number;
  readonly version: string | null;
  readonly id: string;
  /** The output; NaN when it failed. */
  readonly y: number;
  readonly x: number;
}

/** Callers that ask without a pause, each for its own numbers, until they are stopped. */
class Load {
  readonly answers: Answer[] = [];
  #isOn = true;
  readonly #callers: Promise<void>[];

  constructor(seed: number) {
    this.#callers = Array.from({ length: 4 }, (_, caller) => this.#call(seed + caller));
  }

  async #call(seed: number): Promise<void> {
    for (let i = 1; this.#isOn; i++) {
      const x = ((seed * 7919 + i * 104_729) % 1000) + 1;
      this.answers.push(await ask(x));
    }
  }

  of(version: string): Answer[] {
    return this.answers.filter(answer => answer.version === version);
  }

  async stop(): Promise<void> {
    this.#isOn = false;
    await Promise.all(this.#callers);
  }
}

async function ask(x: number): Promise<Answer> {
  const response = await holdfast.infer(name, { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [x] }] });
  const { headers, status } = response;
  const body: unknown = await response.json();
  const [output]: unknown[] = Reflect.get(Object(body), 'outputs') ?? [];
  const [y]: unknown[] = Reflect.get(Object(output), 'data') ?? [];
  const id = headers.get('x-holdfast-prediction-id') ?? '';
  return { status, version: headers.get('x-holdfast-version'), id, y: Number(y ?? Number.NaN), x };
}

/** A model of one column: `y` from `x` by what the nodes say. */
function modelFile(file: string, nodes: readonly Proto[], initializers: readonly Proto[]): string {
  const path = join(folder.path, file);
  const column = (of: string): Proto => value(of, 'FP32', ['n', 1]);
  writeFileSync(path, model({ nodes, initializers, inputs: [column('x')], outputs: [column('y')] }));
  return path;
}

const number = (of: string, n: number): Proto => initializer(of, 'FP32', [1], Float32Array.of(n));
const doubling = modelFile('double.onnx', [node('Mul', ['x', 'two'], ['y'])], [number('two', 2)]);
/** Another way to the same answers. */
const adding = modelFile('adding.onnx', [node('Add', ['x', 'x'], ['y'])], []);
const doublingAgain = modelFile('again.onnx', [node('Mul', ['two', 'x'], ['y'])], [number('two', 2)]);
const tripling = modelFile('triple.onnx', [node('Mul', ['x', 'three'], ['y'])], [number('three', 3)]);
/** Looks `x` up in a table of one entry: every number that is asked for is outside. */
const failing = modelFile(
  'failing.onnx',
  [
    node('Cast', ['x'], ['i'], [attribute('to', 7)]),
    node('Gather', ['table', 'i'], ['looked']),
    node('Add', ['x', 'looked'], ['y']),
  ],
  [number('table', 0)],
);

/** Short enough for a test; latency says nothing on a machine that runs other tests. */
const judge = { minimumRequests: 50, latency: { mode: 'off' }, errors: { margin: 0.1 } };

async function deploy(path: string, ...options: readonly string[]): Promise<void> {
  const { code, stderr } = await runCli(
    ...['deploy', path, '--name', name, '--task', 'regression', '--server', holdfast.ready.consoleUrl, ...options],
  );
  if (code !== 0) throw new Error(stderr);
}

/** Registers a file and rolls it out; returns the version. */
async function rollOut(path: string, request: Omit<StartRollout, 'version'>): Promise<number> {
  await deploy(path, '--no-alias');
  const { versions } = await holdfast.control.call('readModel', { params: { model: name } });
  const version = Math.max(...versions.map(one => one.version));
  await holdfast.control.call('startRollout', { params: { model: name }, body: { version, ...request } });
  return version;
}

async function latest(): Promise<RolloutDetail> {
  const [rollout] = await holdfast.control.call('listRollouts', { params: { model: name } });
  if (rollout === undefined) throw new Error('there was no rollout');
  return holdfast.control.call('readRollout', { params: { model: name, rollout: rollout.id } });
}

/** The latest rollout, once it is as wanted. */
function rolloutThat(isSo: (detail: RolloutDetail) => boolean): Promise<RolloutDetail> {
  return eventually(async () => {
    const detail = await latest();
    return isSo(detail) ? detail : undefined;
  });
}

const rolledBack = ({ rollout }: RolloutDetail): boolean => rollout.phase === 'rolled-back';

async function championNow(): Promise<number | undefined> {
  const { versions } = await holdfast.control.call('readModel', { params: { model: name } });
  return versions.find(({ aliases }) => aliases.includes(champion))?.version;
}

function up(): Promise<HoldfastProcess> {
  return HoldfastProcess.up(['--data', join(folder.path, 'data'), '--config', join(folder.path, 'holdfast.yaml')]);
}

beforeAll(async () => {
  writeFileSync(
    join(folder.path, 'holdfast.yaml'),
    JSON.stringify({ models: { [name]: { file: doubling, task: { kind: 'regression' }, rollout: { judge } } } }),
  );
  holdfast = await up();
});
afterEach(async () => {
  await load?.stop();
  load = undefined;
});
afterAll(async () => {
  await holdfast[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

test('a version that is as good is promoted by itself, step by step, and no request fails', async () => {
  load = new Load(1);
  await deploy(adding, '--canary', '20% 1s -> 50% 1s -> 100%');
  const { events } = await rolloutThat(({ rollout }) => rollout.phase === 'promoted');
  expect(events.map(({ phase, percent }) => [phase, percent])).toEqual([
    ['pending', 0],
    ['canary', 20],
    ['canary', 50],
    ['promoting', 50],
    ['promoted', 100],
  ]);
  expect(events.at(-1)?.actor).toBe('holdfast');
  expect(await championNow()).toBe(2);
  await load.stop();
  expect(load.answers.filter(({ status, x, y }) => status !== 200 || y !== 2 * x)).toEqual([]);
  expect((await ask(5)).version).toBe('2');
});

test('a version that fails requests is rolled back by itself', async () => {
  const before = await championNow();
  load = new Load(2);
  const version = await rollOut(failing, { plan: '50% 1h -> 100%' });
  const detail = await rolloutThat(rolledBack);
  expect(detail.events.find(({ phase }) => phase === 'rolling-back')?.reason).toMatch(
    /^Rolled back at once: \S+ % of \d+ requests to the new version failed\.$/,
  );
  await load.stop();
  const failed = load.answers.filter(({ status }) => status !== 200);
  expect(failed.length).toBeGreaterThanOrEqual(50);
  expect(await championNow()).toBe(before);
  const after = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(i + 1)));
  expect(after.filter(answer => answer.status !== 200 || answer.version === String(version))).toEqual([]);
});

test('copies for a shadow alter no answer, and a shadow that predicts otherwise is rolled back', async () => {
  load = new Load(3);
  const version = await rollOut(tripling, { plan: 'shadow 1h -> 100%' });
  const { rollout, events } = await rolloutThat(rolledBack);
  expect(rollout.challenger).toBe(version);
  const checks = events.find(({ phase }) => phase === 'rolling-back')?.checks ?? [];
  expect(checks.find(({ check }) => check === 'agreement')).toMatchObject({ outcome: 'fail', effect: 1 });
  await load.stop();
  expect(load.of(String(version))).toEqual([]);
  expect(load.answers.filter(({ status, x, y }) => status !== 200 || y !== 2 * x)).toEqual([]);
});

test('a version whose predictions are wrong is rolled back by the ground truth that arrives', async () => {
  load = new Load(4);
  // What is predicted shifts as well; here only the truth may speak.
  await rollOut(tripling, { plan: '50% 1h -> 100%', judge: { ...judge, outputs: { mode: 'off' } } });
  let told = 0;
  const detail = await eventually(async () => {
    const news = load?.answers.slice(told, told + 500) ?? [];
    told += news.length;
    await holdfast.feedback(
      name,
      news.map(({ id, x }) => ({ prediction_id: id, value: 2 * x })),
    );
    const now = await latest();
    return rolledBack(now) ? now : undefined;
  });
  const checks = detail.events.find(({ phase }) => phase === 'rolling-back')?.checks ?? [];
  expect(checks.filter(({ outcome }) => outcome === 'fail').map(({ check }) => check)).toEqual(['performance']);
});

test('control that is killed goes on with a rollout where it was, with the evidence that it had', async () => {
  load = new Load(5);
  const version = await rollOut(doublingAgain, { plan: '20% 1s -> 50% 1h -> 100%', judge: { ...judge, alpha: 0.2 } });
  const rowsOf = ({ rollout }: RolloutDetail): number =>
    rollout.decision?.checks.find(({ check }) => check === 'errors')?.challengerRows ?? 0;
  const before = await rolloutThat(detail => detail.rollout.step === 1 && rowsOf(detail) >= 100);
  await load.stop();
  holdfast.signal('SIGKILL');
  await holdfast.finished;
  holdfast = await up();
  const after = await rolloutThat(detail => rowsOf(detail) > 0);
  expect(after.rollout).toMatchObject({ id: before.rollout.id, challenger: version, phase: 'canary', percent: 50 });
  expect(after.rollout.stepStartedMs).toBe(before.rollout.stepStartedMs);
  expect(rowsOf(after)).toBeGreaterThanOrEqual(100);
  const versions = await Promise.all(Array.from({ length: 60 }, async (_, i) => (await ask(i + 1)).version));
  expect(new Set(versions).size).toBe(2);
  const { code } = await runCli('rollout', 'promote', name, '--server', holdfast.ready.consoleUrl);
  expect(code).toBe(0);
  expect(await championNow()).toBe(version);
});
