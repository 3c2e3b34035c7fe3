import { expect, test } from 'vitest';
import { KeyedTurns, Turns } from './turns.ts';

test('work waits for the work before it, also after a failure', async () => {
  const turns = new Turns();
  const events: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = turns.take(async () => {
    events.push('first starts');
    await gate.promise;
    events.push('first fails');
    throw new Error('no');
  });
  const second = turns.take(async () => {
    events.push('second');
    return 2;
  });
  gate.resolve();
  await expect(first).rejects.toThrow('no');
  await expect(second).resolves.toBe(2);
  expect(events).toEqual(['first starts', 'first fails', 'second']);
});

test('what has been asked for has ended once the turns have', async () => {
  const turns = new Turns();
  let isDone = false;
  void turns.take(async () => {
    await Promise.resolve();
    isDone = true;
  });
  await turns.ended();
  expect(isDone).toBe(true);
});

test('keys do not wait for each other, and the same key does', async () => {
  const turns = new KeyedTurns<string>();
  const events: string[] = [];
  const gate = Promise.withResolvers<void>();
  const slow = turns.take('a', async () => {
    await gate.promise;
    events.push('a1');
  });
  const next = turns.take('a', async () => void events.push('a2'));
  await turns.take('b', async () => void events.push('b'));
  gate.resolve();
  await Promise.all([slow, next]);
  expect(events).toEqual(['b', 'a1', 'a2']);
});
