import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from '@holdfast/api';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FrameEncoder } from './frames.ts';
import { RunServer } from './run-server.ts';
import type { RunAnswer } from './runner.ts';
import { connectRunner, type RunnerLinkOptions } from './runner-link.ts';

let folder: string;
let socketPath: string;
let stack: AsyncDisposableStack;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-link-'));
  socketPath = join(folder, 'runner.sock');
  stack = new AsyncDisposableStack();
});

afterEach(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true });
});

type Run = (inputs: readonly Tensor[]) => Promise<RunAnswer>;

const echo: Run = async inputs => ({ outputs: inputs, inferUs: 42 });

async function serve(run: Run): Promise<RunServer> {
  const server = new RunServer({ run, reasonOf: error => (error instanceof Error ? error.message : 'unknown') });
  await server.listen(socketPath);
  return stack.use(server);
}

async function link(options: Partial<RunnerLinkOptions> = {}): ReturnType<typeof connectRunner> {
  return stack.use(await connectRunner(socketPath, { model: 'm', hangTimeoutMs: 5000, ...options }));
}

function row(value: number): Tensor {
  return { name: 'x', datatype: 'FP32', shape: [1], data: Float32Array.of(value) };
}

test('a run comes back with outputs and the time in the runtime', async () => {
  await serve(echo);
  const runner = await link();
  expect(await runner.run([row(1.5)])).toEqual({ outputs: [row(1.5)], inferUs: 42 });
  expect(runner.isBusy).toBe(false);
});

test('runs sent at once are answered in order, one at a time', async () => {
  let running = 0;
  let most = 0;
  await serve(async inputs => {
    most = Math.max(most, ++running);
    await new Promise(resolve => setImmediate(resolve));
    running--;
    return { outputs: inputs, inferUs: 1 };
  });
  const runner = await link();
  const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => runner.run([row(i)])));
  expect(answers.map(answer => answer.outputs[0]?.data[0])).toEqual(Array.from({ length: 200 }, (_, i) => i));
  expect(most).toBe(1);
});

test('tensors larger than a socket buffer pass whole', async () => {
  await serve(echo);
  const runner = await link();
  const data = Float64Array.from({ length: 1_000_000 }, (_, i) => i);
  const inputs: Tensor[] = [{ name: 'big', datatype: 'FP64', shape: [1000, 1000], data }];
  const [first, second] = await Promise.all([runner.run(inputs), runner.run(inputs)]);
  expect(first?.outputs[0]?.data).toEqual(data);
  expect(second?.outputs[0]?.data).toEqual(data);
});

test('a model that throws fails that run only', async () => {
  await serve(async inputs => {
    if (inputs[0]?.data[0] === 13) throw new Error('unlucky row');
    return echo(inputs);
  });
  const runner = await link();
  const [bad, good] = await Promise.allSettled([runner.run([row(13)]), runner.run([row(1)])]);
  expect(bad).toMatchObject({ reason: { code: 'inference_failed', message: expect.stringContaining('unlucky row') } });
  expect(good.status).toBe('fulfilled');
});

test('a string with NUL is a bad request and never leaves', async () => {
  await serve(echo);
  const runner = await link();
  const text: Tensor = { name: 's', datatype: 'BYTES', shape: [1], data: ['a\0'] };
  await expect(runner.run([text])).rejects.toMatchObject({ code: 'bad_request' });
  expect((await runner.run([row(1)])).inferUs).toBe(42);
});

test('when the process goes, its run is lost and the next waits for the replacement', async () => {
  const arrived = Promise.withResolvers<void>();
  const stuck = createServer(socket => {
    socket.write(new FrameEncoder().encode({ kind: 'hello', id: 1 }));
    socket.on('error', () => {});
    socket.on('data', () => {
      arrived.resolve();
      socket.destroy();
    });
  });
  await new Promise<void>(resolve => stuck.listen(socketPath, resolve));
  const runner = await link({ reconnectTimeoutMs: 5000 });
  const lost = expect(runner.run([row(1)])).rejects.toMatchObject({ code: 'runner_lost', httpStatus: 503 });
  await arrived.promise;
  stuck.close();
  await lost;
  expect(runner.isConnected).toBe(false);
  const next = runner.run([row(2)]);
  await serve(echo);
  expect((await next).outputs).toEqual([row(2)]);
});

test('a run that hangs is given up and its process reported', async () => {
  let turn = 0;
  await serve(inputs => (turn++ === 0 ? new Promise(() => {}) : echo(inputs)));
  const hung = Promise.withResolvers<void>();
  const runner = await connectRunner(socketPath, { model: 'm', hangTimeoutMs: 30, onHang: hung.resolve });
  await expect(runner.run([row(1)])).rejects.toMatchObject({ code: 'runner_lost' });
  await hung.promise;
  await runner[Symbol.asyncDispose]();
  stack = new AsyncDisposableStack();
});

test('a run behind a slow one is not taken for hanging', async () => {
  let nowMs = 0;
  const holds: (() => void)[] = [];
  await serve(async inputs => {
    await new Promise<void>(resolve => holds.push(resolve));
    return echo(inputs);
  });
  const runner = await link({ hangTimeoutMs: 400, clock: () => nowMs });
  const first = runner.run([row(1)]);
  const second = runner.run([row(2)]);
  nowMs = 300;
  while (holds.length < 1) await new Promise(resolve => setImmediate(resolve));
  holds[0]?.();
  await first;
  nowMs = 600;
  while (holds.length < 2) await new Promise(resolve => setImmediate(resolve));
  holds[1]?.();
  expect((await second).outputs).toEqual([row(2)]);
});

test('an aborted run gives its caller back at once and leaves the connection in order', async () => {
  let release = (): void => {};
  const begun = Promise.withResolvers<void>();
  await serve(async inputs => {
    if (inputs[0]?.data[0] === 1) {
      await new Promise<void>(resolve => {
        release = resolve;
        begun.resolve();
      });
    }
    return echo(inputs);
  });
  const runner = await link();
  const abort = new AbortController();
  const aborted = runner.run([row(1)], { signal: abort.signal });
  await begun.promise;
  abort.abort(new Error('the caller left'));
  await expect(aborted).rejects.toThrow('the caller left');
  expect(runner.isBusy).toBe(true);
  release();
  expect((await runner.run([row(2)])).outputs).toEqual([row(2)]);
  await expect(runner.run([row(3)], { signal: AbortSignal.abort(new Error('never')) })).rejects.toThrow('never');
});

test('closing waits for the run under way and refuses new ones', async () => {
  let release = (): void => {};
  const begun = Promise.withResolvers<void>();
  await serve(async inputs => {
    await new Promise<void>(resolve => {
      release = resolve;
      begun.resolve();
    });
    return echo(inputs);
  });
  const runner = await link();
  const run = runner.run([row(1)]);
  await begun.promise;
  const closed = runner[Symbol.asyncDispose]();
  await expect(runner.run([row(2)])).rejects.toMatchObject({ code: 'runner_lost' });
  release();
  expect((await run).outputs).toEqual([row(1)]);
  await closed;
});

test('without a runner the connection fails within its time', async () => {
  await expect(
    connectRunner(socketPath, { model: 'm', hangTimeoutMs: 1000, reconnectTimeoutMs: 40 }),
  ).rejects.toMatchObject({ code: 'runner_lost' });
});

async function untilClosed(socket: Socket): Promise<void> {
  socket.on('error', () => {});
  if (!socket.destroyed) await new Promise<void>(resolve => socket.once('close', () => resolve()));
}

test('garbage closes the connection it came from and the runner goes on', async () => {
  await serve(echo);
  const runner = await link();
  // A length prefix that is no multiple of 8, or too small, is never a frame; a good one may wait for more.
  const garbage = fc.uint8Array({ minLength: 16, maxLength: 300 }).filter(bytes => bytes[0]! % 8 !== 0);
  await fc.assert(
    fc.asyncProperty(garbage, async bytes => {
      const socket = connectSocket(socketPath);
      socket.resume();
      socket.write(bytes);
      await untilClosed(socket);
    }),
    { numRuns: 50 },
  );
  expect((await runner.run([row(5)])).outputs).toEqual([row(5)]);
});

test('a runner that answers nonsense is dropped, and its successor on the same socket is used', async () => {
  const liar = createServer(socket => {
    socket.on('error', () => {});
    socket.write(new FrameEncoder().encode({ kind: 'hello', id: 1 }));
    socket.on('data', () => socket.write(Buffer.alloc(64, 7)));
  });
  await new Promise<void>(resolve => liar.listen(socketPath, resolve));
  const runner = await link();
  await expect(runner.run([row(1)])).rejects.toMatchObject({ code: 'runner_lost' });
  liar.close();
  await serve(echo);
  expect((await runner.run([row(2)])).outputs).toEqual([row(2)]);
});
