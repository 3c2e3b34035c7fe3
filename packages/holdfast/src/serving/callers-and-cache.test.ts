import { expect, test } from 'vitest';
import { callersSchema } from '../config/index.ts';
import { addition, addModel, FakeGateway } from './fake-gateway.ts';

const body = (value: number): string =>
  JSON.stringify({
    inputs: [
      { name: 'a', datatype: 'FP32', shape: [1, 2], data: [value, 2] },
      { name: 'b', datatype: 'FP32', shape: [1, 2], data: [10, 20] },
    ],
  });
const path = '/v2/models/add/infer';
const cache = { bytes: 100_000, maximumAgeMs: 60_000 };

const answerOf = (data: number[]) => [200, expect.objectContaining({ outputs: [expect.objectContaining({ data })] })];

async function outputOf(fake: FakeGateway, value: number, version = ''): Promise<unknown> {
  const reply = await fake.call(`/v2/models/add${version}/infer`, { body: body(value) });
  return [reply.status, reply.json()];
}

test('a caller beyond its allowance is told 429 with Retry-After; the others are answered', async () => {
  const callers = callersSchema.parse({ header: 'x-api-key', requestsPerSecond: 0.001, burst: 1 });
  await using fake = await FakeGateway.start({ callers });
  await fake.serve('add', fake.version(addition, addModel));
  const call = (key: string) => fake.call(path, { body: body(1), headers: { 'x-api-key': key } });
  expect((await call('a')).status).toBe(200);
  const limited = await call('a');
  expect([limited.status, Number(limited.headers['retry-after']) >= 1000]).toEqual([429, true]);
  expect((await call('b')).status).toBe(200);
  const metrics = fake.metrics.render();
  expect(metrics).toContain('holdfast_caller_requests_total{caller="other",outcome="limited"} 1');
  expect(metrics).toContain('holdfast_refusals_total{code="rate_limited"} 1');
});

test('a remembered answer is recorded and counted as a hit, and is no inference', async () => {
  await using fake = await FakeGateway.start();
  const runner = await fake.serve('add', fake.version(addition, addModel, { cache }));
  const answers = [await outputOf(fake, 1), await outputOf(fake, 1), await outputOf(fake, 2)];
  expect(answers).toEqual([answerOf([11, 22]), answerOf([11, 22]), answerOf([12, 22])]);
  expect(runner.batches).toHaveLength(2);
  expect(fake.sink.answers).toHaveLength(3);
  const metrics = fake.metrics.render();
  for (const [name, value] of [
    ['nv_inference_request_success', 3],
    ['nv_inference_count', 2],
    ['nv_inference_exec_count', 2],
    ['nv_cache_num_hits_per_model', 1],
    ['nv_cache_num_misses_per_model', 2],
  ] as const) {
    expect(metrics).toContain(`${name}{model="add",version="1"} ${value}\n`);
  }
  const [statistics] = fake.gateway.statistics();
  expect([statistics!.inferenceCount, statistics!.success.count, statistics!.cacheHit.count]).toEqual([2, 3, 1]);
});

test('a version never answers from the memory of another', async () => {
  await using fake = await FakeGateway.start();
  const first = fake.version(addition, addModel, { cache });
  const second = fake.version(addition, inputs => [{ ...inputs[0]!, name: 'sum' }], { cache, version: 2 });
  await fake.route({ name: 'add', aliases: { champion: 1 }, versions: [first, second] });
  expect(await outputOf(fake, 1, '/versions/1')).toEqual(answerOf([11, 22]));
  expect(await outputOf(fake, 1, '/versions/2')).toEqual(answerOf([1, 2]));
  await fake.route({ name: 'add', aliases: { champion: 2 }, versions: [first, second] });
  expect(await outputOf(fake, 1)).toEqual(answerOf([1, 2]));
});
