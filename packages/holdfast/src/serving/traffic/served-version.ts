import { fault, type Signature, type VersionState } from '@holdfast/api';
import type { Log } from '../../telemetry/index.ts';
import { ShapeGate } from '../admission/shape-gate.ts';
import { Batcher } from '../batching/batcher.ts';
import type { RunRequest, Ticket } from '../batching/run-request.ts';
import type { ServingClock } from '../clock.ts';
import { EnsembleRuns, type FindPart } from '../ensemble/ensemble-runs.ts';
import type { ServingMetrics, VersionMetrics } from '../metrics.ts';
import { Refusal } from '../refusal.ts';
import { ResponseCache } from '../response-cache.ts';
import type { RoutedVersion } from '../routing.ts';
import { SequenceBook } from '../sequences/sequence-book.ts';
import { type Connect, RunnerLinks } from './runner-links.ts';

export interface ServedVersionOptions {
  readonly connect: Connect;
  readonly metrics: ServingMetrics;
  readonly clock: ServingClock;
  readonly log: Log;
  /** The version of another model that answers a part of an ensemble. */
  readonly find: FindPart;
}

/** One routed version with all it needs to answer: gate, queue, links to its runners, numbers. */
export class ServedVersion {
  readonly model: string;
  readonly version: number;
  readonly signature: Signature;
  readonly gate: ShapeGate;
  readonly #batcher: Batcher;
  readonly #ensemble: EnsembleRuns | undefined;
  readonly numbers: VersionMetrics;
  #cache: ResponseCache | undefined;
  readonly #clock: ServingClock;
  /** Undefined for a model without state. */
  readonly sequences: SequenceBook | undefined;
  readonly #links: RunnerLinks;
  readonly #metrics: ServingMetrics;
  #routed: RoutedVersion;
  /** Sockets of a table that is about to come into force. */
  #coming: readonly string[] = [];
  #isDropped = false;
  #inFlight = 0;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(model: string, routed: RoutedVersion, { connect, metrics, clock, log, find }: ServedVersionOptions) {
    this.model = model;
    this.version = routed.version;
    this.signature = routed.signature;
    this.#routed = routed;
    this.#metrics = metrics;
    this.#clock = clock;
    this.sequences = routed.sequences && new SequenceBook({ ...routed.sequences, model, clock });
    this.#cache = routed.cache && new ResponseCache(routed.cache, clock);
    this.numbers = metrics.version(model, routed.version);
    this.gate = new ShapeGate(model, routed.signature);
    const wake = (): void => this.#batcher.wake();
    const { hangTimeoutMs, signature } = routed;
    this.#links = new RunnerLinks({ connect, model, hangTimeoutMs, signature, wake, log });
    this.#batcher = new Batcher({
      batching: routed.batching,
      isBatchable: this.gate.isBatchable,
      runners: this.#links,
      clock,
      observer: {
        executed: (rows, _requests, times) => this.numbers.executed(rows, times, clock.wallMs()),
        occupied: (runner, ms) => this.numbers.occupied(this.#links.instanceOf(runner) ?? 0, ms),
        limited: rows => this.numbers.limited(rows),
        unsplittable: () => log.warn({ model, version: routed.version }, 'batching.disabled'),
      },
    });
    const { ensemble } = routed;
    this.#ensemble =
      ensemble &&
      new EnsembleRuns({
        model,
        ensemble,
        outputs: routed.signature.outputs.map(({ name }) => name),
        hasRows: this.gate.isBatchable,
        find,
        clock,
        executed: (rows, times) => this.numbers.executed(rows, times, clock.wallMs()),
      });
  }

  /** Queues a request. @throws Fault `overloaded`, `version_not_ready`; Refusal when a part of an ensemble is not ready */
  submit(request: RunRequest): Ticket {
    // It may have been quarantined while the request was read.
    if (this.state === 'quarantined') throw this.#notReady();
    return (this.#ensemble ?? this.#batcher).submit(request);
  }

  #notReady(): Error {
    return fault('version_not_ready', this.model, this.version);
  }

  /** Whether a caller's request would be refused by the queue; the parts of an ensemble have queues of their own. */
  isFullFor(caller: string): boolean {
    return this.#ensemble === undefined && this.#batcher.isFullFor(caller);
  }

  get isEnsemble(): boolean {
    return this.#ensemble !== undefined;
  }

  get state(): VersionState {
    return this.#routed.state;
  }

  /** Why the server that it lives on would not answer; undefined when it would, or there is none. */
  get away(): string | undefined {
    return this.#links.away;
  }

  /** Undefined when answers are not remembered. */
  get cache(): ResponseCache | undefined {
    return this.#cache;
  }

  get routed(): RoutedVersion {
    return this.#routed;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether a request may still enter: one that waited for its inputs may hold a version of a table that is gone. */
  get isOpen(): boolean {
    return !this.#isDropped && this.#routed.state === 'ready';
  }

  /** No table names it any more. */
  drop(): void {
    this.#isDropped = true;
  }

  enter(): void {
    this.#inFlight++;
  }

  leave(): void {
    this.#inFlight--;
    if (this.#inFlight === 0) this.#idle?.resolve();
  }

  /** Settles when no request is inside. */
  async whenIdle(): Promise<void> {
    while (this.#inFlight > 0) {
      this.#idle ??= Promise.withResolvers();
      await this.#idle.promise;
      this.#idle = undefined;
    }
  }

  /** Opens what the next table asks for; the version answers as before meanwhile. */
  async prepare(next: RoutedVersion): Promise<void> {
    this.#coming = next.sockets;
    await this.#links.open(next.sockets);
  }

  /** The next table comes into force with this turn. */
  take(next: RoutedVersion): void {
    const { cache: before } = this.#routed;
    this.#routed = next;
    this.#coming = [];
    if (next.cache?.bytes !== before?.bytes || next.cache?.maximumAgeMs !== before?.maximumAgeMs) {
      this.#cache = next.cache && new ResponseCache(next.cache, this.#clock);
    }
    this.#batcher.batching = next.batching;
  }

  /**
   * The next table is in force. A version that it keeps without a runner gets no new requests; those that wait are still
   * answered before its links go, unless it is in quarantine: then nobody would answer them, and they learn that now.
   */
  async apply(next: RoutedVersion): Promise<void> {
    if (next.state === 'quarantined') {
      this.#batcher.failWaiting(() => this.#notReady());
      await this.#links.abandon();
      return;
    }
    if (next.sockets.length === 0) await this.whenIdle();
    // Of the newest table: another one may have come meanwhile, or be on its way.
    await this.#links.keepOnly([...this.#routed.sockets, ...this.#coming]);
  }

  /** After the last request left: gives back links and numbers. */
  async close(): Promise<void> {
    this.#batcher.close(() => new Refusal('draining', 'the version was removed', { retryAfterSeconds: 1 }));
    await this.#links.keepOnly([]);
    this.#metrics.remove(this.model, this.version);
  }

  /** Puts what is only looked up when somebody asks into the metrics. */
  publish(): void {
    this.#metrics.pending(this.model, this.version, (this.#ensemble ?? this.#batcher).pending);
    if (this.#links.isRemote) this.#metrics.remote(this.model, this.version, this.away === undefined);
  }
}
