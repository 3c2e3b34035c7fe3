import { expect, test, vi } from 'vitest';
import { addition, addModel, FakeGateway } from '../fake-gateway.ts';
import type { FakeRunner } from '../fake-runner.ts';
import { TestClient } from '../grpc/test-client.ts';

const sequences = { idleMs: 60_000, maximum: 10 };

/** What each run said of its sequence. */
function stepsOf(runner: FakeRunner): unknown[] {
  const steps: unknown[] = [];
  const run = runner.run.bind(runner);
  const spied: (inputs: Parameters<typeof run>[0], options?: { readonly step?: unknown }) => ReturnType<typeof run> = (
    inputs,
    options,
  ) => {
    steps.push(options?.step);
    return run(inputs);
  };
  vi.spyOn(runner, 'run').mockImplementation(spied);
  return steps;
}

function bodyWith(parameters: object): string {
  const input = (name: string): object => ({ name, datatype: 'FP32', shape: [1, 2], data: [1, 2] });
  return JSON.stringify({ parameters, inputs: [input('a'), input('b')] });
}

test('gRPC and REST name the same sequence by number, and by text', async () => {
  await using fake = await FakeGateway.start({}, { hasGrpc: true });
  const runner = await fake.serve('add', fake.version(addition, addModel, { sequences }));
  const steps = stepsOf(runner);
  using client = new TestClient(
    `127.0.0.1:${fake.gateway.grpcPort}`,
    'open_inference.proto',
    'inference.GRPCInferenceService',
  );
  const overGrpc = (parameters: object): Promise<unknown> => {
    const inputs = ['a', 'b'].map(name => ({
      name,
      datatype: 'FP32',
      shape: [1, 2],
      contents: { fp32_contents: [1, 2] },
    }));
    return client.call('ModelInfer', { model_name: 'add', inputs, parameters });
  };
  const overRest = (parameters: object) => fake.call('/v2/models/add/infer', { body: bodyWith(parameters) });
  await overGrpc({ sequence_id: { uint64_param: 7 }, sequence_start: { bool_param: true } });
  expect((await overRest({ sequence_id: 7 })).status).toBe(200);
  await overGrpc({ sequence_id: { string_param: 'seven' }, sequence_start: { bool_param: true } });
  expect((await overRest({ sequence_id: 'seven', sequence_end: true })).status).toBe(200);
  expect(steps).toMatchObject([
    { slot: 1, isStart: true, isEnd: false },
    { slot: 1, isStart: false, isEnd: false },
    { slot: 2, isStart: true, isEnd: false },
    { slot: 2, isStart: false, isEnd: true },
  ]);
});

test.each([
  [{ sequence_id: -1, sequence_start: true }, "Unable to parse 'sequence_id'"],
  [{ sequence_id: 1, sequence_start: 'yes' }, "Unable to parse 'sequence_start'"],
  [{ sequence_id: 'x'.repeat(129), sequence_start: true }, 'sequence_id has 129 characters'],
])('%j is refused', async (parameters, text) => {
  await using fake = await FakeGateway.start();
  await fake.serve('add', fake.version(addition, addModel, { sequences }));
  const reply = await fake.call('/v2/models/add/infer', { body: bodyWith(parameters) });
  expect([reply.status, reply.text]).toEqual([400, expect.stringContaining(text)]);
});

test('all steps of a sequence go to the runner of the first, in order, though another is free', async () => {
  await using fake = await FakeGateway.start();
  const [one, other] = [fake.version(addition, addModel), fake.version(addition, addModel)];
  const sockets = [...one.sockets, ...other.sockets];
  await fake.serve('add', { ...one, sockets, sequences });
  const [first, second] = [fake.runnerOf(one), fake.runnerOf(other)];
  const send = (parameters: object) => fake.call('/v2/models/add/infer', { body: bodyWith(parameters) });
  await send({ sequence_id: 1, sequence_start: true });
  first.hold();
  const steps = [send({ sequence_id: 1 }), send({ sequence_id: 1 }), send({ sequence_id: 1, sequence_end: true })];
  await vi.waitUntil(() => first.batches.length === 2, { timeout: 5000, interval: 2 });
  expect((await send({ sequence_id: 2, sequence_start: true })).status).toBe(200);
  expect([first.batches.length, second.batches.length]).toEqual([2, 1]);
  first.release();
  expect((await Promise.all(steps)).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect([first.batches.length, second.batches.length]).toEqual([4, 1]);
});
