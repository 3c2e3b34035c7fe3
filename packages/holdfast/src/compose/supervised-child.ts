import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { ProcessStatus } from '@holdfast/api';
import type { Log } from '../telemetry/index.ts';
import { compiledCodeEnvironment } from './compiled-code.ts';

export interface SupervisedChildOptions {
  readonly name: string;
  readonly kind: ProcessStatus['kind'];
  /** The TypeScript or JavaScript file it runs. */
  readonly entry: string;
  /** JSON for the environment variable `HOLDFAST_CHILD` of each process that is started. */
  readonly settings: () => unknown;
  readonly log: Log;
  /** A fresh process is up; it has not said anything yet. */
  readonly onStart: (send: (message: object) => void) => void;
  readonly onMessage: (message: unknown) => void;
  /** Ends with SIGKILL when it has not left this long after it was asked to. @default 30000 */
  readonly graceMs?: number;
}

const firstBackoffMs = 100;
const maximumBackoffMs = 5000;

/** Resident memory of a process in bytes; null where the system does not tell. */
export function residentBytesOf(pid: number): number | null {
  try {
    const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    return pages * 4096;
  } catch {
    return null;
  }
}

/** A child process with an IPC channel that is started again, with growing pauses, whenever it ends by itself. */
export class SupervisedChild implements AsyncDisposable {
  readonly #options: SupervisedChildOptions;
  #child: ChildProcess | undefined;
  #state: 'starting' | 'running' | 'restarting' | 'stopping' = 'starting';
  #restarts = 0;
  #backoffMs = firstBackoffMs;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SupervisedChildOptions) {
    this.#options = options;
    this.#start();
  }

  status(): ProcessStatus {
    const pid = this.#child?.pid ?? 0;
    return {
      name: this.#options.name,
      kind: this.#options.kind,
      pid,
      state: this.#state,
      restarts: this.#restarts,
      residentBytes: pid === 0 ? null : residentBytesOf(pid),
    };
  }

  /** Sends a message; while the child is away it is lost, and `onStart` is the place to say it again. */
  send(message: object): void {
    if (this.#child?.connected) this.#child.send(message, () => {});
  }

  /** The child did what it was started for, so its next restart is again a quick one. */
  markHealthy(): void {
    this.#state = 'running';
    this.#backoffMs = firstBackoffMs;
  }

  #start(): void {
    const { entry, settings, log, name } = this.#options;
    const child = spawn(process.execPath, [...process.execArgv, entry], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
      env: {
        ...process.env,
        ...compiledCodeEnvironment(),
        HOLDFAST_CHILD: JSON.stringify(settings()),
        ORT_DISABLE_TELEMETRY: '1',
      },
    });
    this.#child = child;
    child.on('message', message => this.#options.onMessage(message));
    child.on('error', error => log.error({ error, process: name }, 'process.error'));
    child.once('exit', (code, signal) => this.#ended(code, signal));
    this.#options.onStart(message => {
      if (child.connected) child.send(message, () => {});
    });
  }

  #ended(code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#state === 'stopping') return;
    this.#state = 'restarting';
    this.#restarts++;
    this.#options.log.warn(
      { process: this.#options.name, code, signal, pauseMs: this.#backoffMs },
      'process.restarting',
    );
    this.#timer = setTimeout(() => this.#start(), this.#backoffMs);
    this.#backoffMs = Math.min(this.#backoffMs * 2, maximumBackoffMs);
  }

  /** Asks the child to finish (`{kind: 'drain'}`) and waits until it has left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#state = 'stopping';
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const left = new Promise<void>(resolve => child.once('exit', () => resolve()));
    if (child.connected) child.send({ kind: 'drain' }, () => {});
    else child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), this.#options.graceMs ?? 30_000);
    await left;
    clearTimeout(kill);
  }
}
