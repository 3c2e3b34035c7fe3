import { type FaultCode, faults, type Tensor } from '@holdfast/api';
import type { Log } from '../telemetry/index.ts';
import type { RunResult } from './batching/batcher.ts';
import type { ServingClock } from './clock.ts';
import type { Exchange } from './http/exchange.ts';
import { callerEventTime, callerKey, callerTags, callerTimeoutMs } from './http/request-headers.ts';
import type { ServingMetrics } from './metrics.ts';
import type { PredictionIds } from './prediction-id.ts';
import type { PredictionSink } from './prediction-sink.ts';
import type { Decoded, PredictProtocol } from './protocols/protocol.ts';
import { asRefusal, Refusal } from './refusal.ts';
import type { Assignment } from './traffic/deployment-router.ts';
import type { ServedVersion } from './traffic/served-version.ts';
import { ShadowCopies } from './traffic/shadow-copies.ts';
import type { Selector, Traffic } from './traffic/traffic.ts';

export interface PredictionPathOptions {
  readonly traffic: Traffic;
  readonly sink: PredictionSink;
  readonly metrics: ServingMetrics;
  readonly clock: ServingClock;
  readonly ids: PredictionIds;
  readonly log: Log;
  readonly bodyBytes: number;
  /** Deadline of a request that names none, and the longest one it may name. */
  readonly requestTimeoutMs: number;
}

/** The client closed its connection: nobody is there to be told. */
class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/** The version that a request is inside; it may change once the inputs are known. */
interface Place {
  assigned: Assignment;
}

/** The way of a prediction: body, version, tensors, gate, queue and runtime, answer; then the sink hears of it. */
export class PredictionPath {
  readonly #options: PredictionPathOptions;
  readonly #shadows: ShadowCopies;

  constructor(options: PredictionPathOptions) {
    this.#options = options;
    const { sink, clock, requestTimeoutMs: timeoutMs } = options;
    this.#shadows = new ShadowCopies({ sink, clock, timeoutMs, random: Math.random });
  }

  /** Answers one request, whatever happens. */
  async predict<C>(exchange: Exchange, protocol: PredictProtocol<C>, model: string, selector: Selector): Promise<void> {
    let place: Place | undefined;
    try {
      const body = await exchange.readBody(this.#options.bodyBytes);
      place = { assigned: this.#assign(exchange, protocol, model, selector) };
      place.assigned.served.enter();
      await this.#answer(exchange, protocol, place, body);
    } catch (error) {
      this.#fail(exchange, protocol, place?.assigned, error);
    } finally {
      place?.assigned.served.leave();
    }
  }

  #assign<C>(exchange: Exchange, protocol: PredictProtocol<C>, model: string, selector: Selector): Assignment {
    const assigned = this.#options.traffic.assign(model, selector, exchange);
    if (assigned.kind === 'assigned') return assigned;
    const refusal = protocol.unresolved(model, selector, assigned);
    if (assigned.kind === 'not-ready') this.#count(assigned.served, refusal.code, this.#options.clock.wallMs());
    throw refusal;
  }

  /** Some deployments look at the inputs, which the champion's signature has decoded. */
  #settle(exchange: Exchange, place: Place, inputs: readonly Tensor[]): void {
    const { served: before, router } = place.assigned;
    if (router === undefined) return;
    place.assigned = router.settle(exchange, inputs);
    place.assigned.served.enter();
    before.leave();
  }

  async #answer<C>(exchange: Exchange, protocol: PredictProtocol<C>, place: Place, body: Buffer): Promise<void> {
    const { clock, ids, sink } = this.#options;
    const first = place.assigned.served;
    const { headers } = exchange;
    const timeoutMs = callerTimeoutMs(headers, this.#options.requestTimeoutMs);
    const eventMs = callerEventTime(headers);
    const tags = callerTags(headers);
    let key = callerKey(headers);
    const decoding = protocol.decode(body, exchange, first.model, first.signature);
    const decoded = decoding instanceof Promise ? await decoding : decoding;
    if (key === undefined && decoded.id !== undefined && decoded.id.length <= 200) key = decoded.id || undefined;
    this.#settle(exchange, place, decoded.inputs);
    const { served, arm, shadows } = place.assigned;
    const { inputs, rows, batchKey } = served.gate.admit(decoded.inputs);
    let run: RunResult | undefined;
    let outputs: readonly Tensor[];
    if (rows === 0) outputs = served.gate.emptyOutputs();
    else {
      run = await this.#run(exchange, served, decoded, { inputs, rows, batchKey, timeoutMs });
      outputs = run.outputs;
    }
    const predictionId = ids.next();
    const encoding = protocol.encode({ served, predictionId, outputs }, decoded.context);
    const encoded = encoding instanceof Promise ? await encoding : encoding;
    const own = ['x-holdfast-prediction-id', predictionId, 'x-holdfast-version', String(served.version)];
    exchange.reply({
      status: 200,
      contentType: encoded.contentType,
      body: encoded.body,
      isAscii: encoded.isAscii === true,
      headers: encoded.headers === undefined ? own : [...own, ...encoded.headers],
    });
    const latencyUs = (clock.monotonicMs() - exchange.startedMs) * 1000;
    served.numbers.succeeded(rows, latencyUs, run);
    if (rows === 0) return;
    arm?.answered(outputs, rows, latencyUs);
    const { receivedMs } = exchange;
    const answered = { signature: served.signature, id: predictionId, receivedMs, eventMs, key, inputs, outputs };
    sink.answered({
      ...answered,
      model: served.model,
      version: served.version,
      rows,
      tags: arm === undefined ? tags : tags === undefined ? arm.tags : `${arm.tags},${tags}`,
      latencyUs,
    });
    if (shadows.length === 0 || run === undefined) return;
    const runUs = run.queueUs + run.joinUs + run.inferUs + run.splitUs;
    this.#shadows.copy(shadows, { ...answered, tags, runUs });
  }

  /** Hands the request to its version's queue. */
  #run<C>(
    exchange: Exchange,
    served: ServedVersion,
    { timeout }: Decoded<C>,
    request: {
      readonly inputs: readonly Tensor[];
      readonly rows: number;
      readonly batchKey: string;
      readonly timeoutMs: number;
    },
  ): Promise<RunResult> {
    const { inputs, rows, batchKey, timeoutMs } = request;
    const isShorter = timeout !== undefined && timeout.ms < timeoutMs;
    const ticket = served.batcher.submit({
      inputs,
      rows,
      batchKey,
      deadlineMs: exchange.startedMs + (isShorter ? timeout.ms : timeoutMs),
      expired: isShorter
        ? timeout.refusal
        : () => new Refusal('deadline_exceeded', faults.deadline_exceeded.say(timeoutMs)),
    });
    exchange.onGone(() => ticket.cancel(new ClientGone('the client closed the connection')));
    return ticket.result;
  }

  #fail<C>(exchange: Exchange, protocol: PredictProtocol<C>, assigned: Assignment | undefined, error: unknown): void {
    const { log, metrics, ids, clock } = this.#options;
    const { served, arm } = assigned ?? {};
    if (error instanceof ClientGone) {
      served?.numbers.canceled();
      arm?.canceled((clock.monotonicMs() - exchange.startedMs) * 1000);
      return;
    }
    const errorId = ids.next();
    const refusal = asRefusal(error, errorId);
    if (refusal.code === 'internal') log.error({ error, errorId, model: served?.model }, 'serving.failed');
    exchange.reply(protocol.refuse(refusal));
    metrics.refused(refusal.code);
    arm?.failed(refusal.code);
    if (served !== undefined) this.#count(served, refusal.code, exchange.receivedMs, callerEventTimeOrNone(exchange));
  }

  #count(served: ServedVersion, code: FaultCode, receivedMs: number, eventMs?: number): void {
    served.numbers.failed(code);
    this.#options.sink.failed({ model: served.model, version: served.version, receivedMs, eventMs, code });
  }
}

function callerEventTimeOrNone(exchange: Exchange): number | undefined {
  try {
    return callerEventTime(exchange.headers);
  } catch {
    return undefined;
  }
}
