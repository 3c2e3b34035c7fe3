import { type FaultCode, faults } from '@holdfast/api';
import type { Runner } from '../../runtime/index.ts';
import type { ServingClock } from '../clock.ts';
import { badRequest, Refusal } from '../refusal.ts';

/** What a request says of the sequence that it belongs to. */
export interface SequenceParameters {
  /** Chosen by the caller: a number above 0 or a text. */
  readonly id: bigint | number | string;
  readonly isStart: boolean;
  readonly isEnd: boolean;
}

/** One request of a sequence on its way through the queue. */
export interface SequenceStep {
  /** Names the state in the runner; a sequence that is started anew keeps its own, so that no old state is left behind. */
  readonly slot: number;
  /** Which start it comes after, to tell the steps of a sequence from those before it was started anew. */
  readonly start: number;
  readonly isStart: boolean;
  readonly isEnd: boolean;
  /** The runner that has the state, once the first request was given to one; shared by all steps. */
  readonly home: { runner: Runner | undefined };
  /** The caller's id, for error sentences. */
  readonly name: string;
}

export interface SequenceBookOptions {
  readonly model: string;
  /** A sequence without a request for so long is over. */
  readonly idleMs: number;
  /** Sequences at a time. */
  readonly maximum: number;
  readonly clock: Pick<ServingClock, 'monotonicMs'>;
}

interface Sequence {
  readonly slot: number;
  readonly start: number;
  readonly home: { runner: Runner | undefined };
  usedMs: number;
}

const lastSlot = 0xffff_ffff;

/** 5 and "5" are the same sequence to their callers' eyes, but not to the protocol. */
function keyOf(id: bigint | number | string): string {
  return typeof id === 'string' ? `text ${id}` : `number ${id}`;
}

/** The sequences of one version that are under way: each request finds the state that the one before it left. */
export class SequenceBook {
  readonly #options: SequenceBookOptions;
  /** The one that was idle longest first. */
  readonly #sequences = new Map<string, Sequence>();
  #slots = 0;
  #starts = 0;

  constructor(options: SequenceBookOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sequences.size;
  }

  /** Whether the sequence is under way here. */
  has({ id }: SequenceParameters): boolean {
    return this.#sequences.has(keyOf(id));
  }

  /**
   * A start while the sequence is under way begins it anew; the request that ends it is its last.
   * @throws Refusal `bad_request` without an id, or without a start; `overloaded` when there are too many
   */
  step(asked: SequenceParameters | undefined): SequenceStep {
    const { model, maximum } = this.#options;
    this.#forgetIdle();
    if (asked === undefined || asked.id === '' || Number(asked.id) === 0) {
      throw badRequest(`inference request to model '${model}' must specify a non-zero or non-empty correlation ID`);
    }
    const { id, isStart, isEnd } = asked;
    const key = keyOf(id);
    const name = String(id);
    let sequence = this.#sequences.get(key);
    if (isStart) {
      if (sequence === undefined && this.#sequences.size >= maximum) {
        throw new Refusal('overloaded', faults.overloaded.say(1000), { retryAfterSeconds: 1 });
      }
      sequence = { ...(sequence ?? this.#newPlace()), start: ++this.#starts, usedMs: 0 };
    }
    if (sequence === undefined) {
      throw badRequest(
        `inference request for sequence ${name} to model '${model}' must specify the START flag on the first request of the sequence`,
      );
    }
    sequence.usedMs = this.#options.clock.monotonicMs();
    this.#sequences.delete(key);
    if (!isEnd) this.#sequences.set(key, sequence);
    const { slot, start, home } = sequence;
    return { slot, start, isStart, isEnd, home, name };
  }

  #newPlace(): Pick<Sequence, 'slot' | 'home'> {
    this.#slots = (this.#slots % lastSlot) + 1;
    return { slot: this.#slots, home: { runner: undefined } };
  }

  /**
   * A step failed. When the state is gone with it, the next request must start the sequence anew; what was only refused a
   * place in the queue may be sent again.
   */
  failed(asked: SequenceParameters, { slot, start, home, isStart, isEnd }: SequenceStep, code: FaultCode): void {
    const key = keyOf(asked.id);
    const current = this.#sequences.get(key);
    const wasRefused = code === 'overloaded' || code === 'queue_timeout';
    if (wasRefused && isEnd && !isStart && current === undefined) {
      this.#sequences.set(key, { slot, start, home, usedMs: this.#options.clock.monotonicMs() });
    }
    const isLost = code === 'runner_lost' || code === 'bad_request' || (wasRefused && isStart);
    if (isLost && current?.start === start) this.#sequences.delete(key);
  }

  #forgetIdle(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [key, { usedMs }] of this.#sequences) {
      if (nowMs - usedMs < this.#options.idleMs) return;
      this.#sequences.delete(key);
    }
  }
}
