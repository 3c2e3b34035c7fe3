/** Lets one piece of work at a time at something shared, in the order of asking; a failure does not hold up the next. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** @returns what the work returns, once it had its turn; rejects as the work does */
  take<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => {});
    return mine;
  }

  /** Settles when all that was asked for until now has ended. */
  async ended(): Promise<void> {
    await this.#last;
  }
}

/** {@link Turns} of each key, kept only while somebody waits for it. */
export class KeyedTurns<Key> {
  readonly #turns = new Map<Key, { readonly turns: Turns; waiting: number }>();

  /** @returns what the work returns, once the key's earlier work has ended; rejects as the work does */
  async take<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const entry = this.#turns.get(key) ?? { turns: new Turns(), waiting: 0 };
    this.#turns.set(key, entry);
    entry.waiting++;
    try {
      return await entry.turns.take(work);
    } finally {
      if (--entry.waiting === 0) this.#turns.delete(key);
    }
  }
}
