import type { Signature, Tensor } from '@holdfast/api';
import type { ServingClock } from '../clock.ts';
import type { PredictionSink } from '../prediction-sink.ts';
import { asRefusal, Refusal } from '../refusal.ts';
import type { ShadowArm } from './deployment-router.ts';

/** A request that the champion has answered. */
export interface Answered {
  readonly signature: Signature;
  readonly id: string;
  readonly key: string | undefined;
  readonly tags: string | undefined;
  readonly eventMs: number | undefined;
  readonly receivedMs: number;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** What the champion's run took, to compare with that of the copy: nobody waits in front of either. */
  readonly inferUs: number;
}

export interface ShadowCopiesOptions {
  readonly sink: PredictionSink;
  readonly clock: ServingClock;
  readonly timeoutMs: number;
  readonly random: () => number;
}

/** Copies of one version under way; more are dropped, so that a slow shadow costs bounded memory. */
const mostCopies = 64;
const mostBytes = 33_554_432;
const whole = 10_000;

interface Load {
  copies: number;
  bytes: number;
}

function bytesOf(tensors: readonly Tensor[]): number {
  let bytes = 0;
  for (const { data } of tensors) {
    bytes += ArrayBuffer.isView(data) ? data.byteLength : data.reduce((sum, text) => sum + 2 * text.length, 0);
  }
  return bytes;
}

/**
 * Runs copies of answered requests on shadow versions, compares and records what they say, and tells nobody. The
 * answer has left before its copy is made.
 */
export class ShadowCopies {
  readonly #options: ShadowCopiesOptions;
  readonly #loads = new WeakMap<ShadowArm, Load>();

  constructor(options: ShadowCopiesOptions) {
    this.#options = options;
  }

  copy(shadows: readonly ShadowArm[], request: Answered): void {
    for (const shadow of shadows) {
      if (!shadow.served.isOpen) continue;
      if (shadow.weight < whole && this.#options.random() * whole >= shadow.weight) continue;
      this.#copy(shadow, request);
    }
  }

  #copy(shadow: ShadowArm, request: Answered): void {
    const load = this.#loads.get(shadow) ?? { copies: 0, bytes: 0 };
    this.#loads.set(shadow, load);
    const bytes = bytesOf(request.inputs);
    if (load.copies >= mostCopies || (load.copies > 0 && load.bytes + bytes > mostBytes)) {
      shadow.numbers.copyDropped();
      return;
    }
    load.copies++;
    load.bytes += bytes;
    shadow.served.enter();
    // After this turn, in which the answer is written.
    setImmediate(() => {
      void this.#run(shadow, request).finally(() => {
        load.copies--;
        load.bytes -= bytes;
        shadow.served.leave();
      });
    });
  }

  async #run(shadow: ShadowArm, request: Answered): Promise<void> {
    const { clock, sink, timeoutMs } = this.#options;
    const { served, numbers, tolerance } = shadow;
    const startedMs = clock.monotonicMs();
    const record = { model: served.model, version: served.version, receivedMs: request.receivedMs };
    try {
      const { inputs, rows, batchKey } = served.gate.admit(request.inputs);
      const ticket = served.submit({
        inputs,
        rows,
        batchKey,
        deadlineMs: startedMs + timeoutMs,
        expired: () => new Refusal('deadline_exceeded', 'the copy took too long'),
      });
      const { outputs, inferUs } = await ticket.result;
      const latencyUs = (clock.monotonicMs() - startedMs) * 1000;
      numbers.answered(outputs, rows, inferUs);
      numbers.championTook(request.inferUs);
      numbers.compared(outputs, request.outputs, rows, tolerance);
      const tags = request.tags === undefined ? numbers.tags : `${numbers.tags},${request.tags}`;
      // Under the id of the answer, so that ground truth for the answer is ground truth for its copy.
      const { id, key, eventMs } = request;
      sink.answered({
        ...record,
        signature: served.signature,
        id,
        rows,
        eventMs,
        key,
        tags,
        inputs,
        outputs,
        latencyUs,
      });
    } catch (error) {
      const { code } = asRefusal(error, '');
      if (code === 'overloaded') {
        numbers.copyDropped();
        return;
      }
      numbers.failed(code);
      numbers.copyFailed();
      sink.failed({ ...record, eventMs: request.eventMs, code });
    }
  }
}
