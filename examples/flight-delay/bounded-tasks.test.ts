import { expect, test } from 'vitest';
import { BoundedTasks } from './bounded-tasks.ts';

test('never more than the limit run at a time, and all are done in the end', async () => {
  const tasks = new BoundedTasks(3);
  let running = 0;
  let most = 0;
  let done = 0;
  for (let task = 0; task < 20; task++) {
    await tasks.start(async () => {
      most = Math.max(most, ++running);
      for (let turns = 0; turns <= task % 4; turns++) await new Promise(resolve => setImmediate(resolve));
      running--;
      done++;
    });
  }
  await tasks.finish();
  expect([most, done, tasks.running]).toEqual([3, 20, 0]);
});

test('a failure reaches whoever starts the next task or waits for the end', async () => {
  const tasks = new BoundedTasks(1);
  await tasks.start(() => Promise.reject(new Error('lost')));
  await expect(tasks.start(() => Promise.resolve())).rejects.toThrow('lost');
  await expect(tasks.finish()).rejects.toThrow('lost');
});
