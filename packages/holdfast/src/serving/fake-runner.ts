import { fault, type Tensor } from '@holdfast/api';
import type { RunAnswer, Runner } from '../runtime/index.ts';

export type FakeModel = (inputs: readonly Tensor[]) => readonly Tensor[];

/** A runner in this process: answers at once, or when it is told to, and remembers what it was asked. */
export class FakeRunner implements Runner {
  readonly batches: (readonly Tensor[])[] = [];
  isBusy = false;
  isDisposed = false;
  readonly #model: FakeModel;
  #held: PromiseWithResolvers<void> | undefined;
  #isLost = false;

  constructor(model: FakeModel) {
    this.#model = model;
  }

  /** Runs wait from now on, until {@link release}. */
  hold(): void {
    this.#held ??= Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  /** The process is gone: a run under way and all later ones fail. */
  lose(): void {
    this.#isLost = true;
    this.release();
  }

  async run(inputs: readonly Tensor[]): Promise<RunAnswer> {
    this.batches.push(inputs);
    this.isBusy = true;
    await this.#held?.promise;
    this.isBusy = false;
    if (this.#isLost) throw fault('runner_lost', 'fake');
    return { outputs: this.#model(inputs), inferUs: 7 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
    this.lose();
  }
}
