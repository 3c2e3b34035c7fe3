import { expect, test } from 'vitest';
import { inOrder } from './in-order.ts';

test('answers come in order, whatever order they are ready in, and no more than allowed run at a time', async () => {
  let running = 0;
  let most = 0;
  // Of every three the first two wait for the third, so they end in another order than they began.
  const thirds = Array.from({ length: 2 }, () => Promise.withResolvers<void>());
  const run = async (item: number) => {
    most = Math.max(most, ++running);
    const third = thirds[Math.floor(item / 3)];
    if (item % 3 === 2) third?.resolve();
    else await third?.promise;
    running--;
    return item * 10;
  };
  const answers = await Array.fromAsync(inOrder([0, 1, 2, 3, 4, 5], 3, run));
  expect(answers).toEqual([0, 10, 20, 30, 40, 50]);
  expect(most).toBe(3);
});

test('a slow reader holds the source back', async () => {
  let drawn = 0;
  function* source() {
    for (;;) yield drawn++;
  }
  const answers = inOrder(source(), 2, async item => item);
  await answers.next();
  await answers.next();
  expect(drawn).toBe(3);
  await answers.return();
});

test('a failure is told at its place, and what is in flight is aborted', async () => {
  const aborted: number[] = [];
  const run = (item: number, signal: AbortSignal): Promise<number> => {
    if (item === 0) return Promise.resolve(0);
    if (item === 1) return Promise.reject(new Error('one failed'));
    return new Promise((_, reject) =>
      signal.addEventListener('abort', () => {
        aborted.push(item);
        reject(signal.reason);
      }),
    );
  };
  const answers = inOrder([0, 1, 2], 3, run);
  expect((await answers.next()).value).toBe(0);
  await expect(answers.next()).rejects.toThrow('one failed');
  expect(aborted).toEqual([2]);
});

test('an answer does not wait for a source that has no further item yet', async () => {
  let answered: (() => void) | undefined;
  async function* conversation() {
    yield 1;
    await new Promise<void>(resolve => (answered = resolve));
    yield 2;
  }
  const answers = inOrder(conversation(), 4, async item => item * 10);
  expect((await answers.next()).value).toBe(10);
  answered?.();
  expect((await answers.next()).value).toBe(20);
  expect((await answers.next()).done).toBe(true);
});

test('a source that fails is told of after the answers to what it gave', async () => {
  function* source() {
    yield 1;
    throw new Error('the file ended');
  }
  const answers = inOrder(source(), 4, async item => item * 10);
  expect((await answers.next()).value).toBe(10);
  await expect(answers.next()).rejects.toThrow('the file ended');
});
