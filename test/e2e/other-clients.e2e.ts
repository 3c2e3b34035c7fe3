import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HoldfastProcess, temporaryFolder } from './holdfast-process.ts';

// Clients that share no code with this server: nghttp2's load generator, and gRPC's C++ implementation through Debian's
// Python, which is what Triton's and TensorFlow Serving's own clients are made of.

const run = promisify(execFile);
const python = '/usr/bin/python3';
const hasGrpc = existsSync('/usr/bin/protoc') && spawnSync(python, ['-c', 'import grpc, google.protobuf']).status === 0;
const hasH2load = existsSync('/usr/bin/h2load');

const root = join(import.meta.dirname, '../..');
const protos = join(root, 'packages/holdfast/proto');
const model = 'mlp-30-64-1';
const features = Array.from({ length: 30 }, (_, i) => i / 30);
let folder: ReturnType<typeof temporaryFolder>;
let holdfast: HoldfastProcess;

beforeAll(async () => {
  folder = temporaryFolder();
  const file = join(root, `packages/holdfast/src/runtime/fixtures/${model}.onnx`);
  holdfast = await HoldfastProcess.up([file, '--data', join(folder.path, 'data')]);
});
afterAll(async () => {
  await holdfast[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

interface Answers {
  readonly outputs: readonly [{ readonly name: string; readonly data: readonly [number] }];
}

async function overRest(): Promise<number> {
  const input = { name: 'features', datatype: 'FP32', shape: [1, 30], data: features };
  const response = await holdfast.infer(model, { inputs: [input] });
  const { outputs }: Answers = JSON.parse(await response.text());
  return outputs[0].data[0];
}

describe.skipIf(!hasGrpc)('the C++ implementation of gRPC (skipped without python3-grpcio and protoc)', () => {
  test('gets from every call what REST answers', async () => {
    const files = readdirSync(protos, { recursive: true, encoding: 'utf8' }).filter(
      file => file.endsWith('.proto') && !file.startsWith('google'),
    );
    await run('/usr/bin/protoc', ['-I', protos, '--python_out', folder.path, ...files]);
    const { stdout } = await run(
      python,
      [join(import.meta.dirname, 'grpc-client.py'), holdfast.ready.grpcAddress, model],
      {
        env: { ...process.env, PYTHONPATH: folder.path },
      },
    );
    const score = await overRest();
    const bits = Buffer.from(Float32Array.of(score).buffer).toString('hex');
    expect(JSON.parse(stdout)).toMatchObject({
      health: 1,
      live: true,
      metadata: { name: model, inputs: [{ name: 'features', datatype: 'FP32', shape: ['-1', '30'] }] },
      raw: [bits],
      typed: [Math.fround(score)],
      gzip: [bits],
      streamed: ['0', '1', '2', '3', '4'].map(id => [id, bits]),
      predict: [Math.fround(score)],
      services: expect.arrayContaining([
        'grpc.health.v1.Health',
        'inference.GRPCInferenceService',
        'tensorflow.serving.PredictionService',
      ]),
      refusal: { code: 'NOT_FOUND', details: expect.stringContaining('nobody') },
    });
  });
});

describe.skipIf(!hasH2load)('h2load (skipped where it is not installed)', () => {
  const requests = 2000;

  async function inferences(): Promise<number> {
    const response = await fetch(`${holdfast.ready.inferenceUrl}/v2/models/${model}/stats`);
    const { model_stats: stats }: { readonly model_stats: readonly [{ readonly inference_count: number }] } =
      JSON.parse(await response.text());
    return stats[0].inference_count;
  }

  /** Sends the body again and again over four connections, eight requests at a time on each. */
  async function load(url: string, body: Uint8Array | string, ...more: readonly string[]): Promise<string> {
    const file = join(folder.path, 'body');
    writeFileSync(file, body);
    const { stdout } = await run('h2load', ['-n', String(requests), '-c', '4', '-m', '8', '-d', file, ...more, url]);
    return stdout;
  }

  test('over HTTP/2 has every gRPC call answered, and each is counted', async () => {
    const before = await inferences();
    const values = Buffer.from(Float32Array.from(features).buffer);
    const text = (field: number, value: string): number[] => [field * 8 + 2, value.length, ...Buffer.from(value)];
    const input = [...text(1, 'features'), ...text(2, 'FP32'), 3 * 8 + 2, 2, 1, 30];
    const message = [...text(1, model), 5 * 8 + 2, input.length, ...input, 7 * 8 + 2, values.length, ...values];
    const frame = Buffer.from([0, 0, 0, 0, message.length, ...message]);
    const report = await load(
      `http://${holdfast.ready.grpcAddress}/inference.GRPCInferenceService/ModelInfer`,
      frame,
      '-H',
      'content-type: application/grpc',
      '-H',
      'te: trailers',
    );
    expect(report).toContain(`${requests} succeeded, 0 failed, 0 errored`);
    expect((await inferences()) - before).toBe(requests);
  });

  test('over HTTP/1.1 has every JSON request answered, and each is counted', async () => {
    const before = await inferences();
    const body = JSON.stringify({ inputs: [{ name: 'features', datatype: 'FP32', shape: [1, 30], data: features }] });
    const report = await load(`${holdfast.ready.inferenceUrl}/v2/models/${model}/infer`, body, '--h1');
    expect(report).toContain(`${requests} 2xx, 0 3xx, 0 4xx, 0 5xx`);
    expect((await inferences()) - before).toBe(requests);
  });
});
