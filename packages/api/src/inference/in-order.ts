/**
 * Calls `run` for every item, at most `concurrency` at a time, and yields the answers in the order of the items. Items are
 * drawn as answers are taken, so a slow reader holds the source back. Ending the iteration early aborts what is in flight.
 * @throws what `run` or the source throws, at its place in the order
 */
export async function* inOrder<I, O>(
  items: Iterable<I> | AsyncIterable<I>,
  concurrency: number,
  run: (item: I, signal: AbortSignal) => Promise<O>,
): AsyncGenerator<O, void, undefined> {
  const over = new AbortController();
  const pending: Promise<O>[] = [];
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  try {
    let isDone = false;
    while (true) {
      while (!isDone && pending.length < concurrency) {
        const next = await iterator.next();
        if (next.done === true) isDone = true;
        else {
          const answer = run(next.value, over.signal);
          // Its turn to be awaited comes later; a failure until then is not unhandled.
          answer.catch(() => {});
          pending.push(answer);
        }
      }
      const first = pending.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    over.abort();
    await iterator.return?.();
  }
}
