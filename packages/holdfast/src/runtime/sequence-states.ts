import { type Signature, type Tensor, type TensorSpec, typedArrayOf } from '@holdfast/api';
import type { RunAnswer, SequenceTarget, StateStep } from './runner.ts';

/** The run belongs to a sequence whose state is not here. */
export class UnknownSequence extends Error {
  override readonly name = 'UnknownSequence';
}

interface StateSpec {
  readonly output: string;
  readonly input: TensorSpec;
  readonly shape: readonly number[];
}

interface Kept {
  readonly states: readonly Tensor[];
  readonly usedMs: number;
}

export interface SequenceStatesOptions {
  readonly run: (inputs: readonly Tensor[]) => Promise<RunAnswer>;
  readonly signature: Signature;
  readonly sequences: SequenceTarget;
  /** Milliseconds from a monotonic clock. */
  readonly clock: () => number;
}

/** A zero of the state's dtype in every element; the batch has as many rows as the request. */
function zeros({ input, shape }: StateSpec, rows: number): Tensor {
  const { name, datatype } = input;
  const own = shape.map((dim, axis) => (dim === -1 && axis === 0 ? rows : dim));
  const count = own.reduce((product, dim) => product * dim, 1);
  const data = datatype === 'BYTES' ? Array.from({ length: count }, () => '') : new typedArrayOf[datatype](count);
  return { name, datatype, shape: own, data };
}

/** Views of a frame must not keep the whole frame. */
function copyOf(tensor: Tensor, name: string): Tensor {
  return { ...tensor, name, shape: tensor.shape.slice(), data: tensor.data.slice() };
}

/** Keeps the state tensors of every sequence: what one run gives as a declared output is an input of the next. */
export class SequenceStates {
  readonly #options: SequenceStatesOptions;
  readonly #specs: readonly StateSpec[];
  readonly #outputs: ReadonlySet<string>;
  /** By connection and slot; the one that was idle longest first. */
  readonly #kept = new Map<string, Kept>();

  /** @throws Error when a declared state is not in the model, in words for the model's owner */
  constructor(options: SequenceStatesOptions) {
    this.#options = options;
    const { signature, sequences } = options;
    this.#specs = sequences.states.map(({ input, output, shape }) => {
      const from = signature.outputs.find(({ name }) => name === output);
      const to = signature.inputs.find(({ name }) => name === input);
      if (from === undefined) throw new Error(`sequences.states: the model has no output "${output}"`);
      if (to === undefined) throw new Error(`sequences.states: the model has no input "${input}"`);
      if (from.datatype !== to.datatype) {
        throw new Error(`sequences.states: "${output}" is ${from.datatype}, but "${input}" is ${to.datatype}`);
      }
      const initial = shape ?? to.shape;
      if (initial.length !== to.shape.length || initial.slice(1).includes(-1)) {
        throw new Error(
          `sequences.states: give a shape for "${input}", [${to.shape.join(',')}], without -1 beyond its first dimension`,
        );
      }
      return { output, input: to, shape: initial };
    });
    this.#outputs = new Set(sequences.states.map(({ output }) => output));
  }

  /**
   * @throws UnknownSequence when it does not start and nothing is kept; Error of the runtime, and the state stays as it was
   */
  async run(inputs: readonly Tensor[], step: StateStep & { readonly connection: number }): Promise<RunAnswer> {
    const { clock } = this.#options;
    this.#forgetIdle();
    const key = `${step.connection}/${step.slot}`;
    const kept = step.isStart ? undefined : this.#kept.get(key);
    if (kept === undefined && !step.isStart) {
      throw new UnknownSequence(
        'the state of this sequence is gone, because it was idle too long or its process was replaced; start it anew',
      );
    }
    const rows = inputs[0]?.shape[0] ?? 1;
    const states = kept?.states ?? this.#specs.map(spec => zeros(spec, rows));
    const { outputs, inferUs } = await this.#options.run([...inputs, ...states]);
    const next = this.#specs.map(({ output, input }) =>
      copyOf(outputs.find(({ name }) => name === output)!, input.name),
    );
    this.#kept.delete(key);
    if (!step.isEnd) this.#kept.set(key, { states: next, usedMs: clock() });
    return { outputs: outputs.filter(({ name }) => !this.#outputs.has(name)), inferUs };
  }

  /** Nobody can ask for what was kept for this connection any more. */
  closed(connection: number): void {
    for (const key of this.#kept.keys()) if (key.startsWith(`${connection}/`)) this.#kept.delete(key);
  }

  #forgetIdle(): void {
    const { clock, sequences } = this.#options;
    const nowMs = clock();
    for (const [key, { usedMs }] of this.#kept) {
      // Those who count idle time at the other end have a head start: it is they who tell the caller.
      if (nowMs - usedMs < sequences.idleMs + 1000) return;
      this.#kept.delete(key);
    }
  }
}
