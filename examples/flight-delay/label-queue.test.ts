import { expect, test } from 'vitest';
import { flightTimeMs, LabelQueue } from './label-queue.ts';

const minuteMs = 60_000;

test('labels are handed out once they are known, oldest first, at most as many as asked for', () => {
  const queue = new LabelQueue();
  queue.add('late', 1, 25 * minuteMs);
  queue.add('a/0', 0, 5 * minuteMs);
  queue.add('a/1', 1, 10 * minuteMs);
  expect(queue.dueAt(9 * minuteMs)).toBe(0);
  expect(queue.dueAt(10 * minuteMs)).toBe(2);
  expect(queue.takeDue(10 * minuteMs, 1)).toEqual(['{"prediction_id":"a/0","value":0,"event_time":300000}\n']);
  expect(queue.takeDue(30 * minuteMs, 9)).toEqual([
    '{"prediction_id":"a/1","value":1,"event_time":600000}\n',
    '{"prediction_id":"late","value":1,"event_time":1500000}\n',
  ]);
  expect(queue.size).toBe(0);
});

test('a label added after its time is handed out next', () => {
  const queue = new LabelQueue();
  expect(queue.takeDue(60 * minuteMs, 9)).toEqual([]);
  queue.add('slow', 1, 10 * minuteMs);
  expect(queue.takeDue(60 * minuteMs, 9)).toHaveLength(1);
});

test('New York to Los Angeles takes six hours, a hop to the next town forty minutes', () => {
  expect(flightTimeMs(2475) / minuteMs).toBe(360);
  expect(flightTimeMs(75) / minuteMs).toBe(40);
});
