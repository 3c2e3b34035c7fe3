import { fault, type Signature, type Tensor } from '@holdfast/api';
import type { RemoteConfig } from '../../config/index.ts';
import type { RunAnswer, RunOptions } from '../../runtime/index.ts';
import type { Log } from '../../telemetry/index.ts';
import type { ConnectedRunner, ConnectOptions } from '../traffic/runner-links.ts';
import { fitAnswer } from './fit-answer.ts';
import { openClient } from './open-client.ts';
import { RemoteFailure } from './remote-client.ts';
import { RemoteServer } from './remote-server.ts';

/** Requests that are given up at their deadline are told so by the queue; the run behind them ends a little later. */
const graceMs = 100;

/** Whether what a version's runners listen on is a server of another machine. */
export function isRemote(socket: string): boolean {
  return /^(oip|tfs)\+/.test(socket);
}

interface RemoteRunnerOptions {
  readonly model: string;
  readonly outputs: Signature['outputs'];
  readonly hangTimeoutMs: number;
  /** Lets go of the server. */
  readonly release: () => void;
}

/** A model on another server, one request at a time. */
class RemoteRunner implements ConnectedRunner {
  readonly #server: RemoteServer;
  readonly #options: RemoteRunnerOptions;
  #running = 0;

  constructor(server: RemoteServer, options: RemoteRunnerOptions) {
    this.#server = server;
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.#running > 0;
  }

  get isConnected(): boolean {
    return this.#server.why === undefined;
  }

  get away(): string | undefined {
    return this.#server.why;
  }

  async run(inputs: readonly Tensor[], { deadlineMs }: RunOptions = {}): Promise<RunAnswer> {
    this.#running++;
    const startedMs = performance.now();
    const { hangTimeoutMs, outputs } = this.#options;
    const leftMs = deadlineMs === undefined ? hangTimeoutMs : deadlineMs + graceMs - startedMs;
    try {
      const answered = await this.#server.infer(inputs, Math.max(1, Math.min(hangTimeoutMs, leftMs)));
      return { outputs: fitAnswer(answered, outputs), inferUs: (performance.now() - startedMs) * 1000 };
    } catch (error) {
      throw error instanceof RemoteFailure ? this.#faultOf(error) : error;
    } finally {
      this.#running--;
    }
  }

  #faultOf(failure: RemoteFailure): Error {
    const { model } = this.#options;
    switch (failure.kind) {
      case 'unsent':
      case 'broken':
      case 'unavailable':
        return fault('remote_unavailable', model, failure.message);
      case 'refused':
        return fault('bad_request', `The server that runs "${model}" ${failure.told}`);
      case 'failed':
        return fault('inference_failed', `the server that runs it ${failure.told}`);
      default:
        return failure.kind satisfies never;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#options.release();
  }
}

/** The servers that versions live on, each watched once however many requests may be under way with it. */
export class RemoteServers {
  readonly #config: RemoteConfig;
  readonly #log: Log;
  readonly #open = new Map<string, { readonly server: Promise<RemoteServer>; users: number }>();

  constructor({ config, log }: { readonly config: RemoteConfig; readonly log: Log }) {
    this.#config = config;
    this.#log = log;
  }

  /**
   * A runner behind a remote source, with `#` and a number behind it where there are several. It is there at once,
   * whether or not the server is.
   * @throws Fault `model_rejected`, `bad_configuration`
   */
  async connect(socket: string, { model, hangTimeoutMs, signature }: ConnectOptions): Promise<ConnectedRunner> {
    const source = socket.replace(/#\d+$/, '');
    const entry = this.#open.get(source) ?? { server: this.#start(source), users: 0 };
    this.#open.set(source, entry);
    entry.users++;
    const release = (): void => {
      entry.users--;
      if (entry.users > 0) return;
      this.#open.delete(source);
      void entry.server.then(server => server.close()).catch(() => {});
    };
    try {
      return new RemoteRunner(await entry.server, { model, outputs: signature.outputs, hangTimeoutMs, release });
    } catch (error) {
      release();
      throw error;
    }
  }

  async #start(source: string): Promise<RemoteServer> {
    const client = await openClient(source, this.#config);
    return new RemoteServer({ client, source, log: this.#log });
  }
}
