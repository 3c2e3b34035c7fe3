/**
 * Calls `run` for every item, at most `concurrency` at a time, and yields the answers in the order of the items. Items are
 * drawn as answers are taken, so a slow reader holds the source back; an answer that is ready does not wait for a source
 * that has no further item yet. Ending the iteration early aborts what is in flight.
 * @throws what `run` or the source throws, at its place in the order
 */
export async function* inOrder<I, O>(
  items: Iterable<I> | AsyncIterable<I>,
  concurrency: number,
  run: (item: I, signal: AbortSignal) => Promise<O>,
): AsyncGenerator<O, void, undefined> {
  const over = new AbortController();
  const pending: Promise<O>[] = [];
  const isAsync = Symbol.asyncIterator in items;
  const iterator = isAsync ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let isDone = false;
  const draw = async (): Promise<void> => {
    try {
      const next = await iterator.next();
      if (next.done === true) isDone = true;
      else pending.push(run(next.value, over.signal));
    } catch (error) {
      isDone = true;
      pending.push(Promise.reject(error));
    }
    // Its turn to be awaited comes later; a failure until then is not unhandled.
    pending.at(-1)?.catch(() => {});
  };
  let drawing: Promise<void> | undefined;
  try {
    while (true) {
      while (!isDone && pending.length < concurrency) {
        drawing ??= draw().finally(() => {
          drawing = undefined;
        });
        const [first] = pending;
        if (!isAsync || first === undefined) await drawing;
        else {
          const isFirstReady = first.then(
            () => true,
            () => true,
          );
          if ((await Promise.race([drawing, isFirstReady])) === true) break;
        }
      }
      const first = pending.shift();
      if (first === undefined) return;
      yield await first;
    }
  } finally {
    over.abort();
    const ending = iterator.return?.();
    // A source that is still asked for an item ends after it, which may be never.
    if (drawing === undefined) await ending;
    else if (ending instanceof Promise) ending.catch(() => {});
  }
}
