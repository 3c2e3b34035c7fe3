// What the transports cost, side by side against one running Holdfast: JSON, binary tensors and gRPC, the same rows to
// the same model, one row and a batch per request. Prints requests per second, latency and CPU microseconds per request
// of the gateway, and the ratios gRPC : JSON and gRPC : binary. The load comes from processes of their own, the variants
// take turns, medians of the rounds are shown. `--beside FOLDER` adds an older checkout with its dependencies installed,
// to see what a change did to the paths that both have.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { HoldfastClient } from '@holdfast/api';
import { z } from 'zod';
import { WireWriter } from '../packages/holdfast/src/serving/grpc/wire-writer.ts';
import { temporaryFolder } from '../test/e2e/holdfast-process.ts';
import { LoadClient, type LoadResult } from './load-client.ts';

const width = 30;
const model = 'mlp-30-64-1';
const modelFile = join(import.meta.dirname, `../packages/holdfast/src/runtime/fixtures/${model}.onnx`);
/** Linux counts the CPU time of other processes in ticks of 10 ms. */
const tickUs = 10_000;
const transports = ['json', 'binary', 'grpc'] as const;
type Transport = (typeof transports)[number];

interface GrpcLoad {
  readonly address: string;
  readonly message: Uint8Array;
  readonly connections: number;
  readonly seconds: number;
}

function features(rows: number): Float32Array {
  return Float32Array.from({ length: rows * width }, (_, i) => ((i * 37) % 101) / 101);
}

function httpRequest(rows: number, transport: 'json' | 'binary'): Buffer {
  const data = features(rows);
  const input = { name: 'features', shape: [rows, width], datatype: 'FP32' };
  const bytes = Buffer.from(data.buffer);
  const isJson = transport === 'json';
  const json = Buffer.from(
    JSON.stringify(
      isJson
        ? { inputs: [{ ...input, data: [...data] }] }
        : {
            inputs: [{ ...input, parameters: { binary_data_size: bytes.length } }],
            parameters: { binary_data_output: true },
          },
    ),
  );
  const body = isJson ? json : Buffer.concat([json, bytes]);
  const kind = isJson ? '' : `inference-header-content-length: ${json.length}\r\n`;
  const head = `POST /v2/models/${model}/infer HTTP/1.1\r\nhost: 127.0.0.1\r\n${kind}content-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** A `ModelInferRequest` with raw contents, in its frame. */
function grpcMessage(rows: number): Buffer {
  const writer = new WireWriter(width * rows * 4 + 256);
  writer.text(1, model);
  writer.nested(5, () => {
    writer.text(1, 'features');
    writer.text(2, 'FP32');
    writer.nested(3, () => {
      writer.packedUnsigned(rows);
      writer.packedUnsigned(width);
    });
  });
  writer.bytes(7, new Uint8Array(features(rows).buffer));
  const message = writer.finish();
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** Each connection sends its next call when the answer to the last one is there. */
async function runGrpc({ address, message, connections, seconds }: GrpcLoad): Promise<LoadResult> {
  const latenciesMs: number[] = [];
  let failures = 0;
  let firstFailure: string | undefined;
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1000;
  const headers = {
    ':method': 'POST',
    ':path': '/inference.GRPCInferenceService/ModelInfer',
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  const one = async (): Promise<void> => {
    const session = connect(`http://${address}`);
    while (performance.now() < endMs) {
      const sentMs = performance.now();
      await new Promise<void>((resolve, reject) => {
        const stream = session.request(headers);
        stream.on('trailers', trailers => {
          if (trailers['grpc-status'] === '0') return;
          failures++;
          firstFailure ??= String(trailers['grpc-message']);
        });
        stream.on('data', () => {});
        stream.once('end', resolve);
        stream.once('error', reject);
        stream.end(message);
      });
      latenciesMs.push(performance.now() - sentMs);
    }
    session.close();
  };
  await Promise.all(Array.from({ length: connections }, one));
  const sorted = Float64Array.from(latenciesMs).sort();
  return {
    requests: sorted.length,
    failures,
    firstFailure,
    elapsedMs: performance.now() - startedMs,
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? 0,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
  };
}

function grpcInChild(load: GrpcLoad): Promise<LoadResult> {
  const child = fork(import.meta.filename, ['load'], { serialization: 'advanced' });
  return new Promise<LoadResult>((resolve, reject) => {
    child.once('message', (result: LoadResult) => {
      child.disconnect();
      if (result.failures > 0) reject(new Error(`${result.failures} calls failed: ${result.firstFailure}`));
      else resolve(result);
    });
    child.once('error', reject);
    child.send(load);
  });
}

/** User and system time of a process so far. */
function ticksOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

/** A running Holdfast, of this checkout or of an older one. */
interface Server extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly grpcAddress: string | undefined;
}

const readySchema = z.object({ inferenceUrl: z.string(), consoleUrl: z.string(), grpcAddress: z.string().optional() });

/** `holdfast up` of the checkout at `root`, on free ports. */
async function start(root: string, folder: string): Promise<Server> {
  const config = join(folder, 'holdfast.yaml');
  const main = join(root, 'packages/holdfast/src/main.ts');
  const args = ['up', modelFile, '--config', config, '--data', join(folder, 'data'), '--json'];
  const ports = ['--port', '0', '--console-port', '0', ...(hasGrpc(root) ? ['--grpc-port', '0'] : [])];
  const child = spawn(process.execPath, ['--conditions=source', main, ...args, ...ports], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const first = await Promise.race([createInterface({ input: child.stdout })[Symbol.asyncIterator]().next(), ended]);
  if (!('value' in first) || first.value === undefined) throw new Error(`holdfast up of ${root} ended`);
  const ready = readySchema.parse(JSON.parse(first.value));
  const { processes } = await new HoldfastClient(ready.consoleUrl).call('status', {});
  return {
    pid: processes.find(({ kind }) => kind === 'gateway')?.pid ?? 0,
    port: Number(new URL(ready.inferenceUrl).port),
    grpcAddress: ready.grpcAddress,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

const hasGrpc = (root: string): boolean => existsSync(join(root, 'packages/holdfast/src/serving/grpc'));

/** One way of sending the same rows. */
interface Variant {
  readonly name: string;
  readonly server: Server;
  readonly transport: Transport;
}

interface Cost {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function compare(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '2' },
      rounds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '32' },
      beside: { type: 'string' },
    },
  });
  const seconds = Number(values.seconds);
  const connections = Number(values.connections);
  using folder = temporaryFolder();
  // Room for every connection's rows, so that nothing is refused.
  const settings = `defaults: { batching: { queueRows: ${64 * connections} } }\n`;
  await using stack = new AsyncDisposableStack();
  const serverOf = async (root: string, name: string): Promise<Server> => {
    mkdirSync(join(folder.path, name));
    writeFileSync(join(folder.path, name, 'holdfast.yaml'), settings);
    return stack.use(await start(root, join(folder.path, name)));
  };
  const now = await serverOf(join(import.meta.dirname, '..'), 'now');
  const before = values.beside === undefined ? undefined : await serverOf(values.beside, 'before');
  const client = stack.use(new LoadClient());
  const variants: Variant[] = transports.map(transport => ({ name: transport, server: now, transport }));
  if (before !== undefined) {
    for (const transport of ['json', 'binary'] as const)
      variants.push({ name: `${transport}, before`, server: before, transport });
  }

  const load = ({ server, transport }: Variant, rows: number, forSeconds: number): Promise<LoadResult> =>
    transport === 'grpc'
      ? grpcInChild({
          address: server.grpcAddress ?? '',
          message: grpcMessage(rows),
          connections,
          seconds: forSeconds,
        })
      : client.run({
          port: server.port,
          requests: [httpRequest(rows, transport)],
          connections,
          seconds: forSeconds,
          minimumRequests: 1,
        });
  const measure = async (variant: Variant, rows: number): Promise<Cost> => {
    const ticks = ticksOf(variant.server.pid);
    const result = await load(variant, rows, seconds);
    return {
      requestsPerSecond: (result.requests * 1000) / result.elapsedMs,
      p50Ms: result.p50Ms,
      p99Ms: result.p99Ms,
      cpuUs: ((ticksOf(variant.server.pid) - ticks) * tickUs) / result.requests,
    };
  };

  const table: Record<string, string | number>[] = [];
  for (const rows of [1, 64]) {
    const costs = new Map<string, Cost[]>(variants.map(({ name }) => [name, []]));
    for (const variant of variants) await load(variant, rows, 2);
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const variant of variants) costs.get(variant.name)?.push(await measure(variant, rows));
    }
    const middle = (name: string, of: (cost: Cost) => number): number => median(costs.get(name)?.map(of) ?? []);
    const compareTo = (name: string, peer: string): void => {
      const ratio = (of: (cost: Cost) => number): string => (middle(name, of) / middle(peer, of)).toFixed(2);
      console.log(
        `${rows} rows: ${name} / ${peer}: CPU ${ratio(cost => cost.cpuUs)}, p99 ${ratio(cost => cost.p99Ms)}`,
      );
    };
    compareTo('grpc', 'json');
    compareTo('grpc', 'binary');
    if (before !== undefined) {
      for (const transport of ['json', 'binary']) compareTo(transport, `${transport}, before`);
      compareTo('grpc', 'json, before');
    }
    for (const { name } of variants) {
      table.push({
        case: `${name}, ${rows} rows`,
        'req/s': Math.round(middle(name, cost => cost.requestsPerSecond)),
        'p50 ms': middle(name, cost => cost.p50Ms).toFixed(2),
        'p99 ms': middle(name, cost => cost.p99Ms).toFixed(2),
        'gateway CPU us/request': Math.round(middle(name, cost => cost.cpuUs)),
      });
    }
  }
  console.table(table);
}

if (process.argv[2] === 'load') {
  process.once('message', (load: GrpcLoad) => void runGrpc(load).then(result => process.send?.(result)));
} else await compare();
