import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Datatype, datatypes, elementBytes, type Signature } from '@holdfast/api';
import { inspectModel } from '@holdfast/onnx';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { fixturePath, fixtureSignature, fixtureTarget } from '../runtime/fixtures/targets.ts';
import { connectRunner, type RunnerPool, type RunnerTarget, startRunnerPool } from '../runtime/index.ts';
import { MetricRegistry } from '../telemetry/index.ts';
import { FakeSink } from './fake-sink.ts';
import { createPredictionIds, type Gateway, type RoutedModel, startGateway, systemClock } from './index.ts';

const flightModel = join(import.meta.dirname, '../../../../examples/flight-delay/model.onnx');
const log = pino({ level: 'silent' });
const sink = new FakeSink();
let folder: string;
let pool: RunnerPool;
let gateway: Gateway;
let generation = 0;
const routed: RoutedModel[] = [];

async function serve(target: RunnerTarget): Promise<void> {
  const sockets = await pool.start(target, 1);
  const { model: name, version, signature, hangTimeoutMs } = target;
  const batching = { maximumRows: 64, maximumDelayMs: 0, queueRows: 1000 };
  routed.push({
    name,
    aliases: { champion: version },
    versions: [{ version, state: 'ready', reason: undefined, signature, sockets, batching, hangTimeoutMs }],
  });
  await gateway.applyRouting({ generation: ++generation, models: routed });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-wire-'));
  pool = startRunnerPool({ runDirectory: folder, log });
  gateway = await startGateway({
    host: '127.0.0.1',
    port: 0,
    limits: { bodyBytes: 67_108_864, requestTimeout: 10_000, connections: 1000 },
    sink,
    labels: sink,
    connect: (socket, options) => connectRunner(socket, options),
    metrics: new MetricRegistry(),
    ids: createPredictionIds({ instance: 1, clock: systemClock }),
    log,
  });
});
afterAll(async () => {
  await gateway.drain();
  await pool[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function infer(model: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<Response> {
  const bytes = typeof body === 'string' ? body : new Uint8Array(body);
  return fetch(`http://127.0.0.1:${gateway.port}/v2/models/${model}/infer`, { method: 'POST', body: bytes, headers });
}

/** Elements as JSON, at the ends of each type's range. */
const extremes: Readonly<Record<Exclude<Datatype, 'FP16'>, string>> = {
  BOOL: 'true,false,false,true',
  UINT8: '0,1,254,255',
  UINT16: '0,1,65534,65535',
  UINT32: '0,1,4294967294,4294967295',
  UINT64: '0,1,9007199254740993,18446744073709551615',
  INT8: '-128,-1,0,127',
  INT16: '-32768,-1,0,32767',
  INT32: '-2147483648,-1,0,2147483647',
  INT64: '-9223372036854775808,-1,9007199254740993,9223372036854775807',
  FP32: 'NaN,Infinity,-Infinity,0.1',
  FP64: 'NaN,-1.7976931348623157e+308,5e-324,0.1',
  BYTES: '"","a","é\\n","日本"',
};

test.each(datatypes)('%s goes through a real model and back unchanged, as JSON and as bytes', async datatype => {
  const model = `identity-${datatype.toLowerCase()}`;
  await serve(
    fixtureTarget('mlp-30-64-1', {
      model,
      modelPath: fixturePath(model),
      signature: fixtureSignature('x', 'y', 2, datatype),
    }),
  );
  if (datatype !== 'FP16') {
    const request = `{"inputs":[{"name":"x","shape":[2,2],"datatype":"${datatype}","data":[${extremes[datatype]}]}]}`;
    expect(await (await infer(model, request)).text()).toContain(`"shape":[2,2],"data":[${extremes[datatype]}]}`);
  }
  const bytes =
    datatype === 'BYTES'
      ? Buffer.from('\u0001\0\0\0a\0\0\0\0\u0001\0\0\0b\0\0\0\0')
      : Buffer.alloc(4 * elementBytes[datatype], 1);
  const json = JSON.stringify({
    inputs: [{ name: 'x', shape: [2, 2], datatype, parameters: { binary_data_size: bytes.length } }],
    parameters: { binary_data_output: true },
  });
  const reply = await infer(model, Buffer.concat([Buffer.from(json), bytes]), {
    'inference-header-content-length': String(json.length),
  });
  const answer = Buffer.from(await reply.arrayBuffer());
  expect(answer.subarray(Number(reply.headers.get('inference-header-content-length')))).toEqual(bytes);
});

test('200 requests at once are answered as one by one, whatever runs they shared', async () => {
  await serve(fixtureTarget('mlp-30-64-1', { model: 'mlp' }));
  const request = (seed: number): string => {
    const data = Array.from({ length: 30 }, (_, i) => ((seed * 37 + i * 11) % 100) / 10);
    return JSON.stringify({ id: `r${seed}`, inputs: [{ name: 'features', shape: [1, 30], datatype: 'FP32', data }] });
  };
  const score = async (seed: number): Promise<number> => {
    const reply = await infer('mlp', request(seed));
    const text = await reply.text();
    expect(text).toContain(`"id":"r${seed}"`);
    return Number(/"data":\[([^\]]*)\]/.exec(text)?.[1]);
  };
  const seeds = Array.from({ length: 200 }, (_, i) => i);
  const alone: number[] = [];
  for (const seed of seeds.slice(0, 40)) alone.push(await score(seed));
  const together = await Promise.all(seeds.map(score));
  expect(new Set(together).size).toBeGreaterThan(20);
  // The runtime may add in another order for another batch size.
  for (const [seed, value] of alone.entries()) expect(together[seed]).toBeCloseTo(value, 5);
});

test('when the runner is killed under load only what it held fails, retryable, and service goes on', async () => {
  await serve(fixtureTarget('mlp-30-64-1', { model: 'killed' }));
  const data = Array.from({ length: 30 }, () => 1);
  const body = JSON.stringify({ inputs: [{ name: 'features', shape: [1, 30], datatype: 'FP32', data }] });
  const statuses: number[] = [];
  let isOver = false;
  const clients = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      const reply = await infer('killed', body);
      statuses.push(reply.status);
      if (reply.status === 503) expect(reply.headers.get('retry-after')).toBe('1');
      await reply.arrayBuffer();
    }
  });
  const pid = pool.processes().find(({ name }) => name.includes('killed'))?.pid ?? 0;
  while (statuses.length < 100) await new Promise(resolve => setImmediate(resolve));
  process.kill(pid, 'SIGKILL');
  const soFar = statuses.length;
  while (statuses.length < soFar + 100) await new Promise(resolve => setImmediate(resolve));
  isOver = true;
  await Promise.all(clients);
  expect(new Set(statuses).difference(new Set([200, 503]))).toEqual(new Set());
  expect(statuses.filter(status => status === 503).length).toBeLessThanOrEqual(8);
  expect(statuses.at(-1)).toBe(200);
});

function flightSignature(): Signature {
  const { inputs, outputs } = inspectModel(readFileSync(flightModel)).signature;
  const specs = (tensors: typeof inputs): Signature['inputs'] =>
    tensors.map(({ name, dtype, shape = [] }) => ({
      name,
      datatype: datatypes.find(datatype => datatype === dtype) ?? 'FP32',
      shape: shape.map(dim => (typeof dim === 'number' ? dim : -1)),
      optional: false,
    }));
  return { inputs: specs(inputs), outputs: specs(outputs), columns: [], task: { kind: 'none' } };
}

const referenceSchema = z.array(z.record(z.string(), z.union([z.string(), z.number()])));
const oipSchema = z.object({ outputs: z.array(z.object({ data: z.array(z.number()) })) });
const tfsSchema = z.object({ predictions: z.array(z.object({ probabilities: z.array(z.number()) })) });

test.skipIf(!existsSync(flightModel))(
  'the flight model gives its published probabilities in both protocols',
  async () => {
    const signature = flightSignature();
    await serve(fixtureTarget('mlp-30-64-1', { model: 'flight-delay', modelPath: flightModel, signature }));
    const rows = referenceSchema
      .parse(JSON.parse(readFileSync(join(flightModel, '../reference.json'), 'utf8')))
      .slice(0, 50);
    const inputs = signature.inputs.map(({ name, datatype }) => ({
      name,
      datatype,
      shape: [rows.length, 1],
      data: rows.map(row => row[name]),
    }));
    const expected = rows.map(row => Number(row.probability));
    const oip = await infer('flight-delay', JSON.stringify({ inputs, outputs: [{ name: 'probabilities' }] }));
    const flat = oipSchema.parse(await oip.json()).outputs[0]!.data;
    for (const [i, probability] of expected.entries()) expect(flat[2 * i + 1]).toBeCloseTo(probability, 5);
    const instances = rows.map(row => Object.fromEntries(signature.inputs.map(({ name }) => [name, row[name]])));
    const tfs = await fetch(`http://127.0.0.1:${gateway.port}/v1/models/flight-delay:predict`, {
      method: 'POST',
      body: JSON.stringify({ instances }),
    });
    const { predictions } = tfsSchema.parse(await tfs.json());
    for (const [i, probability] of expected.entries())
      expect(predictions[i]!.probabilities[1]).toBeCloseTo(probability, 5);
  },
);
