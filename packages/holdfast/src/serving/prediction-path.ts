import { type FaultCode, fault, faults, isFault, type Tensor } from '@holdfast/api';
import type { Log } from '../telemetry/index.ts';
import type { AdmittedCaller, CallerGate } from './admission/caller-gate.ts';
import type { RunResult } from './batching/run-request.ts';
import type { ServingClock } from './clock.ts';
import { type CallerHeaders, callerEventTime, callerKey, callerTags, callerTimeoutMs } from './http/request-headers.ts';
import type { ServingMetrics } from './metrics.ts';
import type { PredictionIds } from './prediction-id.ts';
import type { PredictionSink } from './prediction-sink.ts';
import type { Decoded, PredictionCall, PredictProtocol } from './protocols/protocol.ts';
import { asRefusal, Refusal } from './refusal.ts';
import { ResponseCache } from './response-cache.ts';
import { type Assignment, plainAssignment } from './traffic/deployment-router.ts';
import type { RequestFacts } from './traffic/request-facts.ts';
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
  /** Holds callers to their allowances; undefined where all may do as they like. */
  readonly callers?: CallerGate | undefined;
  /** Deadline of a request that names none, and the longest one it may name. */
  readonly requestTimeoutMs: number;
}

/** A caller's own deadline passes this much before ours at most: the request was on its way for a while. */
const deadlineSkewMs = 50;

/** What could only be refused is not even decoded. @throws Fault `overloaded` */
function shedUnread({ served, router }: Assignment, caller: AdmittedCaller | undefined): void {
  if (router !== undefined || served.cache !== undefined) return;
  if (served.isFullFor(caller?.key ?? '')) throw fault('overloaded', 1000);
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
  async predict<C, E, R, Call extends PredictionCall<E, R>>(
    call: Call,
    protocol: PredictProtocol<C, E, R, Call>,
    model: string,
    selector: Selector,
  ): Promise<void> {
    let place: Place | undefined;
    let caller: AdmittedCaller | undefined;
    try {
      caller = this.#options.callers?.enter(call);
      const body = await call.readBody(this.#options.bodyBytes);
      place = { assigned: this.#assign(call, protocol, model, selector) };
      place.assigned.served.enter();
      shedUnread(place.assigned, caller);
      await this.#answer(call, protocol, place, body, caller);
    } catch (error) {
      this.#fail(call, protocol, place?.assigned, error);
    } finally {
      place?.assigned.served.leave();
      if (caller !== undefined) this.#options.callers?.leave(caller);
    }
  }

  #assign(
    call: PredictionCall<unknown, unknown>,
    protocol: Pick<PredictProtocol<unknown>, 'unresolved'>,
    model: string,
    selector: Selector,
  ): Assignment {
    const assigned = this.#options.traffic.assign(model, selector, call);
    if (assigned.kind === 'assigned') return assigned;
    const refusal = protocol.unresolved(model, selector, assigned);
    if (assigned.kind === 'not-ready') this.#count(assigned.served, refusal.code, call);
    throw refusal;
  }

  /** Some deployments look at the inputs or the sequence, which the champion's signature has decoded. */
  #settle(call: RequestFacts, place: Place, { inputs, sequence }: Pick<Decoded<unknown>, 'inputs' | 'sequence'>): void {
    const { served: before, router } = place.assigned;
    if (router === undefined) return;
    const settled = router.settle(call, inputs, sequence);
    // A new table may have come while the body was read elsewhere; the version that it was read for is still there.
    place.assigned = settled.served.isOpen ? settled : plainAssignment(before);
    place.assigned.served.enter();
    before.leave();
  }

  async #answer<C, E, R, Call extends PredictionCall<E, R>>(
    call: Call,
    protocol: PredictProtocol<C, E, R, Call>,
    place: Place,
    body: Buffer,
    caller: AdmittedCaller | undefined,
  ): Promise<void> {
    const { clock, ids, sink, requestTimeoutMs } = this.#options;
    const first = place.assigned.served;
    const { headers, transportTimeoutMs } = call;
    const limitMs =
      transportTimeoutMs === undefined ? requestTimeoutMs : Math.min(transportTimeoutMs, requestTimeoutMs);
    const timeoutMs = callerTimeoutMs(headers, limitMs);
    const eventMs = callerEventTime(headers);
    const tags = callerTags(headers);
    let key = callerKey(headers);
    const decoding = protocol.decode(body, call, first.model, first.signature);
    const decoded = decoding instanceof Promise ? await decoding : decoding;
    if (key === undefined && decoded.id !== undefined && decoded.id.length <= 200) key = decoded.id || undefined;
    this.#settle(call, place, decoded);
    const { served, arm, shadows } = place.assigned;
    const { inputs, rows, batchKey } = served.gate.admit(decoded.inputs);
    const mayRemember = served.cache !== undefined && served.sequences === undefined && rows > 0;
    const cacheKey = !mayRemember ? undefined : ResponseCache.keyOf(inputs);
    const remembered = cacheKey === undefined ? undefined : served.cache?.get(cacheKey);
    let run: RunResult | undefined;
    let outputs: readonly Tensor[];
    if (rows === 0) outputs = served.gate.emptyOutputs();
    else if (remembered !== undefined) outputs = remembered;
    else {
      run = await this.#run(call, served, decoded, { inputs, rows, batchKey, timeoutMs, caller });
      outputs = run.outputs;
      if (cacheKey !== undefined) served.cache?.set(cacheKey, outputs);
    }
    const predictionId = ids.next();
    const encoding = protocol.encode({ served, predictionId, outputs }, decoded.context);
    call.answer(encoding instanceof Promise ? await encoding : encoding, { predictionId, version: served.version });
    const latencyUs = (clock.monotonicMs() - call.startedMs) * 1000;
    served.numbers.succeeded(rows, latencyUs, remembered === undefined ? run : 'remembered');
    if (cacheKey !== undefined && run !== undefined) served.numbers.cacheMissed(latencyUs);
    if (rows === 0) return;
    // What is remembered says how long the cache takes, and a new version's cache is empty.
    arm?.answered(outputs, rows, remembered === undefined ? latencyUs : undefined);
    const { receivedMs } = call;
    const answered = { signature: served.signature, id: predictionId, receivedMs, eventMs, key, inputs, outputs };
    sink.answered({
      ...answered,
      model: served.model,
      version: served.version,
      rows,
      tags: joinTags(arm?.tags, run?.parts === undefined ? undefined : `parts=${run.parts}`, tags),
      latencyUs,
    });
    if (shadows.length === 0 || run === undefined) return;
    this.#shadows.copy(shadows, { ...answered, tags, inferUs: run.inferUs });
  }

  /** Hands the request to its version's queue. */
  async #run<C>(
    call: Pick<PredictionCall<unknown, unknown>, 'startedMs' | 'transportTimeoutMs' | 'onGone'>,
    served: ServedVersion,
    { timeout, priority, sequence: asked }: Decoded<C>,
    request: {
      readonly inputs: readonly Tensor[];
      readonly rows: number;
      readonly batchKey: string;
      readonly timeoutMs: number;
      readonly caller: AdmittedCaller | undefined;
    },
  ): Promise<RunResult> {
    const { inputs, rows, batchKey, timeoutMs, caller } = request;
    const sequence = served.sequences?.step(asked);
    try {
      const ticket = served.submit({
        inputs,
        rows,
        batchKey,
        priority,
        queueTimeoutMs: timeout?.ms,
        caller,
        sequence,
        deadlineMs: call.startedMs + timeoutMs,
        expired: () => new Refusal('deadline_exceeded', faults.deadline_exceeded.say(timeoutMs)),
      });
      call.onGone(() => {
        // A transport with deadlines also ends the call when one passes; that is an answer, not a caller who left.
        const { transportTimeoutMs = Number.POSITIVE_INFINITY } = call;
        const isLate = this.#options.clock.monotonicMs() - call.startedMs >= transportTimeoutMs - deadlineSkewMs;
        ticket.cancel(
          isLate
            ? new Refusal('deadline_exceeded', faults.deadline_exceeded.say(timeoutMs))
            : new ClientGone('the client closed the connection'),
        );
      });
      return await ticket.result;
    } catch (error) {
      if (sequence !== undefined && asked !== undefined && isFault(error)) {
        served.sequences?.failed(asked, sequence, error.code);
      }
      throw error;
    }
  }

  #fail<C, E, R, Call extends PredictionCall<E, R>>(
    call: Call,
    protocol: PredictProtocol<C, E, R, Call>,
    assigned: Assignment | undefined,
    error: unknown,
  ): void {
    const { log, metrics, ids, clock } = this.#options;
    const { served, arm } = assigned ?? {};
    if (error instanceof ClientGone) {
      const totalUs = (clock.monotonicMs() - call.startedMs) * 1000;
      served?.numbers.canceled(totalUs);
      arm?.canceled(totalUs);
      return;
    }
    const errorId = ids.next();
    const refusal = asRefusal(error, errorId);
    if (refusal.code === 'internal') log.error({ error, errorId, model: served?.model }, 'serving.failed');
    call.reply(protocol.refuse(refusal));
    metrics.refused(refusal.code);
    arm?.failed(refusal.code);
    if (served !== undefined) this.#count(served, refusal.code, call, callerEventTimeOrNone(call.headers));
  }

  #count(
    served: ServedVersion,
    code: FaultCode,
    { receivedMs, startedMs }: Pick<PredictionCall<unknown, unknown>, 'receivedMs' | 'startedMs'>,
    eventMs?: number,
  ): void {
    served.numbers.failed(code, (this.#options.clock.monotonicMs() - startedMs) * 1000);
    this.#options.sink.failed({ model: served.model, version: served.version, receivedMs, eventMs, code });
  }
}

function joinTags(...tags: readonly (string | undefined)[]): string | undefined {
  return tags.filter(tag => tag !== undefined).join(',') || undefined;
}

function callerEventTimeOrNone(headers: CallerHeaders): number | undefined {
  try {
    return callerEventTime(headers);
  } catch {
    return undefined;
  }
}
