import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { ChildEnd } from './child.ts';
import type { RunnerTarget } from './runner.ts';
import type { FromRunner, ToRunner } from './runner-messages.ts';
import { type RunnerPool, type RunnerPoolOptions, startRunnerPool } from './runner-pool.ts';
import type { SpawnRunner } from './runner-slot.ts';

/** A process that does what the test says. */
interface FakeChild {
  readonly pid: number;
  readonly sent: ToRunner[];
  readonly signals: NodeJS.Signals[];
  say(message: FromRunner): void;
  end(end?: Partial<ChildEnd>): void;
}

let folder: string;
let pool: RunnerPool;
let children: FakeChild[];
let nowMs: number;
/** What a fake child does when it is started; tests replace it. */
let onStart: (child: FakeChild) => void;

const target: RunnerTarget = {
  model: 'm',
  version: 1,
  modelPath: '/m.onnx',
  signature: { inputs: [], outputs: [], columns: [], task: { kind: 'none' } },
  threads: 1,
  hangTimeoutMs: 1000,
};

const spawn: SpawnRunner = ({ onMessage, onEnd }) => {
  const child: FakeChild = {
    pid: 1000 + children.length,
    sent: [],
    signals: [],
    say: onMessage,
    end: end => onEnd({ code: null, signal: null, errors: '', ...end }),
  };
  children.push(child);
  return {
    pid: child.pid,
    send: message => {
      child.sent.push(message);
      if (message.kind === 'start') onStart(child);
    },
    kill: signal => {
      child.signals.push(signal);
      if (signal === 'SIGKILL' || signal === 'SIGTERM') child.end({ signal });
    },
  };
};

const becomeReady = (child: FakeChild): void => child.say({ kind: 'ready', loadMs: 5, note: undefined });

function openPool(options: Partial<RunnerPoolOptions> = {}): RunnerPool {
  const log = pino({ level: 'silent' });
  return startRunnerPool({ runDirectory: folder, log, clock: () => nowMs, spawn, ...options });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-pool-'));
  children = [];
  nowMs = 0;
  onStart = becomeReady;
  pool = openPool();
});

afterEach(async () => {
  await pool[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test('start gives one socket per instance once all are ready, and the same ones again when asked again', async () => {
  const sockets = await pool.start(target, 2);
  expect(new Set(sockets).size).toBe(2);
  expect(await pool.start(target, 2)).toEqual(sockets);
  expect(children.map(child => child.sent[0])).toEqual(
    sockets.map(socketPath => ({ kind: 'start', target, socketPath })),
  );
});

test('fewer instances stop the surplus, more start the rest', async () => {
  const [first, second] = await pool.start(target, 2);
  expect(await pool.start(target, 1)).toEqual([first]);
  expect(children[1]?.signals).toEqual(['SIGTERM']);
  const again = await pool.start(target, 3);
  expect(again[0]).toBe(first);
  expect(again).not.toContain(second);
  expect(again.length).toBe(3);
});

test.each<[string, (child: FakeChild) => void, RegExp]>([
  [
    'says why it cannot load',
    child => {
      child.say({ kind: 'rejected', why: 'no such operator' });
      child.end({ code: 1 });
    },
    /cannot be loaded: no such operator/,
  ],
  ['is killed while loading', child => child.end({ signal: 'SIGABRT' }), /ended by signal SIGABRT/],
  ['cannot be started', child => child.end({ errors: 'spawn ENOMEM' }), /could not be started \(spawn ENOMEM\)/],
])('a process that %s rejects the model and leaves no sibling', async (_what, act, sentence) => {
  onStart = child => (children.length === 1 ? becomeReady(child) : queueMicrotask(() => act(child)));
  await expect(pool.start(target, 2)).rejects.toMatchObject({
    code: 'model_rejected',
    message: expect.stringMatching(sentence),
  });
  expect(children[0]?.signals).toContain('SIGTERM');
  expect(pool.processes()).toEqual([]);
});

test('a process that is not ready in time rejects the model', async () => {
  await using impatient = openPool({ loadTimeoutMs: 20 });
  onStart = () => {};
  await expect(impatient.start(target, 1)).rejects.toThrow(/not ready within 20 ms/);
});

test('a dead process is replaced at once on the same socket', async () => {
  const [socketPath] = await pool.start(target, 1);
  const events: unknown[] = [];
  pool.on('died', event => events.push(['died', event.pid, event.reason]));
  pool.on('ready', event => events.push(['ready', event.pid, event.socketPath]));
  children[0]?.end({ signal: 'SIGSEGV' });
  expect(children[1]?.sent[0]).toMatchObject({ kind: 'start', socketPath });
  expect(events).toEqual([
    ['died', 1000, 'its process was ended by signal SIGSEGV'],
    ['ready', 1001, socketPath],
  ]);
  expect(pool.processes()).toMatchObject([{ name: 'runner m/1', pid: 1001, state: 'ready', restarts: 1 }]);
});

test('three deaths within a minute quarantine the version, end its siblings and stop the replacing', async () => {
  await pool.start(target, 2);
  const quarantined: unknown[] = [];
  pool.on('quarantined', event => quarantined.push(event));
  children[0]?.end({ signal: 'SIGFPE' });
  nowMs = 30_000;
  children[2]?.end({ signal: 'SIGFPE' });
  nowMs = 59_000;
  children[3]?.end({ signal: 'SIGFPE' });
  expect(quarantined).toEqual([
    {
      model: 'm',
      version: 1,
      reason: '3 deaths of its process within 60 s; the last: its process was ended by signal SIGFPE',
    },
  ]);
  expect(children.length).toBe(4);
  expect(children[1]?.signals).toEqual(['SIGTERM']);
  expect(pool.processes()).toEqual([]);
});

test('deaths further apart than a minute never add up', async () => {
  await pool.start(target, 1);
  for (let i = 0; i < 5; i++) {
    nowMs += 31_000;
    children[i]?.end({ signal: 'SIGFPE' });
  }
  expect(pool.processes()).toMatchObject([{ state: 'ready', restarts: 5 }]);
});

test('start gives a quarantined version another chance with a clean record', async () => {
  await pool.start(target, 1);
  for (let i = 0; i < 3; i++) children[i]?.end({ signal: 'SIGFPE' });
  await pool.start(target, 1);
  children[3]?.end({ signal: 'SIGFPE' });
  expect(pool.processes()).toMatchObject([{ state: 'ready', restarts: 1 }]);
});

test('a hung process is killed and replaced once, however many report it', async () => {
  const [socketPath] = await pool.start(target, 1);
  const reasons: string[] = [];
  pool.on('died', event => reasons.push(event.reason));
  nowMs = 1500;
  pool.replaceHung('m', 1, socketPath!);
  nowMs = 1600;
  pool.replaceHung('m', 1, socketPath!);
  expect(reasons).toEqual(['a run took longer than 1000 ms']);
  expect(children.map(child => child.signals)).toEqual([['SIGKILL'], []]);
});

test('a process that gives no sign of life for longer than a run may take is replaced', async () => {
  await using watched = openPool({ heartbeatMs: 5 });
  await watched.start(target, 1);
  const died = new Promise<string>(resolve => watched.on('died', event => resolve(event.reason)));
  nowMs = 1011;
  expect(await died).toBe('no sign of life for 1010 ms');
});

test('a process that answers its heartbeat is left alone', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  await using watched = openPool({ heartbeatMs: 5 });
  await watched.start(target, 1);
  const child = children[0]!;
  const pings = (): number => child.sent.filter(message => message.kind === 'ping').length;
  vi.advanceTimersByTime(5);
  expect(pings()).toBe(1);
  nowMs = 1000;
  child.say({ kind: 'pong' });
  nowMs = 2000;
  vi.advanceTimersByTime(5);
  expect(pings()).toBe(2);
  expect(child.signals).toEqual([]);
});

test('stop during a start ends the process and tells the one who waits', async () => {
  onStart = () => {};
  const started = pool.start(target, 1);
  const refused = expect(started).rejects.toMatchObject({ code: 'draining' });
  await pool.stop('m', 1);
  await refused;
  expect(children[0]?.signals).toEqual(['SIGKILL']);
});

test('closing ends every process, removes the sockets and refuses new starts', async () => {
  await pool.start(target, 1);
  await pool.start({ ...target, version: 2 }, 1);
  await pool[Symbol.asyncDispose]();
  expect(children.map(child => child.signals)).toEqual([['SIGTERM'], ['SIGTERM']]);
  expect(readdirSync(folder)).toEqual([]);
  await expect(pool.start(target, 1)).rejects.toMatchObject({ code: 'draining' });
});

test('socket folders of dead owners are removed, those of living ones stay', async () => {
  const dead = join(folder, 'r-4194304-abcdef');
  const living = join(folder, `r-${process.ppid}-abcdef`);
  const other = join(folder, 'routing.json');
  mkdirSync(dead);
  mkdirSync(living);
  writeFileSync(join(dead, '1.sock'), '');
  writeFileSync(other, '{}');
  await using second = openPool();
  expect(second.processes()).toEqual([]);
  const names = readdirSync(folder);
  expect(names).not.toContain('r-4194304-abcdef');
  expect(names).toEqual(expect.arrayContaining([`r-${process.ppid}-abcdef`, 'routing.json']));
});

test('socket paths stay within what the system takes, however deep the data directory', async () => {
  const deep = join(folder, 'x'.repeat(60), 'y'.repeat(60), 'run');
  await using deepPool = openPool({ runDirectory: deep });
  const [socketPath] = await deepPool.start(target, 1);
  expect(Buffer.byteLength(socketPath!)).toBeLessThan(104);
});
