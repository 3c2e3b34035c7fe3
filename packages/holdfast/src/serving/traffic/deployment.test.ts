import type { Tensor } from '@holdfast/api';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeGateway } from '../fake-gateway.ts';
import { TestClient } from '../grpc/test-client.ts';
import type { RoutedDeployment } from '../routing.ts';

const row = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1], optional: false }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1], optional: false }],
} as const;
const signature = {
  inputs: [...row.inputs.map(one => ({ ...one, shape: [...one.shape] }))],
  outputs: [{ ...row.outputs[0], shape: [-1, 1] }],
};

/** Answers every row with the same number. */
const always = (value: number) => (inputs: readonly Tensor[]) => [
  { ...inputs[0]!, name: 'y', data: new Float32Array(inputs[0]!.shape[0]!).fill(value) },
];

let fake: FakeGateway;
beforeEach(async () => {
  fake = await FakeGateway.start({}, { hasGrpc: true });
});
afterEach(async () => {
  await fake[Symbol.asyncDispose]();
});

async function deploy(deployment: Partial<RoutedDeployment>, challenger = always(2)) {
  const one = fake.version(signature, always(1), { version: 1 });
  const two = fake.version(signature, challenger, { version: 2 });
  await fake.route({
    name: 'm',
    aliases: { champion: 1 },
    versions: [one, two].map(version => ({
      ...version,
      signature: {
        ...version.signature,
        columns: [
          { name: 'x', role: 'input' as const, tensor: 'x', index: 0, kind: 'numeric' as const, pii: false },
          { name: 'y', role: 'output' as const, tensor: 'y', index: 0, kind: 'numeric' as const, pii: false },
        ],
      },
    })),
    deployment: {
      release: 'r1',
      stage: 0,
      salt: '',
      sticky: undefined,
      challengers: [],
      shadows: [],
      rules: [],
      ...deployment,
    },
  });
  return { one: fake.runnerOf(one), two: fake.runnerOf(two) };
}

const body = (x = 1) => JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [x] }] });

async function versionFor(headers: Record<string, string> = {}, x = 1, path = '/v2/models/m/infer') {
  const reply = await fake.call(path, { body: body(x), headers });
  expect(reply.status).toBe(200);
  return Number(reply.headers['x-holdfast-version']);
}

test('a caller with a key stays on its version, and about the share of keys is on the challenger', async () => {
  await deploy({ challengers: [{ version: 2, weight: 3000 }] });
  const first = await Promise.all(Array.from({ length: 200 }, (_, i) => versionFor({ 'x-holdfast-key': `k${i}` })));
  const again = await Promise.all(Array.from({ length: 200 }, (_, i) => versionFor({ 'x-holdfast-key': `k${i}` })));
  expect(again).toEqual(first);
  const share = first.filter(version => version === 2).length;
  expect(share).toBeGreaterThan(30);
  expect(share).toBeLessThan(90);
});

test('an input keeps its version as well as a header does, in both protocols', async () => {
  await deploy({ sticky: { input: 'x' }, challengers: [{ version: 2, weight: 5000 }] });
  for (const x of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const version = await versionFor({}, x);
    const tfs = await fake.call('/v1/models/m:predict', { body: JSON.stringify({ instances: [[x]] }) });
    expect(tfs.status).toBe(200);
    expect(Number(tfs.headers['x-holdfast-version'])).toBe(version);
  }
});

test('callers by gRPC are dealt, pinned, sent by rules and counted like the others', async () => {
  await deploy({
    challengers: [{ version: 2, weight: 5000 }],
    rules: [{ version: 2, conditions: [{ input: 'x', range: [100, null] }] }],
  });
  const address = `127.0.0.1:${fake.gateway.grpcPort}`;
  using client = new TestClient(address, 'open_inference.proto', 'inference.GRPCInferenceService');
  const versionByGrpc = async (metadata: Record<string, string>, x = 1): Promise<number> => {
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 1] }];
    const raw = { model_name: 'm', inputs, raw_input_contents: [Buffer.from(Float32Array.of(x).buffer)] };
    return Number((await client.call('ModelInfer', raw, { metadata })).message.model_version);
  };
  const keys = Array.from({ length: 20 }, (_, i) => ({ 'x-holdfast-key': `k${i}` }));
  const byGrpc = await Promise.all(keys.map(key => versionByGrpc(key)));
  const counted = fake.gateway.takeArms().reduce((sum, { requests }) => sum + requests, 0);
  expect(byGrpc).toEqual(await Promise.all(keys.map(key => versionFor(key))));
  expect(new Set(byGrpc)).toEqual(new Set([1, 2]));
  expect(counted).toBe(keys.length);
  expect(await versionByGrpc({ 'x-holdfast-route': 'champion' })).toBe(1);
  expect(await versionByGrpc({}, 100)).toBe(2);
});

test('a request that names a version gets it, and testers are pinned by header', async () => {
  await deploy({ challengers: [{ version: 2, weight: 0 }] });
  expect(await versionFor({}, 1, '/v2/models/m/versions/2/infer')).toBe(2);
  expect(await versionFor({ 'x-holdfast-route': 'challenger' })).toBe(2);
  expect(await versionFor({ 'x-holdfast-route': '2' })).toBe(2);
  expect(await versionFor({ 'x-holdfast-route': 'champion' })).toBe(1);
  expect(await versionFor()).toBe(1);
  const unknown = await fake.call('/v2/models/m/infer', { body: body(), headers: { 'x-holdfast-route': 'nobody' } });
  expect(unknown.status).toBe(404);
});

test('rules decide by header and by input before shares do', async () => {
  await deploy({
    challengers: [],
    rules: [
      { version: 2, conditions: [{ header: 'X-Region', in: ['eu', 'uk'] }] },
      { version: 2, conditions: [{ input: 'x', range: [100, null] }] },
      {
        version: 2,
        conditions: [
          { input: 'x', equals: 7 },
          { header: 'x-plan', equals: 'gold' },
        ],
      },
    ],
  });
  expect(await versionFor({ 'x-region': 'eu' })).toBe(2);
  expect(await versionFor({ 'x-region': 'us' })).toBe(1);
  expect(await versionFor({}, 100)).toBe(2);
  expect(await versionFor({}, 99)).toBe(1);
  expect(await versionFor({ 'x-plan': 'gold' }, 7)).toBe(2);
  expect(await versionFor({}, 7)).toBe(1);
});

test('a challenger that is not ready gives its share back', async () => {
  const one = fake.version(signature, always(1), { version: 1 });
  const two = fake.version(signature, always(2), { version: 2, state: 'loading', sockets: [] });
  await fake.route({
    name: 'm',
    aliases: { champion: 1 },
    versions: [one, two],
    deployment: {
      release: 'r',
      stage: 0,
      salt: '',
      sticky: undefined,
      challengers: [{ version: 2, weight: 9000 }],
      shadows: [],
      rules: [],
    },
  });
  for (let i = 0; i < 10; i++) expect(await versionFor()).toBe(1);
});

test('records and numbers say role and release', async () => {
  await deploy({ challengers: [{ version: 2, weight: 10_000 }] });
  await fake.call('/v2/models/m/infer', { body: body(), headers: { 'x-holdfast-tags': 'site=a' } });
  expect(fake.sink.answers.at(-1)).toMatchObject({ version: 2, tags: 'role=challenger,release=r1,site=a' });
  const metrics = await fake.call('/metrics');
  expect(metrics.text).toContain('holdfast_arm_requests_total{model="m",version="2",role="challenger",release="r1"} 1');
  expect(fake.gateway.takeArms()).toMatchObject([
    { model: 'm', release: 'r1', stage: 0, version: 2, role: 'challenger', requests: 1, errors: 0, rows: 1 },
  ]);
  expect(fake.gateway.takeArms()).toEqual([]);
});

test('a shadow is copied, compared and recorded under the same id, and answers nobody', async () => {
  const { two } = await deploy({ shadows: [{ version: 2, weight: 10_000, tolerance: 0.05 }] });
  const reply = await fake.call('/v2/models/m/infer', { body: body() });
  expect(reply.json()).toMatchObject({ model_version: '1', outputs: [{ data: [1] }] });
  await expect.poll(() => fake.sink.answers.length).toBe(2);
  const [answer, copy] = fake.sink.answers;
  expect(copy).toMatchObject({ id: answer?.id, version: 2, tags: 'role=shadow,release=r1' });
  expect(two.batches).toHaveLength(1);
  const shadow = fake.gateway.takeArms().find(arm => arm.role === 'shadow');
  expect(shadow).toMatchObject({ requests: 1, copies: { dropped: 0, compared: 1, disagreed: 1 } });
});

test('a shadow that hangs holds nobody up: copies beyond the bound are dropped and counted', async () => {
  const { two } = await deploy({ shadows: [{ version: 2, weight: 10_000, tolerance: 0.05 }] });
  two.hold();
  for (let i = 0; i < 70; i++) expect(await versionFor()).toBe(1);
  await expect.poll(() => fake.gateway.takeArms().find(arm => arm.role === 'shadow')?.copies?.dropped).toBe(6);
  two.release();
});

test('a shadow that fails is counted and leaves the answers alone', async () => {
  const broken = () => {
    throw new Error('no');
  };
  await deploy({ shadows: [{ version: 2, weight: 10_000, tolerance: 0.05 }] }, broken);
  expect(await versionFor()).toBe(1);
  await expect
    .poll(() => fake.gateway.takeArms().find(arm => arm.role === 'shadow'))
    .toMatchObject({ requests: 1, errors: 1 });
});

test('outputs that are not numbers any more are counted', async () => {
  await deploy({ challengers: [{ version: 2, weight: 10_000 }] }, always(Number.NaN));
  // NaN has no JSON form in every client, so the tester asks for bytes.
  const asked = JSON.stringify({ ...JSON.parse(body()), parameters: { binary_data_output: true } });
  await fake.call('/v2/models/m/infer', { body: asked });
  expect(fake.gateway.takeArms()).toMatchObject([{ version: 2, nonFiniteRows: 1 }]);
});

const plain = { release: 'r', stage: 0, salt: '', sticky: undefined, challengers: [], shadows: [], rules: [] };

function sequenceBody(id: number, parameters: object = {}): string {
  const input = { name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] };
  return JSON.stringify({ parameters: { sequence_id: id, ...parameters }, inputs: [input] });
}

test('a sequence stays at the version of its first request, whatever the shares become', async () => {
  const sequences = { idleMs: 60_000, maximum: 100 };
  const versions = [1, 2].map(version => fake.version(signature, always(version), { version, sequences }));
  const route = (weight: number) =>
    fake.route({
      name: 'm',
      aliases: { champion: 1 },
      versions,
      deployment: { ...plain, challengers: [{ version: 2, weight }] },
    });
  const step = async (id: number, parameters?: object): Promise<number> => {
    const reply = await fake.call('/v2/models/m/infer', { body: sequenceBody(id, parameters) });
    expect(reply.status).toBe(200);
    return Number(reply.headers['x-holdfast-version']);
  };
  await route(5000);
  const ids = Array.from({ length: 20 }, (_, i) => i + 1);
  const first = await Promise.all(ids.map(id => step(id, { sequence_start: true })));
  expect(new Set(first)).toEqual(new Set([1, 2]));
  expect(await Promise.all(ids.map(id => step(id)))).toEqual(first);
  await route(100);
  expect(await Promise.all(ids.map(id => step(id, { sequence_end: true })))).toEqual(first);
});

test('a stateful version is no shadow', async () => {
  const sequences = { idleMs: 60_000, maximum: 100 };
  const versions = [1, 2].map(version => fake.version(signature, always(version), { version, sequences }));
  const shadows = [{ version: 2, weight: 10_000, tolerance: 0 }];
  await fake.route({ name: 'm', aliases: { champion: 1 }, versions, deployment: { ...plain, shadows } });
  const reply = await fake.call('/v2/models/m/infer', { body: sequenceBody(1, { sequence_start: true }) });
  expect(reply.status).toBe(200);
  const { text } = await fake.call('/metrics');
  expect(text).toContain('role="champion"');
  expect(text).not.toContain('role="shadow"');
});

test('a request whose body is still being read when its version is dropped is answered by the champion', async () => {
  const [one, two] = [1, 2].map(version => fake.version(signature, always(version), { version }));
  const rules = [{ version: 2, conditions: [{ input: 'x', equals: 1 }] }];
  const model = { name: 'm', aliases: { champion: 1 } };
  await fake.route({ ...model, versions: [one!, two!], deployment: { ...plain, rules } });
  // Beyond a mebibyte of JSON it is read in a thread.
  const asked = fake.call('/v2/models/m/infer', { body: body().padEnd(1_100_000) });
  await expect
    .poll(() => fake.gateway.report().find(({ version }) => version === 1)?.inFlight, { interval: 1 })
    .toBe(1);
  await fake.route({ ...model, versions: [one!] });
  expect((await asked).status).toBe(200);
});

test('a shadow that was dropped while the champion answered gets no copy', async () => {
  await using own = await FakeGateway.start({ requestTimeout: 100 });
  const [one, two] = [1, 2].map(version => own.version(signature, always(version), { version }));
  const model = { name: 'm', aliases: { champion: 1 } };
  const shadows = [{ version: 2, weight: 10_000, tolerance: 0 }];
  await own.route({ ...model, versions: [one!, two!], deployment: { ...plain, shadows } });
  const champion = own.runnerOf(one!);
  champion.hold();
  const asked = own.call('/v2/models/m/infer', { body: body() });
  await expect.poll(() => champion.batches.length, { interval: 1 }).toBe(1);
  await own.route({ ...model, versions: [one!] });
  champion.release();
  expect((await asked).status).toBe(200);
  champion.hold();
  // The deadline of a copy would be before the one of this request.
  expect((await own.call('/v2/models/m/infer', { body: body() })).status).toBe(504);
  expect(own.sink.failures.map(({ version }) => version)).toEqual([1]);
});

test('a remembered answer counts as a request, and not in the latencies that versions are compared by', async () => {
  const cache = { bytes: 1_000_000, maximumAgeMs: 60_000 };
  const versions = [1, 2].map(version => fake.version(signature, always(version), { version, cache }));
  const challengers = [{ version: 2, weight: 10_000 }];
  await fake.route({ name: 'm', aliases: { champion: 1 }, versions, deployment: { ...plain, challengers } });
  expect([await versionFor(), await versionFor()]).toEqual([2, 2]);
  const [arm] = fake.gateway.takeArms();
  expect(arm).toMatchObject({ requests: 2, rows: 2 });
  expect(arm?.latency.reduce((sum, [, count]) => sum + count, 0)).toBe(1);
});
