import { faults } from '@holdfast/api';
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
  /** Names the state in the runner; never used twice. */
  readonly slot: number;
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
      this.#slots = (this.#slots % lastSlot) + 1;
      sequence = { slot: this.#slots, home: { runner: undefined }, usedMs: 0 };
    }
    if (sequence === undefined) {
      throw badRequest(
        `inference request for sequence ${name} to model '${model}' must specify the START flag on the first request of the sequence`,
      );
    }
    sequence.usedMs = this.#options.clock.monotonicMs();
    this.#sequences.delete(key);
    if (!isEnd) this.#sequences.set(key, sequence);
    return { slot: sequence.slot, isStart, isEnd, home: sequence.home, name };
  }

  /** Its state is gone: the next request must start it anew. */
  lost(asked: SequenceParameters, { slot }: SequenceStep): void {
    const key = keyOf(asked.id);
    if (this.#sequences.get(key)?.slot === slot) this.#sequences.delete(key);
  }

  #forgetIdle(): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [key, { usedMs }] of this.#sequences) {
      if (nowMs - usedMs < this.#options.idleMs) return;
      this.#sequences.delete(key);
    }
  }
}
