import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HoldfastClient } from '@holdfast/api';
import { z } from 'zod';

const main = fileURLToPath(new URL('../../packages/holdfast/src/main.ts', import.meta.url));

const readySchema = z.object({
  ready: z.literal(true),
  inferenceUrl: z.string(),
  grpcAddress: z.string(),
  consoleUrl: z.string(),
  examples: z.array(z.object({ model: z.string(), curl: z.string() })),
  problems: z.array(z.object({ model: z.string(), why: z.string() })),
});
export type Ready = z.infer<typeof readySchema>;

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Started {
  readonly child: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  readonly finished: Promise<Finished>;
}

function start(
  args: readonly string[],
  environment: NodeJS.ProcessEnv = {},
  nodeArguments: readonly string[] = [],
): Started {
  const child = spawn(process.execPath, ['--conditions=source', ...nodeArguments, main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const finished = new Promise<Finished>(resolve => {
    child.once('close', (code, signal) => resolve({ code, signal, ...output }));
  });
  return { child, output, finished };
}

/** Starts one command of the command line, to be watched and signalled while it runs. */
export const startCli = start;

/** Runs one command of the command line to its end. */
export function runCli(...args: readonly string[]): Promise<Finished> {
  return start(args).finished;
}

/** The same with arguments for Node itself, which its child processes inherit. */
export function runCliWith(nodeArguments: readonly string[], ...args: readonly string[]): Promise<Finished> {
  return start(args, {}, nodeArguments).finished;
}

/** A real `holdfast up` on free ports. */
export class HoldfastProcess implements AsyncDisposable {
  readonly ready: Ready;
  readonly control: HoldfastClient;
  readonly #started: Started;

  private constructor(ready: Ready, started: Started) {
    this.ready = ready;
    this.control = new HoldfastClient(ready.consoleUrl);
    this.#started = started;
  }

  static async up(args: readonly string[]): Promise<HoldfastProcess> {
    const started = start(['up', '--json', '--port', '0', '--grpc-port', '0', '--console-port', '0', ...args]);
    const line = Promise.withResolvers<string>();
    started.child.stdout?.on('data', () => {
      const [first, rest] = started.output.stdout.split('\n');
      if (rest !== undefined) line.resolve(first ?? '');
    });
    const ended = started.finished.then(({ code, stderr }) => {
      throw new Error(`holdfast up ended with ${code}: ${stderr}`);
    });
    const ready = readySchema.parse(JSON.parse(await Promise.race([line.promise, ended])));
    ended.catch(() => {});
    return new HoldfastProcess(ready, started);
  }

  get pid(): number {
    return this.#started.child.pid ?? 0;
  }

  get stderr(): string {
    return this.#started.output.stderr;
  }

  signal(signal: NodeJS.Signals): void {
    this.#started.child.kill(signal);
  }

  get finished(): Promise<Finished> {
    return this.#started.finished;
  }

  infer(model: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(`${this.ready.inferenceUrl}/v2/models/${model}/infer`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
  }

  feedback(model: string, labels: readonly object[]): Promise<Response> {
    return fetch(`${this.ready.inferenceUrl}/v1/models/${model}/feedback`, {
      method: 'POST',
      body: JSON.stringify({ labels }),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#started.child.exitCode === null) this.signal('SIGTERM');
    await this.finished;
  }
}

/** A folder that is removed at the end of the scope. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-e2e-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Asks again until the answer is there; the bound is generous because the machine may be busy. */
export async function eventually<T>(ask: () => Promise<T | undefined>, boundMs = 30_000): Promise<T> {
  const end = performance.now() + boundMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > end) throw new Error(`no answer within ${boundMs} ms`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}
