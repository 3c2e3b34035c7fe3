// What the transports cost, side by side against one running Holdfast: JSON, binary tensors and gRPC, the same rows to
// the same model, one row and a batch per request. Prints requests per second, latency and CPU microseconds per request
// of the gateway, and the ratios gRPC : JSON and gRPC : binary. The load comes from processes of their own.
import { fork } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { WireWriter } from '../packages/holdfast/src/serving/grpc/wire-writer.ts';
import { HoldfastProcess, temporaryFolder } from '../test/e2e/holdfast-process.ts';
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

async function compare(): Promise<void> {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '3' }, connections: { type: 'string', default: '32' } },
  });
  const seconds = Number(values.seconds);
  const connections = Number(values.connections);
  using folder = temporaryFolder();
  const config = join(folder.path, 'holdfast.yaml');
  // Room for every connection's rows, so that nothing is refused.
  writeFileSync(config, `defaults: { batching: { queueRows: ${64 * connections} } }\n`);
  await using holdfast = await HoldfastProcess.up([modelFile, '--config', config, '--data', join(folder.path, 'data')]);
  using client = new LoadClient();
  const { processes } = await holdfast.control.call('status', {});
  const pid = processes.find(({ kind }) => kind === 'gateway')?.pid ?? 0;
  const port = Number(new URL(holdfast.ready.inferenceUrl).port);
  const load = (transport: Transport, rows: number, forSeconds: number): Promise<LoadResult> =>
    transport === 'grpc'
      ? grpcInChild({
          address: holdfast.ready.grpcAddress,
          message: grpcMessage(rows),
          connections,
          seconds: forSeconds,
        })
      : client.run({
          port,
          requests: [httpRequest(rows, transport)],
          connections,
          seconds: forSeconds,
          minimumRequests: 1,
        });
  const table: Record<string, string | number>[] = [];
  for (const rows of [1, 64]) {
    const cpuUs = new Map<Transport, number>();
    const p99Ms = new Map<Transport, number>();
    for (const transport of transports) await load(transport, rows, 1);
    for (const transport of transports) {
      const before = ticksOf(pid);
      const result = await load(transport, rows, seconds);
      const us = ((ticksOf(pid) - before) * tickUs) / result.requests;
      cpuUs.set(transport, us);
      p99Ms.set(transport, result.p99Ms);
      table.push({
        case: `${transport} ${rows} rows`,
        'req/s': Math.round((result.requests * 1000) / result.elapsedMs),
        'p50 ms': result.p50Ms.toFixed(2),
        'p99 ms': result.p99Ms.toFixed(2),
        'gateway CPU us/request': Math.round(us),
      });
    }
    const ratio = (of: Map<Transport, number>, to: Transport): string =>
      ((of.get('grpc') ?? Number.NaN) / (of.get(to) ?? Number.NaN)).toFixed(2);
    console.log(`${rows} rows: gRPC/JSON CPU ${ratio(cpuUs, 'json')}, p99 ${ratio(p99Ms, 'json')}`);
    console.log(`${rows} rows: gRPC/binary CPU ${ratio(cpuUs, 'binary')}, p99 ${ratio(p99Ms, 'binary')}`);
  }
  console.table(table);
}

if (process.argv[2] === 'load') {
  process.once('message', (load: GrpcLoad) => void runGrpc(load).then(result => process.send?.(result)));
} else await compare();
