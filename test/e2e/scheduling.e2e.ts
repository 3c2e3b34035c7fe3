import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually, HoldfastProcess, runCli, temporaryFolder } from './holdfast-process.ts';

const fixtures = fileURLToPath(new URL('../../packages/holdfast/src/runtime/fixtures', import.meta.url));
const folder = temporaryFolder();
let holdfast: HoldfastProcess;

const batching = { maximumRows: 1, queueRows: 8, priorityLevels: 2, defaultPriority: 2 };
const states = [{ output: 'sum_out', input: 'sum_in' }];

beforeAll(async () => {
  const config = join(folder.path, 'holdfast.yaml');
  const models = {
    slow: { file: join(fixtures, 'slow.onnx'), batching },
    net: { file: join(fixtures, 'mlp-30-64-1.onnx'), cache: { bytes: 1_000_000 } },
    sum: { file: join(fixtures, 'running-sum.onnx'), sequences: { states }, runner: { instances: 2 } },
  };
  // A process may take long to be replaced on a busy machine; whoever waits for it shall not run into the deadline.
  writeFileSync(config, JSON.stringify({ models, limits: { requestTimeout: '100s' } }));
  holdfast = await HoldfastProcess.up(['--config', config, '--data', join(folder.path, 'data')]);
});

afterAll(async () => {
  await holdfast[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function column(data: readonly number[], parameters: object = {}): object {
  return { parameters, inputs: [{ name: 'x', datatype: 'FP32', shape: [data.length, 1], data }] };
}

async function metrics(): Promise<string> {
  return (await fetch(`${holdfast.ready.inferenceUrl}/metrics`)).text();
}

const answerSchema = z.object({ outputs: z.array(z.object({ name: z.string(), data: z.array(z.number()) })) });

test('urgent requests overtake those that wait, and take their place when the queue is full', async () => {
  const finished: string[] = [];
  const send = async (name: string, priority: number): Promise<readonly [string, number, unknown]> => {
    const response = await holdfast.infer('slow', column([1], { priority }));
    const body: unknown = await response.json();
    if (response.ok) finished.push(name);
    return [name, response.status, body];
  };
  const usual = Array.from({ length: 10 }, (_, i) => send(`usual ${i}`, 0));
  // The first refusal says that the queue is full.
  const refused = await Promise.race(
    usual.map(async one => ((await one)[1] === 503 ? await one : new Promise<never>(() => {}))),
  );
  expect(refused.slice(1)).toEqual([503, { error: 'Exceeds maximum queue size' }]);
  const urgent = send('urgent', 1);
  const outcomes = await Promise.all([...usual, urgent]);
  expect((await urgent)[1]).toBe(200);
  expect(outcomes.filter(([, status]) => status === 503)).toHaveLength(2);
  expect(finished.indexOf('urgent')).toBeLessThan(finished.length - 3);
});

test('an answer that was given before comes from memory, is no inference, and is recorded', async () => {
  const body = {
    inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 30], data: new Array<number>(30).fill(0.5) }],
  };
  const answers: unknown[] = [];
  for (let i = 0; i < 3; i++) {
    const response = await holdfast.infer('net', body);
    answers.push(answerSchema.parse(await response.json()).outputs);
  }
  expect(answers).toEqual([answers[0], answers[0], answers[0]]);
  const shown = await metrics();
  expect(shown).toContain('nv_cache_num_hits_per_model{model="net",version="1"} 2\n');
  expect(shown).toContain('nv_inference_count{model="net",version="1"} 1\n');
  expect(shown).toContain('nv_inference_request_success{model="net",version="1"} 3\n');
});

test('each sequence goes on from its own state, wherever its runner is, and clients never see the state', async () => {
  const step = async (id: number | string, values: readonly number[], flags: object = {}): Promise<unknown> => {
    const response = await holdfast.infer('sum', column(values, { sequence_id: id, ...flags }));
    const body: unknown = await response.json();
    return response.ok ? answerSchema.parse(body).outputs : body;
  };
  const sum = (...data: readonly number[]): object => [{ name: 'sum', data }];
  const start = { sequence_start: true };
  for (let i = 1; i <= 8; i++) expect(await step(i, [i, 0.5], start)).toEqual(sum(i, 0.5));
  expect(await step('a', [100], start)).toEqual(sum(100));
  const seconds = await Promise.all(Array.from({ length: 8 }, (_, i) => step(i + 1, [10, 0.5])));
  expect(seconds).toEqual(Array.from({ length: 8 }, (_, i) => sum(i + 11, 1)));
  expect(await step('a', [1], { sequence_end: true })).toEqual(sum(101));
  expect(await step('a', [1])).toEqual({
    error:
      "inference request for sequence a to model 'sum' must specify the START flag on the first request of the sequence",
  });
  const anonymous = await holdfast.infer('sum', column([1]));
  expect([anonymous.status, await anonymous.json()]).toEqual([
    400,
    { error: "inference request to model 'sum' must specify a non-zero or non-empty correlation ID" },
  ]);
  const metadata = await (await fetch(`${holdfast.ready.inferenceUrl}/v2/models/sum`)).json();
  expect(metadata).toMatchObject({ inputs: [{ name: 'x' }], outputs: [{ name: 'sum' }] });
});

const lostSchema = z.object({ error: z.string().regex(/^The process that runs "\w+" stopped .*; retry\.$/) });

/** Asks until a process answers; until then the only answer may be that it was lost and that the caller should retry. */
async function onceReplaced(send: () => Promise<Response>): Promise<{ status: number; body: unknown }> {
  return eventually(async () => {
    const response = await send();
    const body: unknown = await response.json();
    if (response.status !== 503) return { status: response.status, body };
    lostSchema.parse(body);
    expect(response.headers.get('retry-after')).toBe('1');
    return undefined;
  });
}

async function killRunnersOf(model: string): Promise<void> {
  const { processes } = await holdfast.control.call('status', {});
  const victims = processes.filter(({ name }) => name.startsWith(`runner ${model}/`));
  expect(victims).not.toEqual([]);
  for (const { pid } of victims) process.kill(pid, 'SIGKILL');
}

test('a process that is killed costs its callers at most a retry', async () => {
  const callers = Array.from({ length: 6 }, () => onceReplaced(() => holdfast.infer('slow', column([1]))));
  await killRunnersOf('slow');
  expect((await Promise.all(callers)).map(({ status }) => status)).toEqual(new Array(6).fill(200));
});

test('a state whose process was killed is gone, and the caller is told to start anew', async () => {
  const send = (flags: object) => holdfast.infer('sum', column([1], { sequence_id: 'killed', ...flags }));
  expect((await send({ sequence_start: true })).status).toBe(200);
  await killRunnersOf('sum');
  expect(await onceReplaced(() => send({}))).toMatchObject({
    status: 400,
    body: { error: expect.stringContaining('must specify the START flag') },
  });
  expect((await onceReplaced(() => send({ sequence_start: true }))).status).toBe(200);
});

test('work at the same time goes to both instances, and each is counted', async () => {
  const isCounted = (shown: string, instance: number): boolean =>
    new RegExp(`holdfast_runner_batches_total\\{model="sum",version="1",instance="${instance}"\\} [1-9]`).test(shown);
  let round = 0;
  await eventually(async () => {
    round++;
    const flags = { sequence_start: true, sequence_end: true };
    await Promise.all(
      Array.from({ length: 32 }, (_, i) =>
        holdfast.infer('sum', column([1], { sequence_id: `${round}-${i}`, ...flags })),
      ),
    );
    const shown = await metrics();
    return isCounted(shown, 1) && isCounted(shown, 2) ? true : undefined;
  });
});

test('an execution provider that the runtime was built without is refused by name, with those it has', async () => {
  const config = join(folder.path, 'cuda.yaml');
  const models = { net: { file: join(fixtures, 'mlp-30-64-1.onnx'), runner: { executionProviders: ['abacus'] } } };
  writeFileSync(config, JSON.stringify({ models }));
  const data = join(folder.path, 'cuda');
  await using other = await HoldfastProcess.up(['--config', config, '--data', data]);
  expect(other.ready.problems).toEqual([
    { model: 'net', why: expect.stringMatching(/no execution provider "abacus"; it has cpu/) },
  ]);
  expect((await runCli('status', '--data', data)).code).toBe(0);
});
