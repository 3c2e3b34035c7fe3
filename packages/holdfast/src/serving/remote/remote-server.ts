import { setTimeout as wait } from 'node:timers/promises';
import type { Tensor } from '@holdfast/api';
import type { Log } from '../../telemetry/index.ts';
import { type RemoteClient, RemoteFailure } from './remote-client.ts';

/** A request that never left is sent again after each of these waits, in ms. */
const retryAfterMs: readonly number[] = [20, 100];
/** A server that was not heard of for so long is asked whether it is there. */
const idleProbeMs = 5000;
/** How often a server that is away is asked whether it is back. */
const awayProbeMs = 500;
const probeTimeoutMs = 2000;
/** A busy server may miss one question. */
const missesUntilAway = 2;

export interface RemoteServerOptions {
  readonly client: RemoteClient;
  /** For the log. */
  readonly source: string;
  readonly log: Log;
}

/**
 * The server of one model, watched: while it is known to be away requests fail at once instead of each finding it out,
 * and it is asked again until it is back.
 */
export class RemoteServer {
  readonly #client: RemoteClient;
  readonly #source: string;
  readonly #log: Log;
  #why: string | undefined;
  #misses = 0;
  #heardMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #isProbing = false;
  #isClosed = false;

  constructor({ client, source, log }: RemoteServerOptions) {
    this.#client = client;
    this.#source = source;
    this.#log = log;
    this.#schedule(0);
  }

  /** Why it is taken to be away; undefined while it is there. */
  get why(): string | undefined {
    return this.#why;
  }

  /** @throws RemoteFailure */
  async infer(inputs: readonly Tensor[], timeoutMs: number): Promise<readonly Tensor[]> {
    if (this.#why !== undefined) throw new RemoteFailure('unsent', this.#why);
    try {
      const outputs = await this.#send(inputs, performance.now() + timeoutMs);
      this.#heard();
      return outputs;
    } catch (error) {
      if (error instanceof RemoteFailure) this.#learn(error);
      throw error;
    }
  }

  async #send(inputs: readonly Tensor[], endMs: number): Promise<readonly Tensor[]> {
    for (const afterMs of retryAfterMs) {
      try {
        return await this.#client.infer(inputs, Math.max(1, endMs - performance.now()));
      } catch (error) {
        const isUnsent = error instanceof RemoteFailure && error.kind === 'unsent';
        if (!isUnsent || this.#isClosed || performance.now() + afterMs >= endMs) throw error;
        await wait(afterMs);
      }
    }
    return this.#client.infer(inputs, Math.max(1, endMs - performance.now()));
  }

  /** What a failed request says of the server. */
  #learn(failure: RemoteFailure): void {
    switch (failure.kind) {
      case 'unsent':
        this.#setAway(failure);
        break;
      case 'broken':
      case 'unavailable':
        // One request says little: the model may just be slow, or the queue full.
        this.#schedule(0);
        break;
      case 'refused':
      case 'failed':
        this.#heard();
        break;
      default:
        failure.kind satisfies never;
    }
  }

  #heard(): void {
    this.#heardMs = performance.now();
    this.#misses = 0;
    if (this.#why === undefined) return;
    this.#why = undefined;
    this.#log.info({ source: this.#source }, 'remote.back');
  }

  #setAway(failure: RemoteFailure): void {
    if (this.#why === undefined) this.#log.warn({ source: this.#source, why: failure.told }, 'remote.away');
    this.#why = failure.message;
    this.#schedule(awayProbeMs);
  }

  #schedule(afterMs: number): void {
    if (this.#isClosed || this.#isProbing) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#probe(), afterMs);
    this.#timer.unref();
  }

  async #probe(): Promise<void> {
    this.#isProbing = true;
    try {
      if (this.#why !== undefined || performance.now() - this.#heardMs >= idleProbeMs) await this.#ask();
    } finally {
      this.#isProbing = false;
      this.#schedule(this.#why === undefined && this.#misses === 0 ? idleProbeMs : awayProbeMs);
    }
  }

  async #ask(): Promise<void> {
    try {
      if (await this.#client.isReady(probeTimeoutMs)) this.#heard();
      else this.#setAway(new RemoteFailure('unavailable', 'does not have it ready'));
    } catch (error) {
      if (this.#isClosed) return;
      const failure =
        error instanceof RemoteFailure ? error : new RemoteFailure('failed', 'cannot be asked', { cause: error });
      this.#misses++;
      if (failure.kind !== 'broken' || this.#misses >= missesUntilAway) this.#setAway(failure);
    }
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#client.close();
  }
}
