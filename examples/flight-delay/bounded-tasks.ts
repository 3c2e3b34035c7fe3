/** Runs tasks side by side, never more than a limit; whoever starts one waits for a free place. */
export class BoundedTasks {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  /** @param limit most tasks at a time, at least 1 */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Starts a task as soon as there is room. @throws the error of an earlier task that failed */
  async start(task: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit) await Promise.race(this.#running);
    this.#throwFailure();
    const run = task()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Waits until nothing runs. @throws the first error of a task */
  async finish(): Promise<void> {
    await Promise.all(this.#running);
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
