import { type Datatype, ensembleSchema, type Tensor, type TensorSpec } from '@holdfast/api';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeGateway } from '../fake-gateway.ts';
import type { FakeModel } from '../fake-runner.ts';
import type { RoutedModel } from '../routing.ts';

let fake: FakeGateway;
beforeEach(async () => {
  fake = await FakeGateway.start();
});
afterEach(async () => {
  await fake[Symbol.asyncDispose]();
});

function spec(name: string, datatype: Datatype = 'FP32'): TensorSpec {
  return { name, datatype, shape: [-1, 1], optional: false };
}

/** x -> y: what `change` makes of each number. */
function mapping(change: (value: number) => number): FakeModel {
  return inputs =>
    inputs.map(({ data, ...x }) => ({ ...x, name: 'y', data: Float32Array.from(data as Float32Array, change) }));
}
const one = { inputs: [spec('x')], outputs: [spec('y')] };

function model(name: string, change: (value: number) => number, version = 1): RoutedModel {
  return { name, aliases: { champion: version }, versions: [fake.version(one, mapping(change), { version })] };
}

function ensemble(inputs: readonly string[], outputs: readonly string[], steps: readonly object[]): RoutedModel {
  const signature = { inputs: inputs.map(name => spec(name)), outputs: outputs.map(name => spec(name)) };
  const routed = fake.version(signature, () => [], { sockets: [], ensemble: ensembleSchema.parse({ steps }) });
  return { name: 'both', aliases: { champion: 1 }, versions: [routed] };
}

async function infer(values: readonly number[], name = 'both') {
  const input = { name: 'raw', datatype: 'FP32', shape: [values.length, 1], data: values };
  const { status, text } = await fake.call(`/v2/models/${name}/infer`, { body: JSON.stringify({ inputs: [input] }) });
  const body: { outputs?: readonly Tensor[]; error?: string } = JSON.parse(text);
  return { status, error: body.error, outputs: body.outputs?.map(({ name: output, data }) => [output, data]) };
}

const sequence = [
  { model: 'double', inputs: { x: 'raw' }, outputs: { y: 'middle' } },
  { model: 'next', inputs: { x: 'middle' }, outputs: { y: 'out' } },
];

test('a sequence hands tensors on, with one record of the whole that names its parts, and counts of each', async () => {
  await fake.route(
    model('double', x => 2 * x),
    model('next', x => x + 1, 4),
    ensemble(['raw'], ['out'], sequence),
  );
  expect(await infer([1, 5])).toMatchObject({ status: 200, outputs: [['out', [3, 11]]] });
  expect(fake.sink.answers).toHaveLength(1);
  expect(fake.sink.answers[0]).toMatchObject({ model: 'both', rows: 2, tags: 'parts=double/1+next/4' });
  const counts = fake.gateway
    .statistics()
    .map(each => [each.model, each.inferenceCount, each.executionCount, each.success.count]);
  expect(counts.sort()).toEqual([
    ['both', 2, 1, 1],
    ['double', 2, 1, 1],
    ['next', 2, 1, 1],
  ]);
});

test('an ensemble that was only known to be loading answers once it is', async () => {
  const parts = [model('double', x => 2 * x), model('next', x => x + 1)];
  const both = ensemble(['raw'], ['out'], sequence);
  const { ensemble: _, ...loading } = { ...both.versions[0]!, state: 'loading' as const };
  await fake.route(...parts, { ...both, versions: [loading] });
  expect((await infer([1])).status).toBe(503);
  await fake.route(...parts, both);
  expect(await infer([1])).toMatchObject({ status: 200, outputs: [['out', [3]]] });
});

test('how long a caller would have its request wait holds for the queue of each part', async () => {
  const double = fake.version(
    one,
    mapping(x => 2 * x),
  );
  const next = model('next', x => x + 1);
  await fake.route(
    { name: 'double', aliases: { champion: 1 }, versions: [double] },
    next,
    ensemble(['raw'], ['out'], sequence),
  );
  const runner = fake.runnerOf(double);
  runner.hold();
  const running = infer([1]);
  await expect.poll(() => runner.batches.length).toBe(1);
  const input = { name: 'raw', datatype: 'FP32', shape: [1, 1], data: [2] };
  const body = JSON.stringify({ inputs: [input], parameters: { timeout: 1000 } });
  const { status, text } = await fake.call('/v2/models/both/infer', { body });
  expect([status, text]).toEqual([503, '{"error":"Request timeout expired"}']);
  runner.release();
  expect((await running).status).toBe(200);
});

test('steps that need nothing of each other run at the same time', async () => {
  const [left, right] = [model('left', x => -x), model('right', x => x / 2)];
  const steps = [
    { model: 'left', inputs: { x: 'raw' }, outputs: { y: 'a' } },
    { model: 'right', inputs: { x: 'raw' }, outputs: { y: 'b' } },
  ];
  await fake.route(left, right, ensemble(['raw'], ['a', 'b'], steps));
  const [first, second] = [left, right].map(({ versions }) => fake.runnerOf(versions[0]!));
  first!.hold();
  second!.hold();
  const answer = infer([4]);
  await expect.poll(() => [first!.batches.length, second!.batches.length]).toEqual([1, 1]);
  first!.release();
  second!.release();
  expect((await answer).outputs).toEqual([
    ['a', [-4]],
    ['b', [2]],
  ]);
});

test('a switch sends each row to the step whose condition holds, and the rest to the last', async () => {
  const [small, large] = [model('small', x => x + 0.5), model('large', x => 1000 * x)];
  const steps = [
    { model: 'small', inputs: { x: 'raw' }, outputs: { y: 'out' }, when: { tensor: 'raw', below: 10 } },
    { model: 'large', inputs: { x: 'raw' }, outputs: { y: 'out' } },
  ];
  await fake.route(small, large, ensemble(['raw'], ['out'], steps));
  expect((await infer([1, 20, 2, 30])).outputs).toEqual([['out', [1.5, 20_000, 2.5, 30_000]]]);
  expect(fake.runnerOf(large.versions[0]!).batches[0]?.[0]?.shape).toEqual([2, 1]);
  await infer([3]);
  expect(fake.runnerOf(large.versions[0]!).batches).toHaveLength(1);
  expect(fake.sink.answers.at(-1)?.tags).toBe('parts=small/1');
});

test('a step that finds nothing leaves nothing to ask the next step, which answers empty', async () => {
  const found: FakeModel = () => [{ name: 'y', datatype: 'FP32', shape: [0, 1], data: new Float32Array(0) }];
  const find = { name: 'find', aliases: { champion: 1 }, versions: [fake.version(one, found, { version: 1 })] };
  const rank = model('rank', x => x);
  await fake.route(
    find,
    rank,
    ensemble(
      ['raw'],
      ['out'],
      [
        { model: 'find', inputs: { x: 'raw' }, outputs: { y: 'middle' } },
        { model: 'rank', inputs: { x: 'middle' }, outputs: { y: 'out' } },
      ],
    ),
  );
  expect(await infer([1, 5])).toMatchObject({ status: 200, outputs: [['out', []]] });
  expect(fake.runnerOf(rank.versions[0]!).batches).toEqual([]);
});

test('a row that no condition covers is an error that names the tensor', async () => {
  const steps = [{ model: 'small', inputs: { x: 'raw' }, outputs: { y: 'out' }, when: { tensor: 'raw', in: [1, 2] } }];
  await fake.route(
    model('small', x => x),
    ensemble(['raw'], ['out'], steps),
  );
  expect((await infer([2])).status).toBe(200);
  expect(await infer([2, 7])).toMatchObject({
    status: 500,
    error: expect.stringContaining('"out" of "both" is given by no step for row 1'),
  });
});

test('an alias of a part is followed, a number is not', async () => {
  const steps = [
    { model: 'double', inputs: { x: 'raw' }, outputs: { y: 'a' } },
    { model: 'double', version: 1, inputs: { x: 'raw' }, outputs: { y: 'b' } },
  ];
  const both = ensemble(['raw'], ['a', 'b'], steps);
  const versions = [
    fake.version(
      one,
      mapping(x => 2 * x),
    ),
    fake.version(
      one,
      mapping(x => 3 * x),
      { version: 2 },
    ),
  ];
  await fake.route({ name: 'double', aliases: { champion: 1 }, versions }, both);
  expect((await infer([1])).outputs).toEqual([
    ['a', [2]],
    ['b', [2]],
  ]);
  await fake.route({ name: 'double', aliases: { champion: 2 }, versions }, both);
  expect((await infer([1])).outputs).toEqual([
    ['a', [3]],
    ['b', [2]],
  ]);
});

test('a part that is not there is named, and the failure of a part fails the whole and counts at both', async () => {
  const broken = model('double', x => x);
  await fake.route(broken, ensemble(['raw'], ['out'], sequence));
  expect(await infer([1])).toMatchObject({
    status: 503,
    error: 'Step 2 of "both" needs "next" (champion), which is not ready to serve.',
  });
  await fake.route(
    broken,
    model('next', x => x),
    ensemble(['raw'], ['out'], sequence),
  );
  fake.runnerOf(broken.versions[0]!).lose();
  expect((await infer([1])).status).toBe(503);
  const failures = fake.gateway.statistics().map(({ model: name, fail }) => [name, fail.count]);
  expect(failures.sort()).toEqual([
    ['both', 2],
    ['double', 1],
    ['next', 0],
  ]);
});
