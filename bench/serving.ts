// Requests per second and CPU per request of the product, against the same with recording and monitoring off, against
// Fastify + onnxruntime-node with one run per request, and against the bare session called in a loop.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { HoldfastClient } from '@holdfast/api';
import { z } from 'zod';
import type { LoadOrder, LoadResult } from './serving-load.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '1,32,128' },
    models: { type: 'string', default: 'mlp,flight-delay' },
    formats: { type: 'string', default: 'json,binary' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(
    'serving.ts [--seconds 3] [--rounds 3] [--connections 1,32,128] [--models mlp,flight-delay] [--formats json,binary] [--json]',
  );
  process.exit(0);
}
const seconds = Number(values.seconds);
const rounds = Number(values.rounds);
const here = import.meta.dirname;
/** Linux counts CPU time in ticks of 10 ms. */
const tickUs = 10_000;

interface Input {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: 'FP32' | 'BYTES';
  readonly data: readonly (number | string)[];
}

interface Subject {
  readonly name: string;
  readonly modelPath: string;
  /** Requests of one row each. */
  readonly requests: readonly { readonly inputs: readonly Input[] }[];
}

/** mulberry32: the same inputs in every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function mlp(): Subject {
  const random = seeded(7);
  return {
    name: 'mlp',
    modelPath: join(here, '../packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx'),
    requests: Array.from({ length: 256 }, () => ({
      inputs: [
        {
          name: 'features',
          shape: [1, 30],
          datatype: 'FP32' as const,
          data: Array.from({ length: 30 }, () => Math.round(random() * 1e6) / 1e5),
        },
      ],
    })),
  };
}

const flightSchema = z.array(z.record(z.string(), z.union([z.number(), z.string()])));

function flights(): Subject {
  const folder = join(here, '../examples/flight-delay');
  const rows = flightSchema.parse(JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8'))).slice(0, 256);
  return {
    name: 'flight-delay',
    modelPath: join(folder, 'model.onnx'),
    requests: rows.map(row => ({
      inputs: Object.entries(row)
        .filter(([name]) => name !== 'probability')
        .map(([name, value]) => ({
          name,
          shape: [1, 1],
          datatype: typeof value === 'string' ? ('BYTES' as const) : ('FP32' as const),
          data: [value],
        })),
    })),
  };
}

function bytesOf({ datatype, data }: Input): Buffer {
  if (datatype === 'FP32') return Buffer.from(Float32Array.from(data, Number).buffer);
  return Buffer.concat(
    data.flatMap(text => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(Buffer.byteLength(String(text)));
      return [length, Buffer.from(String(text))];
    }),
  );
}

function httpRequest(model: string, headers: readonly string[], body: Buffer): string {
  const head = [
    `POST /v2/models/${model}/infer HTTP/1.1`,
    'Host: 127.0.0.1',
    'User-Agent: bench',
    'Accept: */*',
    ...headers,
    `Content-Length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]).toString('base64');
}

function asJson({ name, requests }: Subject): string[] {
  return requests.map(request =>
    httpRequest(name, ['Content-Type: application/json'], Buffer.from(JSON.stringify(request))),
  );
}

function asBinary({ name, requests }: Subject): string[] {
  return requests.map(({ inputs }) => {
    const tensors = inputs.map(bytesOf);
    const described = inputs.map(({ data: _, ...input }, i) => ({
      ...input,
      parameters: { binary_data_size: tensors[i]!.length },
    }));
    const json = Buffer.from(JSON.stringify({ inputs: described, parameters: { binary_data_output: true } }));
    const headers = ['Content-Type: application/octet-stream', `Inference-Header-Content-Length: ${json.length}`];
    return httpRequest(name, headers, Buffer.concat([json, ...tensors]));
  });
}

/** A server under test, with the processes whose CPU it takes. */
interface Server {
  readonly name: string;
  readonly port: number;
  readonly pids: readonly { readonly kind: string; readonly pid: number }[];
}

function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * tickUs;
}

const environment = { ...process.env, ORT_DISABLE_TELEMETRY: '1' };

function child(file: string): ChildProcess {
  return fork(join(here, file), [], { execArgv: ['--conditions=source'], env: environment });
}

function ask<T>(process: ChildProcess, schema: z.ZodType<T>, order: object): Promise<T> {
  return new Promise((resolve, reject) => {
    process.once('message', message => resolve(schema.parse(message)));
    process.once('exit', code => reject(new Error(`ended with ${code}`)));
    process.send(order);
  });
}

const loadResultSchema: z.ZodType<LoadResult> = z.object({
  answered: z.number(),
  failed: z.number(),
  seconds: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
});

async function startHoldfast(
  name: string,
  folder: string,
  subjects: readonly Subject[],
  isWatched: boolean,
): Promise<Server & AsyncDisposable> {
  const off = { enabled: false };
  const config = {
    recording: { enabled: isWatched },
    ...(isWatched
      ? {}
      : { defaults: { monitors: { drift: off, quality: off, performance: off, serviceLevel: off, volume: off } } }),
    models: Object.fromEntries(subjects.map(({ name: model, modelPath }) => [model, { file: modelPath }])),
  };
  const configPath = join(folder, `${name}.yaml`);
  writeFileSync(configPath, JSON.stringify(config));
  const main = join(here, '../packages/holdfast/src/main.ts');
  const args = ['--conditions=source', main, 'up', '--json', '--port', '0', '--console-port', '0'];
  const process_ = spawn(process.execPath, [...args, '--data', join(folder, name), '--config', configPath], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: environment,
  });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    process_.stdout.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
    });
    process_.once('exit', code => reject(new Error(`holdfast up ended with ${code}`)));
  });
  const ready = z.object({ inferenceUrl: z.string(), consoleUrl: z.string() }).parse(JSON.parse(line));
  const status = await new HoldfastClient(ready.consoleUrl).call('status', {});
  return {
    name,
    port: Number(new URL(ready.inferenceUrl).port),
    pids: status.processes.map(({ kind, pid }) => ({ kind, pid })),
    [Symbol.asyncDispose]: async () => {
      process_.removeAllListeners('exit');
      const ended = new Promise(resolve => process_.once('exit', resolve));
      process_.kill('SIGTERM');
      await ended;
    },
  };
}

interface Sample {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly byKind: Readonly<Record<string, number>>;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

async function measure(
  loader: ChildProcess,
  server: Server,
  connections: number,
  requests: readonly string[],
  forSeconds: number,
): Promise<Sample> {
  const before = server.pids.map(({ pid }) => cpuUs(pid));
  const order: LoadOrder = { port: server.port, connections, seconds: forSeconds, requests: [...requests] };
  const result = await ask(loader, loadResultSchema, order);
  const spent = server.pids.map(({ kind, pid }, i) => ({ kind, us: (cpuUs(pid) - before[i]!) / result.answered }));
  const byKind: Record<string, number> = {};
  for (const { kind, us } of spent) byKind[kind] = (byKind[kind] ?? 0) + us;
  return {
    perSecond: result.answered / result.seconds,
    cpuUs: spent.reduce((sum, { us }) => sum + us, 0),
    byKind,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    failed: result.failed,
  };
}

function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function medianSample(samples: readonly Sample[]): Sample {
  const of = (pick: (sample: Sample) => number): number => median(samples.map(pick));
  const kinds = Object.keys(samples[0]!.byKind);
  return {
    perSecond: of(sample => sample.perSecond),
    cpuUs: of(sample => sample.cpuUs),
    byKind: Object.fromEntries(kinds.map(kind => [kind, of(sample => sample.byKind[kind] ?? 0)])),
    p50Ms: of(sample => sample.p50Ms),
    p99Ms: of(sample => sample.p99Ms),
    failed: samples.reduce((sum, sample) => sum + sample.failed, 0),
  };
}

async function meanBatch(port: number, model: string): Promise<{ readonly rows: number; readonly runs: number }> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const read = (name: string): number =>
    Number(new RegExp(`^${name}\\{model="${model}",[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  return { rows: read('nv_inference_count'), runs: read('nv_inference_exec_count') };
}

function format(value: number, digits = 0): string {
  return value.toLocaleString('en', { maximumFractionDigits: digits, minimumFractionDigits: digits });
}

interface Row {
  readonly model: string;
  readonly format: string;
  readonly connections: number;
  readonly on: Sample;
  readonly off: Sample;
  readonly fastify: Sample;
  readonly batch: number;
  /** CPU microseconds per row of the bare session at that batch size. */
  readonly bareUs: number;
}

async function run(folder: string): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const wanted = new Set(values.models.split(','));
  const subjects = [mlp(), flights()].filter(({ name }) => wanted.has(name));
  const on = stack.use(await startHoldfast('on', folder, subjects, true));
  const off = stack.use(await startHoldfast('off', folder, subjects, false));
  const loader = child('serving-load.ts');
  stack.defer(() => loader.disconnect());
  const rows: Row[] = [];
  for (const subject of subjects) {
    await using peers = new AsyncDisposableStack();
    const peer = child('serving-peer.ts');
    peers.defer(() => peer.disconnect());
    const port = await ask(peer, z.number(), { kind: 'serve', modelPath: subject.modelPath });
    const fastify: Server = { name: 'fastify', port, pids: [{ kind: 'fastify', pid: peer.pid! }] };
    for (const kind of values.formats.split(',')) {
      const requests = kind === 'json' ? asJson(subject) : asBinary(subject);
      const servers = [on, off, fastify];
      for (const server of servers) await measure(loader, server, 32, requests, 2);
      for (const connections of values.connections.split(',').map(Number)) {
        const samples = new Map<Server, Sample[]>(servers.map(server => [server, []]));
        const before = await meanBatch(on.port, subject.name);
        for (let round = 0; round < rounds; round++) {
          // Rounds are interleaved and start with another server each time: the machine's mood hits all alike.
          for (let i = 0; i < servers.length; i++) {
            const server = servers[(i + round) % servers.length]!;
            samples.get(server)!.push(await measure(loader, server, connections, requests, seconds));
          }
        }
        const after = await meanBatch(on.port, subject.name);
        const batch = (after.rows - before.rows) / (after.runs - before.runs);
        const order = { kind: 'loop', batch: Math.max(1, Math.round(batch)), seconds: 1, request: subject.requests[0] };
        const bareUs = await ask(peer, z.number(), order);
        rows.push({
          model: subject.name,
          format: kind,
          connections,
          on: medianSample(samples.get(on)!),
          off: medianSample(samples.get(off)!),
          fastify: medianSample(samples.get(fastify)!),
          batch,
          bareUs,
        });
      }
    }
  }
  return rows;
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
try {
  const rows = await run(folder);
  if (values.json) console.log(JSON.stringify(rows));
  else {
    console.log(
      `Medians of ${rounds} interleaved rounds of ${seconds} s; CPU in microseconds per request, all processes of a server together.`,
    );
    console.table(
      rows.map(({ model, format: wire, connections, on, off, fastify, batch, bareUs }) => ({
        model,
        wire,
        connections,
        'req/s': format(on.perSecond),
        'req/s off': format(off.perSecond),
        'req/s Fastify': format(fastify.perSecond),
        'req/s : Fastify': (on.perSecond / fastify.perSecond).toFixed(2),
        CPU: format(on.cpuUs),
        'CPU off': format(off.cpuUs),
        'CPU on : off': (on.cpuUs / off.cpuUs).toFixed(2),
        'CPU Fastify': format(fastify.cpuUs),
        'batch rows': format(batch, 1),
        'bare CPU/row': format(bareUs, 1),
        'p50 ms': format(on.p50Ms, 2),
        'p99 ms': format(on.p99Ms, 2),
        'p99 Fastify': format(fastify.p99Ms, 2),
        failed: on.failed + off.failed + fastify.failed,
      })),
    );
    console.log('CPU per request by process, recording and monitoring on / off:');
    for (const { model, format: wire, connections, on, off } of rows) {
      const parts = Object.keys(on.byKind).map(
        kind => `${kind} ${format(on.byKind[kind]!, 1)} / ${format(off.byKind[kind] ?? 0, 1)}`,
      );
      console.log(`  ${model} ${wire} ${connections}: ${parts.join(', ')}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
