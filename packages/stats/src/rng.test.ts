import { expect, test } from 'vitest';
import { createRng } from './rng.ts';

test('the same seed gives the same stream, another seed another one', () => {
  const first = createRng(7);
  const again = createRng(7);
  const other = createRng(8);
  const a = Array.from({ length: 5 }, () => first.next());
  expect(Array.from({ length: 5 }, () => again.next())).toEqual(a);
  expect(Array.from({ length: 5 }, () => other.next())).not.toEqual(a);
});

test('seeds that agree in their low 32 bits still differ', () => {
  expect(createRng(5).next()).not.toBe(createRng(5 + 2 ** 32).next());
});

test('uniform, normal, exponential, gamma and Poisson have their means and variances', () => {
  const rng = createRng(1);
  const laws: readonly (readonly [() => number, number, number])[] = [
    [() => rng.next(), 0.5, 1 / 12],
    [() => rng.normal(), 0, 1],
    [() => rng.exponential(), 1, 1],
    [() => rng.gamma(0.5), 0.5, 0.5],
    [() => rng.gamma(3), 3, 3],
    [() => rng.poisson(4), 4, 4],
    [() => rng.poisson(90), 90, 90],
  ];
  const n = 20_000;
  for (const [draw, mean, variance] of laws) {
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < n; i++) {
      const x = draw();
      sum += x;
      squares += (x - mean) ** 2;
    }
    expect(Math.abs(sum / n - mean)).toBeLessThan(5 * Math.sqrt(variance / n));
    expect(Math.abs(squares / n / variance - 1)).toBeLessThan(0.12);
  }
});

test('int covers its range evenly and refuses an empty one', () => {
  const rng = createRng(2);
  const counts = [0, 0, 0, 0, 0];
  for (let i = 0; i < 10_000; i++) counts[rng.int(5)]! += 1;
  for (const count of counts) expect(Math.abs(count - 2000)).toBeLessThan(200);
  expect(() => rng.int(0)).toThrow(RangeError);
});

test('shuffle keeps the elements and sample takes different ones', () => {
  const rng = createRng(3);
  expect([...rng.shuffle(Int32Array.from([1, 2, 3, 4]))].sort()).toEqual([1, 2, 3, 4]);
  for (const [n, count] of [
    [10, 10],
    [1000, 7],
    [5, 0],
  ] as const) {
    const taken = rng.sample(n, count);
    expect(new Set(taken).size).toBe(count);
    for (const index of taken) expect(index).toBeLessThan(n);
  }
  expect(() => rng.sample(3, 4)).toThrow(RangeError);
});

test('a fork goes its own way and does not disturb later draws of a twin', () => {
  const rng = createRng(4);
  const twin = createRng(4);
  const fork = rng.fork();
  twin.fork();
  fork.next();
  expect(rng.next()).toBe(twin.next());
});
