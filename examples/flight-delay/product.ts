import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HoldfastClient } from '@holdfast/api';
import { z } from 'zod';

const mainFile = fileURLToPath(new URL('../../packages/holdfast/src/main.ts', import.meta.url));
const startTimeoutMs = 30_000;
const drainTimeoutMs = 30_000;
const keptErrorCharacters = 4_000;

/** What `holdfast up --json` prints once it serves. */
const readySchema = z.object({ ready: z.literal(true), inferenceUrl: z.url(), consoleUrl: z.url() });

export interface ProductOptions {
  /** The server's own data directory. */
  readonly data: string;
  /** The `holdfast.yaml` to start with. */
  readonly config: string;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly consolePort?: number | undefined;
}

/** A Holdfast running as its own processes, started through its command line and stopped with this object. */
export class Product implements AsyncDisposable {
  readonly client: HoldfastClient;
  readonly inferenceUrl: string;
  readonly consoleUrl: string;
  /** Resolves when the process has ended, asked or not. */
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;
  readonly #data: string;

  private constructor(process: ChildProcess, ended: Promise<void>, data: string, ready: z.output<typeof readySchema>) {
    this.#process = process;
    this.ended = ended;
    this.#data = data;
    this.inferenceUrl = ready.inferenceUrl;
    this.consoleUrl = ready.consoleUrl;
    this.client = new HoldfastClient(ready.consoleUrl);
  }

  /** @throws Error with what the server said when it ends or is not ready in time */
  static async start(options: ProductOptions): Promise<Product> {
    const flags = [
      ['--data', options.data],
      ['--config', options.config],
      ['--host', options.host],
      ['--port', options.port],
      ['--grpc-port', 0],
      ['--console-port', options.consolePort],
    ].flatMap(([name, value]) => (value === undefined ? [] : [String(name), String(value)]));
    // Its own process group, so that Ctrl-C reaches this process only, which lets what is in flight finish first.
    const child = spawnHoldfast(['up', '--json', ...flags], { detached: true });
    const errors = tailOf(child);
    const ended = endOf(child);
    try {
      const ready = await Promise.race([firstLine(child), ended.then(() => undefined)]);
      if (ready === undefined) throw new Error('it ended');
      return new Product(child, ended, options.data, readySchema.parse(JSON.parse(ready)));
    } catch (error) {
      child.kill('SIGTERM');
      await ended;
      throw new Error(`Holdfast did not start: ${errors() || String(error)}`, { cause: error });
    }
  }

  /** Runs a command against this server, such as `deploy`. @throws Error with what it printed when it fails */
  async command(args: readonly string[]): Promise<void> {
    const child = spawnHoldfast([...args, '--data', this.#data], {});
    child.stdout?.resume();
    const errors = tailOf(child);
    await endOf(child);
    if (child.exitCode !== 0) throw new Error(`holdfast ${args[0]} failed: ${errors()}`);
  }

  /** Lets requests in flight finish, then ends the processes; a server that hangs is killed after 30 s. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGTERM');
    const hanging = setTimeout(() => this.#process.kill('SIGKILL'), drainTimeoutMs);
    await this.ended;
    clearTimeout(hanging);
  }
}

function spawnHoldfast(args: readonly string[], options: { readonly detached?: boolean }): ChildProcess {
  return spawn(process.execPath, ['--conditions=source', mainFile, ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
  });
}

async function endOf(child: ChildProcess): Promise<void> {
  await once(child, 'close');
}

async function firstLine(child: ChildProcess): Promise<string | undefined> {
  if (child.stdout === null) return undefined;
  const lines = createInterface({ input: child.stdout });
  const [line]: unknown[] = await once(lines, 'line', { signal: AbortSignal.timeout(startTimeoutMs) });
  // The rest is read and dropped, so that the pipe never fills up.
  return String(line);
}

/** The last of what a process says on stderr. */
function tailOf(child: ChildProcess): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-keptErrorCharacters);
  });
  return () => tail.trim();
}
