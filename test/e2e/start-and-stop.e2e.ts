import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { hasPostgres, PostgresServer } from '../../packages/holdfast/src/storage/testing/postgres-server.ts';
import { s3Credentials, startS3Server } from '../../packages/holdfast/src/storage/testing/s3-server.ts';
import { CutLink } from './cut-link.ts';
import { eventually, HoldfastProcess, startCli, temporaryFolder } from './holdfast-process.ts';

const mlp = fileURLToPath(new URL('../../packages/holdfast/src/runtime/fixtures/mlp-30-64-1.onnx', import.meta.url));
const anyPorts = ['--port', '0', '--grpc-port', '0', '--console-port', '0'];
const folder = temporaryFolder();
const data = join(folder.path, 'data');
const moments = 6;
let startMs = 0;

beforeAll(async () => {
  const began = performance.now();
  await using holdfast = await HoldfastProcess.up([mlp, '--data', data]);
  startMs = performance.now() - began;
  expect(holdfast.ready.problems).toEqual([]);
});
afterAll(() => folder[Symbol.dispose]());

test('a reader that leaves before the output comes is no error', async () => {
  const started = startCli(['--help']);
  started.child.stdout?.destroy();
  expect(await started.finished).toMatchObject({ code: 0, stderr: '' });
});

/** Signals at moments spread over a start; `finished` settles when the last process that writes to the terminal is gone. */
async function interrupt(signal: NodeJS.Signals, moment: number): Promise<number | NodeJS.Signals | null> {
  const started = startCli(['up', mlp, '--json', '--data', data, ...anyPorts]);
  await pause((startMs * (moment + 0.5)) / moments);
  started.child.kill(signal);
  const end = await started.finished;
  return end.signal ?? end.code;
}

test('SIGTERM at any moment of the start ends all processes, in order once they are supervised', async () => {
  for (let moment = 0; moment < moments; moment++) {
    // The first moments belong to Node, which has no handler yet.
    expect(['SIGTERM', 0]).toContain(await interrupt('SIGTERM', moment));
  }
});

test('a start that is killed at any moment leaves no process, and the next start goes ahead at once', async () => {
  for (let moment = 0; moment < moments; moment++) expect(await interrupt('SIGKILL', moment)).toBe('SIGKILL');
  await using holdfast = await HoldfastProcess.up([mlp, '--data', data]);
  expect(holdfast.ready.problems).toEqual([]);
});

test('after kill -9 with a request half sent, the next start takes the same ports', async () => {
  const other = join(folder.path, 'other');
  const first = await HoldfastProcess.up([mlp, '--data', other]);
  const ports = [
    ['--port', new URL(first.ready.inferenceUrl).port],
    ['--grpc-port', first.ready.grpcAddress.split(':')[1] ?? ''],
  ].flat();
  await using slow = await CutLink.to(Number(ports[1]));
  const body = new ReadableStream({
    start: controller => controller.enqueue(new TextEncoder().encode('{"inputs": [')),
  });
  const half = fetch(`http://127.0.0.1:${slow.port}/v2/models/mlp-30-64-1/infer`, {
    method: 'POST',
    body,
    duplex: 'half',
  }).catch((error: unknown) => error);
  await eventually(async () => {
    const { processes } = await first.control.call('status', {});
    return processes.length > 0 ? true : undefined;
  });
  first.signal('SIGKILL');
  await using again = await HoldfastProcess.up([mlp, '--data', other, ...ports]);
  expect(again.ready.grpcAddress).toBe(first.ready.grpcAddress);
  expect(await half).toBeInstanceOf(Error);
});

describe.skipIf(!hasPostgres)('in a cluster (skipped where Postgres is not installed)', () => {
  let s3: Awaited<ReturnType<typeof startS3Server>>;
  beforeAll(async () => {
    for (const [name, value] of Object.entries(s3Credentials)) vi.stubEnv(name, value);
    s3 = await startS3Server();
  });
  afterAll(async () => {
    await s3?.[Symbol.asyncDispose]();
    vi.unstubAllEnvs();
  });

  test('SIGTERM ends a machine that waits for a database it never reached', async () => {
    await using nobody = await CutLink.to(1);
    nobody.cut();
    const database = `postgres://holdfast@127.0.0.1:${nobody.port}/none`;
    const args = ['--database', database, '--artifacts', s3.address, '--cluster-port', '0'];
    const started = startCli(['up', '--json', '--data', join(folder.path, 'waiting'), ...anyPorts, ...args]);
    await eventually(async () => (/waiting for the database/.test(started.output.stderr) ? true : undefined));
    started.child.kill('SIGTERM');
    expect((await started.finished).code).toBe(0);
  });

  test('a machine whose port is taken says so and ends, though it leads', async () => {
    await using postgres = await PostgresServer.start();
    const database = await postgres.createDatabase('taken');
    const blocker = createServer().listen(0, '127.0.0.1');
    const address = await eventually(async () => blocker.address() ?? undefined);
    const port = typeof address === 'string' ? '' : String(address.port);
    const args = ['--database', database, '--artifacts', s3.address, '--cluster-port', '0'];
    const started = startCli([
      ...['up', '--json', '--data', join(folder.path, 'taken'), '--port', port],
      ...['--grpc-port', '0', '--console-port', '0', ...args],
    ]);
    const end = await started.finished;
    blocker.close();
    expect([end.code, end.stderr]).toEqual([2, expect.stringContaining(`port ${port}`)]);
  });
});
