import { expect, test } from 'vitest';
import { SequenceBook } from './sequence-book.ts';

function setUp(maximum = 2) {
  const clock = { nowMs: 0, monotonicMs: (): number => clock.nowMs };
  const book = new SequenceBook({ model: 'm', idleMs: 100, maximum, clock });
  const step = (id: bigint | number | string, flags = '') =>
    book.step({ id, isStart: flags.includes('start'), isEnd: flags.includes('end') });
  return { book, step, clock };
}

test('the steps of a sequence share a slot and a runner; another sequence has its own', () => {
  const { step } = setUp();
  const first = step(5, 'start');
  const second = step(5);
  expect([second.slot, second.home]).toEqual([first.slot, first.home]);
  expect(step('5', 'start').slot).not.toBe(first.slot);
});

test('a sequence that is started again and again leaves one state in the runner, not one for each start', () => {
  const { step } = setUp();
  const slots = Array.from({ length: 5 }, () => step(5, 'start').slot);
  expect(new Set(slots).size).toBe(1);
});

test('a request without an id, a start, or after the end is refused in words that say what is missing', () => {
  const { book, step } = setUp();
  const missing = "inference request to model 'm' must specify a non-zero or non-empty correlation ID";
  expect(() => book.step(undefined)).toThrow(missing);
  expect(() => step(0, 'start')).toThrow(missing);
  expect(() => step('', 'start')).toThrow(missing);
  const start =
    "inference request for sequence 7 to model 'm' must specify the START flag on the first request of the sequence";
  expect(() => step(7)).toThrow(start);
  step(7, 'start');
  step(7, 'end');
  expect(() => step(7)).toThrow(start);
});

test('the number of sequences is bounded; an ended or idle one makes room', () => {
  const { book, step, clock } = setUp();
  step(1, 'start');
  clock.nowMs = 50;
  step(2, 'start');
  expect(() => step(3, 'start')).toThrow(expect.objectContaining({ code: 'overloaded' }));
  clock.nowMs = 100;
  step(3, 'start');
  expect(book.size).toBe(2);
  step(2, 'end');
  expect(() => step(4, 'start')).not.toThrow();
});

test('a lost state ends its sequence, unless that was started anew meanwhile', () => {
  const { book, step } = setUp();
  const old = step(1, 'start');
  const asked = { id: 1, isStart: false, isEnd: false };
  const anew = step(1, 'start');
  book.failed(asked, old, 'runner_lost');
  expect(book.size).toBe(1);
  book.failed(asked, anew, 'runner_lost');
  expect(book.size).toBe(0);
});

test('a last step that found no place in the queue may be sent again; a first one takes up no place', () => {
  const { book, step } = setUp();
  step(1, 'start');
  book.failed({ id: 1, isStart: false, isEnd: true }, step(1, 'end'), 'overloaded');
  expect(() => step(1, 'end')).not.toThrow();
  book.failed({ id: 2, isStart: true, isEnd: false }, step(2, 'start'), 'queue_timeout');
  expect(book.size).toBe(0);
});
