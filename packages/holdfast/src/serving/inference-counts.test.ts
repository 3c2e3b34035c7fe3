import { ensembleSchema, fault } from '@holdfast/api';
import { expect, test } from 'vitest';
import { addition, addModel, FakeGateway, type FakeReply } from './fake-gateway.ts';

/** Each row is [value, value] in both inputs, so that equal values are equal requests. */
function infer(fake: FakeGateway, model: string, rows: number, value: number): Promise<FakeReply> {
  const inputs = ['a', 'b'].map(name => ({
    name,
    datatype: 'FP32',
    shape: [rows, 2],
    data: new Array(2 * rows).fill(value),
  }));
  return fake.call(`/v2/models/${model}/infer`, { body: JSON.stringify({ inputs }) });
}

async function countsOf(fake: FakeGateway, model: string): Promise<Record<string, number>> {
  const { text } = await fake.call('/metrics');
  const counts = text.matchAll(/^nv_(?:inference_)?(\w+)\{model="([\w-]+)",version="1"(?:,reason="(\w+)")?\} (\d+)$/gm);
  return Object.fromEntries(
    [...counts]
      .filter(([, name, of, , value]) => of === model && !name?.includes('duration') && value !== '0')
      .map(([, name, , reason, value]) => [reason === undefined ? name : `${name} ${reason}`, Number(value)]),
  );
}

test('a batch is one execution of all its rows, and each request in it is one success', async () => {
  await using fake = await FakeGateway.start();
  const runner = await fake.serve('add', fake.version(addition, addModel));
  runner.hold();
  const first = infer(fake, 'add', 1, 0);
  await expect.poll(() => runner.batches.length).toBe(1);
  const waiting = Array.from({ length: 5 }, (_, i) => infer(fake, 'add', 3, i));
  await expect.poll(() => fake.gateway.report()[0]?.inFlight).toBe(6);
  runner.release();
  for (const reply of [await first, ...(await Promise.all(waiting))]) expect(reply.status).toBe(200);
  expect(runner.batches).toHaveLength(2);
  expect(await countsOf(fake, 'add')).toEqual({ request_success: 6, count: 16, exec_count: 2 });
});

test('a failure counts as a request under its reason, and as no inference', async () => {
  await using fake = await FakeGateway.start();
  const throwing = (): never => {
    throw fault('inference_failed', 'no');
  };
  await fake.serve('add', fake.version(addition, throwing));
  expect((await infer(fake, 'add', 2, 1)).status).toBe(500);
  expect((await fake.call('/v2/models/add/infer', { body: '{"inputs":[]}' })).status).toBe(400);
  const counts = await countsOf(fake, 'add');
  expect(counts).toMatchObject({ 'request_failure BACKEND': 1, 'request_failure REJECTED': 1 });
  expect(counts).not.toHaveProperty('request_success');
  expect(counts).not.toHaveProperty('count');
});

test('an ensemble counts its requests and rows, each part its own, and what a part remembers is no execution', async () => {
  await using fake = await FakeGateway.start();
  const cache = { bytes: 100_000, maximumAgeMs: 60_000 };
  const steps = [
    { model: 'first', inputs: { a: 'a', b: 'b' }, outputs: { sum: 'middle' } },
    { model: 'second', inputs: { a: 'middle', b: 'b' }, outputs: { sum: 'sum' } },
  ];
  const whole = fake.version(addition, () => [], { sockets: [], ensemble: ensembleSchema.parse({ steps }) });
  const aliases = { champion: 1 };
  await fake.route(
    { name: 'first', aliases, versions: [fake.version(addition, addModel, { cache })] },
    { name: 'second', aliases, versions: [fake.version(addition, addModel)] },
    { name: 'whole', aliases, versions: [whole] },
  );
  for (const value of [1, 1, 2]) expect((await infer(fake, 'whole', 4, value)).status).toBe(200);
  expect(await countsOf(fake, 'whole')).toEqual({ request_success: 3, count: 12, exec_count: 3 });
  expect(await countsOf(fake, 'second')).toEqual({ request_success: 3, count: 12, exec_count: 3 });
  expect(await countsOf(fake, 'first')).toEqual({
    request_success: 3,
    count: 8,
    exec_count: 2,
    cache_num_hits_per_model: 1,
    cache_num_misses_per_model: 2,
  });
});
