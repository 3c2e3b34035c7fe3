import { readFileSync } from 'node:fs';
import type { Child, ChildEnd, ChildOptions } from './child.ts';
import { describeEnd } from './child.ts';
import type { RunnerTarget } from './runner.ts';
import type { FromRunner, ToRunner } from './runner-messages.ts';

export type SpawnRunner = (options: Pick<ChildOptions, 'memoryBytes' | 'onMessage' | 'onEnd'>) => Child<ToRunner>;

export type SlotState = 'starting' | 'ready' | 'restarting' | 'stopping' | 'ended';

export interface SlotOptions {
  readonly target: RunnerTarget;
  readonly socketPath: string;
  readonly spawn: SpawnRunner;
  readonly clock: () => number;
  /** A process that is not ready after this is killed, in ms. */
  readonly loadTimeoutMs: number;
  /** The process is ready; `note` is what the warm-up had to say. */
  readonly onReady: (slot: RunnerSlot, loadMs: number, note: string | undefined) => void;
  /** The process ended without being asked to; `reason` says why. */
  readonly onDeath: (slot: RunnerSlot, reason: string, errors: string) => void;
}

/** One place for a runner process: a socket path, and the process that answers there now. */
export class RunnerSlot {
  readonly #options: SlotOptions;
  #child: Child<ToRunner> | undefined;
  #state: SlotState = 'starting';
  #restarts = 0;
  #hasBeenReady = false;
  #readySinceMs = 0;
  #lastPongMs = 0;
  #loadTimer: NodeJS.Timeout | undefined;
  /** Why it dies, when we know before it does. */
  #reason: string | undefined;
  #whenEnded: (() => void) | undefined;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#spawn();
  }

  get socketPath(): string {
    return this.#options.socketPath;
  }

  get state(): SlotState {
    return this.#state;
  }

  /** False while no process of this slot has ever loaded the model. */
  get hasBeenReady(): boolean {
    return this.#hasBeenReady;
  }

  get restarts(): number {
    return this.#restarts;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Begins a new process after a death. */
  restart(): void {
    this.#state = 'restarting';
    this.#restarts++;
    this.#spawn();
  }

  /** Kills a process that no longer answers; `onDeath` follows with this reason. */
  kill(reason: string): void {
    this.#reason ??= reason;
    this.#child?.kill('SIGKILL');
  }

  /** True when a run could already have hung for `forMs`: a younger process is a replacement, not the one reported. */
  canHaveHung(forMs: number): boolean {
    return this.#state === 'ready' && this.#options.clock() - this.#readySinceMs >= forMs;
  }

  /** Asks for a sign of life, or kills when the last one is older than `silenceMs`. */
  checkLife(silenceMs: number): void {
    if (this.#state !== 'ready') return;
    if (this.#options.clock() - this.#lastPongMs > silenceMs) this.kill(`no sign of life for ${silenceMs} ms`);
    else this.#child?.send({ kind: 'ping' });
  }

  /** Lets the run under way finish, kills after the grace, and resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    if (this.#state === 'ended') return;
    const isStarting = this.#state !== 'ready';
    this.#state = 'stopping';
    clearTimeout(this.#loadTimer);
    const gone = new Promise<void>(resolve => (this.#whenEnded = resolve));
    this.#child?.kill(isStarting ? 'SIGKILL' : 'SIGTERM');
    const timer = setTimeout(() => this.#child?.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(timer);
  }

  /** Resident memory in bytes; null where the system does not tell. */
  residentBytes(): number | null {
    try {
      const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1];
      return resident === undefined ? null : Number(resident) * 1024;
    } catch {
      return null;
    }
  }

  #spawn(): void {
    const { spawn, target, socketPath, loadTimeoutMs } = this.#options;
    this.#reason = undefined;
    this.#child = spawn({
      memoryBytes: target.memoryBytes,
      onMessage: message => {
        if (isFromRunner(message)) this.#hear(message);
      },
      onEnd: end => this.#ended(end),
    });
    this.#child.send({ kind: 'start', target, socketPath });
    this.#loadTimer = setTimeout(() => this.kill(`not ready within ${loadTimeoutMs} ms`), loadTimeoutMs);
  }

  #hear(message: FromRunner): void {
    switch (message.kind) {
      case 'ready':
        if (this.#state === 'stopping') break;
        clearTimeout(this.#loadTimer);
        this.#state = 'ready';
        this.#hasBeenReady = true;
        this.#readySinceMs = this.#options.clock();
        this.#lastPongMs = this.#readySinceMs;
        this.#options.onReady(this, message.loadMs, message.note);
        break;
      case 'rejected':
        this.#reason ??= message.why;
        break;
      case 'pong':
        this.#lastPongMs = this.#options.clock();
        break;
      default:
        message satisfies never;
    }
  }

  #ended(end: ChildEnd): void {
    clearTimeout(this.#loadTimer);
    const wasStopping = this.#state === 'stopping';
    this.#state = 'ended';
    if (wasStopping) this.#whenEnded?.();
    else this.#options.onDeath(this, this.#reason ?? describeEnd(end), end.errors);
  }
}

function isFromRunner(message: unknown): message is FromRunner {
  if (typeof message !== 'object' || message === null || !('kind' in message)) return false;
  return message.kind === 'ready' || message.kind === 'rejected' || message.kind === 'pong';
}
