import { BoundedTasks } from './bounded-tasks.ts';
import type { Clock } from './clock.ts';
import { type FlightGroup, groupFlights, slotMinutesFor } from './flight-groups.ts';
import type { Flights, Span } from './flights.ts';
import { InferRequestEncoder, lateProbabilities } from './infer-message.ts';
import { flightTimeMs, LabelQueue } from './label-queue.ts';
import type { Answer, Transport } from './transport.ts';

const labelPatienceMs = 250;
const labelsPerPost = 5_000;
const attempts = 40;
const defaultWaitMs = 250;
/** A process that is being replaced drops its connections; the next one takes the request again. */
const lostConnection: ReadonlySet<unknown> = new Set(['ECONNRESET', 'ECONNREFUSED', 'EPIPE']);

/** Where flights come from; `FlightStore` is one. */
export interface FlightSource {
  readonly airports: readonly string[];
  read(span: Span): AsyncIterable<Flights>;
}

export interface ReplayOptions {
  readonly source: FlightSource;
  readonly span: Span;
  readonly transport: Transport;
  readonly clock: Clock;
  /** The served model's name. */
  readonly model: string;
  /** Event seconds per second; the replay is slower when the server is, and catches up when it can. */
  readonly speed: number;
  /** Most requests in flight. @default 8 */
  readonly concurrency?: number;
  /** Most flights in one request. @default 256 */
  readonly maximumRows?: number;
  /** Told about every answered request. @param late the served probability of being late, one per flight */
  readonly onAnswer?: (group: FlightGroup, late: Float32Array) => void;
}

/** What has happened so far; counts are since the start. */
export interface ReplayProgress {
  /** The latest departure that was sent, ms since epoch. */
  readonly eventMs: number;
  readonly requests: number;
  readonly rows: number;
  readonly labels: number;
  /** Labels of flights that are still in the air. */
  readonly labelsWaiting: number;
  /** Requests that were sent again because the server was busy or gone for a moment. */
  readonly retries: number;
}

/** The server refused a request that it should have taken. */
export class ReplayError extends Error {
  override readonly name = 'ReplayError';
}

/**
 * Plays recorded flights against a server in the order and rhythm in which they left: each request holds the
 * departures of a few minutes, and the truth about a flight is sent once it has landed.
 */
export class Replay {
  readonly #options: ReplayOptions;
  readonly #encoder: InferRequestEncoder;
  readonly #labels = new LabelQueue();
  readonly #inferring: BoundedTasks;
  readonly #labelling = new BoundedTasks(1);
  #labelsSentAtMs = Number.NEGATIVE_INFINITY;
  #latencies: number[] = [];
  #eventMs: number;
  #requests = 0;
  #rows = 0;
  #labelsSent = 0;
  #retries = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#encoder = new InferRequestEncoder(options.source.airports);
    this.#inferring = new BoundedTasks(options.concurrency ?? 8);
    this.#eventMs = options.span.fromMs;
  }

  get progress(): ReplayProgress {
    return {
      eventMs: this.#eventMs,
      requests: this.#requests,
      rows: this.#rows,
      labels: this.#labelsSent,
      labelsWaiting: this.#labels.size,
      retries: this.#retries,
    };
  }

  /** Milliseconds from sending to answer of the requests answered since the last call; waits for retries count. */
  takeLatencies(): readonly number[] {
    const taken = this.#latencies;
    this.#latencies = [];
    return taken;
  }

  /**
   * Runs until the span has passed and every label is sent, or until the signal aborts: then what is in flight is
   * still answered and what has landed still labelled.
   *
   * @throws ReplayError when the server refuses a request; Error when it cannot be reached
   */
  async run(signal: AbortSignal): Promise<void> {
    const { source, span, speed, clock, maximumRows = 256 } = this.#options;
    const startedMs = clock.nowMs();
    const groups = groupFlights(source.read(span), { slotMinutes: slotMinutesFor(speed), maximumRows });
    for await (const group of groups) {
      const aheadMs = startedMs + (group.eventMs - span.fromMs) / speed - clock.nowMs();
      if (aheadMs > 1) await clock.sleep(aheadMs, signal);
      if (signal.aborted) break;
      this.#eventMs = group.eventMs;
      await this.#inferring.start(() => this.#infer(group, signal));
      await this.#sendLabelsInTime(signal);
    }
    await this.#inferring.finish();
    await this.#sendLabels(signal.aborted ? this.#eventMs : Number.POSITIVE_INFINITY, signal);
    await this.#labelling.finish();
  }

  async #infer(group: FlightGroup, signal: AbortSignal): Promise<void> {
    const { model, clock, onAnswer } = this.#options;
    const { headers, body } = this.#encoder.encode(group.flights);
    const sentMs = clock.nowMs();
    const answer = await this.#post(
      `/v2/models/${model}/infer`,
      { ...headers, 'x-holdfast-event-time': String(group.eventMs), 'x-holdfast-key': group.key },
      body,
      signal,
    );
    if (answer === undefined) return;
    this.#latencies.push(clock.nowMs() - sentMs);
    const id = answer.header('x-holdfast-prediction-id');
    if (id === undefined) throw new ReplayError('the answer has no x-holdfast-prediction-id');
    const headLength = Number(answer.header('inference-header-content-length'));
    const late = lateProbabilities(answer.body, headLength, group.flights.rows);
    this.#requests++;
    this.#rows += group.flights.rows;
    this.#expectLabels(id, group.flights);
    onAnswer?.(group, late);
  }

  #expectLabels(id: string, flights: Flights): void {
    for (let row = 0; row < flights.rows; row++) {
      const predictionId = flights.rows === 1 ? id : `${id}/${row}`;
      const landedMs = flights.departedMs[row]! + flightTimeMs(flights.numeric.distance[row]!);
      this.#labels.add(predictionId, flights.late[row] === 1 ? 1 : 0, landedMs);
    }
  }

  async #sendLabelsInTime(signal: AbortSignal): Promise<void> {
    const waitedMs = this.#options.clock.nowMs() - this.#labelsSentAtMs;
    if (waitedMs < labelPatienceMs && this.#labels.dueAt(this.#eventMs) < labelsPerPost) return;
    await this.#sendLabels(this.#eventMs, signal);
  }

  async #sendLabels(nowMs: number, signal: AbortSignal): Promise<void> {
    this.#labelsSentAtMs = this.#options.clock.nowMs();
    for (let due = this.#labels.dueAt(nowMs); due > 0; due = this.#labels.dueAt(nowMs)) {
      const lines = this.#labels.takeDue(nowMs, labelsPerPost);
      await this.#labelling.start(() => this.#postLabels(lines, signal));
    }
  }

  async #postLabels(lines: readonly string[], signal: AbortSignal): Promise<void> {
    const path = `/v1/models/${this.#options.model}/feedback`;
    const body = Buffer.from(lines.join(''));
    const answer = await this.#post(path, { 'content-type': 'application/x-ndjson' }, body, signal);
    if (answer !== undefined) this.#labelsSent += lines.length;
  }

  /** Posts until the server takes it; undefined when the signal has aborted and the server did not take it. */
  async #post(
    path: string,
    headers: Readonly<Record<string, string>>,
    body: Buffer,
    signal: AbortSignal,
  ): Promise<Answer | undefined> {
    const { transport, clock } = this.#options;
    for (let attempt = 1; ; attempt++) {
      const outcome = await attempted(transport.post(path, headers, body));
      if (outcome.kind === 'taken') return outcome.answer;
      if (attempt === attempts) throw outcome.error;
      if (signal.aborted) return undefined;
      this.#retries++;
      await clock.sleep(outcome.waitMs, signal);
    }
  }
}

type Attempt =
  | { readonly kind: 'taken'; readonly answer: Answer }
  | { readonly kind: 'again'; readonly waitMs: number; readonly error: Error };

/** @throws ReplayError when trying again would not help */
async function attempted(posting: Promise<Answer>): Promise<Attempt> {
  try {
    const answer = await posting;
    if (answer.status >= 200 && answer.status < 300) return { kind: 'taken', answer };
    const error = new ReplayError(`the server answered ${answer.status}: ${answer.body.toString('utf8', 0, 500)}`);
    if (answer.status !== 503) throw error;
    return { kind: 'again', waitMs: retryAfterMs(answer.header('retry-after')), error };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && lostConnection.has(error.code))) throw error;
    return { kind: 'again', waitMs: defaultWaitMs, error };
  }
}

/** The wait that `Retry-After` asks for in seconds, between 10 ms and 10 s; 250 ms when it does not say. */
function retryAfterMs(header: string | undefined): number {
  const seconds = Number(header ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds * 1000, 10), 10_000) : defaultWaitMs;
}
