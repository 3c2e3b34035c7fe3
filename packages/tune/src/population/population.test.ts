import { expect, test } from 'vitest';
import { categorical, defineSpace, float, ordered } from '../space/params.ts';
import { createPopulation, type Population, restorePopulation } from './population.ts';

const space = defineSpace({
  rate: float(0.001, 1, { log: true }),
  kind: categorical(['a', 'b']),
  width: ordered([1, 2, 4, 8]),
});
const settings = { space, intervalSteps: 5, maxSteps: 50, seed: 3 } as const;

/** Weights are one number that gradient descent with noise-free curvature 1 moves to 0; rates above 1.9 would diverge. */
function train(population: Population<typeof space>, segments: number): Map<number, number> {
  const checkpoints = new Map<number, number>();
  for (let i = 0; i < segments; i++) {
    const ask = population.ask();
    if (ask.kind !== 'segment') break;
    const { number, startFrom, fromStep, toStep } = ask.segment;
    let weight = startFrom === undefined ? 1 : (checkpoints.get(startFrom) ?? 1);
    for (let step = fromStep; step < toStep; step++)
      weight *= 1 - ask.params.rate * (ask.params.kind === 'a' ? 0.1 : 0.2);
    checkpoints.set(number, weight);
    population.tell(number, weight);
  }
  return checkpoints;
}

test('members train to the end, and the population beats its best untouched member', () => {
  const population = createPopulation(settings);
  train(population, 1000);
  expect(population.ask()).toEqual({ kind: 'finished' });
  const first = population.segments.slice(0, 8).map(s => {
    const rate = Number(s.params.rate) * (s.params.kind === 'a' ? 0.1 : 0.2);
    return (1 - rate) ** 50;
  });
  expect(population.best()!.value).toBeLessThan(Math.min(...first));
});

test('the lowest quarter takes over weights and parameters of the highest quarter, changed', () => {
  const population = createPopulation({ ...settings, size: 4, resampleProbability: 0 });
  for (const value of [3, 1, 2]) {
    const ask = population.ask();
    if (ask.kind === 'segment') population.tell(ask.segment.number, value);
  }
  const last = population.ask();
  if (last.kind === 'segment') population.tell(last.segment.number, 9);
  const taken = population.segments.at(-1)!;
  expect(taken).toMatchObject({ member: 3, startFrom: 1, fromStep: 5, toStep: 10 });
  const ratio = Number(taken.params.rate) / Number(population.segments[1]!.params.rate);
  expect([0.8, 1.2].some(f => Math.abs(ratio - f) < 1e-9)).toBe(true);
  expect(taken.params.kind).toBe(population.segments[1]!.params.kind);
});

test('a member in the middle goes on with its own weights and parameters', () => {
  const population = createPopulation({ ...settings, size: 4 });
  for (const value of [1, 9, 5]) {
    const ask = population.ask();
    if (ask.kind === 'segment') population.tell(ask.segment.number, value);
  }
  expect(population.segments.at(-1)).toMatchObject({ member: 2, startFrom: 2, params: population.segments[2]!.params });
});

test('a diverged member takes over from another instead of being lost', () => {
  const population = createPopulation({ ...settings, size: 4 });
  for (const value of [1, 2, 3, Number.NaN]) {
    const ask = population.ask();
    if (ask.kind === 'segment') population.tell(ask.segment.number, value);
  }
  expect(population.segments[3]!.state).toBe('failed');
  expect(population.segments.at(-1)).toMatchObject({ member: 3, startFrom: 0 });
});

test('a restored population goes on exactly as if it had not stopped', () => {
  const whole = createPopulation(settings);
  const checkpoints = train(whole, 30);
  const restored = restorePopulation(JSON.parse(JSON.stringify(whole.snapshot())), settings);
  for (const population of [whole, restored])
    for (let i = 0; i < 20; i++) {
      const ask = population.ask();
      if (ask.kind === 'segment') population.tell(ask.segment.number, Math.sin(ask.segment.number) + checkpoints.size);
    }
  expect(restored.segments).toEqual(whole.segments);
});

test('checkpoints that nobody can ask for any more may be deleted', () => {
  const population = createPopulation(settings);
  const checkpoints = train(population, 60);
  const needed = population.neededCheckpoints();
  expect(needed.length).toBeLessThan(24);
  for (const { state, startFrom } of population.segments)
    if (state === 'waiting' && startFrom !== undefined) expect(needed).toContain(startFrom);
  expect(checkpoints.size).toBe(60);
});

test('a released segment is handed out again', () => {
  const population = createPopulation(settings);
  const ask = population.ask();
  population.release(0);
  expect(population.ask()).toEqual(ask);
});

test('a population is not restored with other settings than it was saved with', () => {
  const saved = createPopulation({ ...settings, direction: 'maximize' }).snapshot();
  expect(() => restorePopulation(saved, { ...settings, direction: 'maximize', seed: 4 })).toThrow(
    'it was saved with seed 3, not 4',
  );
  expect(() => restorePopulation(saved, { ...settings, direction: 'minimize' })).toThrow(
    'it was saved with direction maximize, not minimize',
  );
});

test('what a restored population is not told is as it was saved', () => {
  const whole = createPopulation({ ...settings, size: 4, direction: 'maximize' });
  train(whole, 6);
  const restored = restorePopulation(whole.snapshot(), { space });
  for (const population of [whole, restored]) train(population, 30);
  expect(restored.segments).toEqual(whole.segments);
});
