import { createRng } from '@holdfast/stats';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TuneFault } from '../fault.ts';
import {
  categorical,
  choice,
  constant,
  defineSpace,
  float,
  group,
  int,
  ordered,
  type Suggestion,
  when,
} from './params.ts';
import { Space } from './space.ts';

const spec = defineSpace({
  lr: float(1e-5, 1, { log: true }),
  units: int(8, 512, { log: true }),
  batch: int(16, 128, { step: 16 }),
  dropout: float(0, 0.5, { step: 0.1 }),
  act: categorical(['relu', 'tanh']),
  size: ordered(['s', 'm', 'l']),
  seed: constant(7),
  layers: int(1, 3),
  w2: when(int(1, 4), { layers: { atLeast: 2 } }),
  slope: when(float(0, 1), { act: ['relu'] }),
  model: choice({
    svm: { C: float(0.01, 100, { log: true }), kernel: choice({ rbf: { gamma: float(0.1, 1) }, linear: {} }) },
    tree: { depth: int(1, 9) },
  }),
  fit: group({ epochs: int(1, 5) }),
});
const space = new Space(spec);

test('every random configuration survives the way to storage, to a suggestion and back', () => {
  fc.assert(
    fc.property(fc.integer(), seed => {
      const point = space.random(createRng(seed));
      const flat = space.toFlat(point);
      const again = space.toPoint(flat)!;
      for (const [i, x] of again.entries())
        expect(Number.isNaN(x) ? -1 : x).toBeCloseTo(Number.isNaN(point[i]!) ? -1 : point[i]!, 12);
      expect(space.flatten(space.nest(flat))).toEqual(flat);
      expect(space.keyOf(space.settle(point, createRng(1)))).toBe(space.keyOf(point));
    }),
    { numRuns: 200 },
  );
});

test('parameters exist exactly when their conditions hold', () => {
  for (let seed = 0; seed < 100; seed++) {
    const nested = space.nest(space.toFlat(space.random(createRng(seed)))) as Suggestion<typeof spec>;
    expect(nested.w2 === undefined).toBe(nested.layers < 2);
    expect(nested.slope === undefined).toBe(nested.act !== 'relu');
    expect(nested.seed).toBe(7);
    expect(nested.fit.epochs).toBeGreaterThan(0);
    if (nested.model.choice === 'svm')
      expect(nested.model.kernel.choice === 'rbf').toBe('gamma' in nested.model.kernel);
    else expect(nested.model.depth).toBeGreaterThan(0);
  }
});

test('grid values are exact, in range and equally likely', () => {
  const counts = new Map<number, number>();
  const rng = createRng(3);
  for (let i = 0; i < 6000; i++) {
    const { dropout = -1 } = space.toFlat(space.random(rng));
    counts.set(Number(dropout), (counts.get(Number(dropout)) ?? 0) + 1);
  }
  expect([...counts.keys()].sort()).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5]);
  for (const n of counts.values()) expect(Math.abs(n - 1000)).toBeLessThan(150);
});

test('a finite conditional space is counted and enumerated without repetition', () => {
  const finite = new Space({
    depth: int(1, 3),
    a: ordered([1, 2]),
    b: when(categorical(['x', 'y', 'z']), { depth: [2, 3] }),
  });
  expect(finite.count()).toBe(2 + 2 * 2 * 3);
  const keys = [...finite.enumerate()].map(p => finite.keyOf(p));
  expect(new Set(keys).size).toBe(14);
  expect(space.count()).toBe(Number.POSITIVE_INFINITY);
});

test.each([
  ['a log scale from zero', { x: float(0, 1, { log: true }) }, 'bad_parameter'],
  ['bounds in the wrong order', { x: float(2, 1) }, 'bad_parameter'],
  ['a bound that is not a number', { x: float(Number.NaN, 1) }, 'bad_parameter'],
  ['a fraction as int', { x: int(0.5, 2) }, 'bad_parameter'],
  ['no category', { x: categorical([]) }, 'bad_parameter'],
  ['a repeated category', { x: categorical(['a', 'a']) }, 'bad_parameter'],
  ['a default outside the range', { x: int(1, 3, { default: 4 }) }, 'bad_parameter'],
  ['a condition on nothing', { x: when(int(1, 3), { y: [1] }) }, 'bad_condition'],
  ['a condition that can never hold', { y: int(1, 2), x: when(int(1, 3), { y: [9] }) }, 'bad_condition'],
  ['no parameter at all', {}, 'empty_space'],
])('%s is refused', (_, bad, code) => {
  expect(() => new Space(bad)).toThrow(expect.objectContaining({ code }) as TuneFault);
});

test('defaults make a complete configuration, and none when nobody declares one', () => {
  expect(new Space({ a: int(0, 10, { default: 2 }), b: categorical(['p', 'q']) }).defaults()).toEqual({ a: 2, b: 'p' });
  expect(space.defaults()).toBeUndefined();
});
